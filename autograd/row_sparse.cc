// Row-sparse gradients: many contributions to few rows, made one row each. Read next:
// autograd/backward.cc.
#include <tapegrad/autograd/node.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>

namespace tapegrad {
namespace {

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

// sums[targets[i]] += scale[i] * rows[pick[i]], but for targets `skip`.
void add(Tensor& sums, const std::int64_t* targets, std::int64_t skip, const RowPieces& pieces,
         const Tensor& pick, const Tensor& scale) {
  visit_floating(sums.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernel::kernels<T>().scatter_add_rows(sums.mutable_data<T>(), targets, pieces.rows.data<T>(),
                                          data_or_null<std::int64_t>(pick), data_or_null<T>(scale),
                                          static_cast<std::size_t>(pieces.ids.numel()),
                                          static_cast<std::size_t>(sums.size(1)), skip);
  });
}

RowPieces coalesced(std::span<const RowPieces> pieces, const Tensor& pick, const Tensor& scale) {
  const RowPieces& first = pieces.front();
  if (pieces.size() == 1 && first.distinct) return first;
  std::int64_t total = 0;
  for (const RowPieces& part : pieces) total += part.ids.numel();
  UniqueIds numbering(static_cast<std::size_t>(total));
  Tensor numbers = Tensor::uninitialized(Shape(total), int64);
  auto* number = numbers.mutable_data<std::int64_t>();
  for (const RowPieces& part : pieces) {
    const auto count = static_cast<std::size_t>(part.ids.numel());
    numbering.add(part.ids.data<std::int64_t>(), count, part.skip, number);
    number += count;
  }
  const bool as_it_is = pieces.size() == 1 && !pick.defined() && !scale.defined();
  if (as_it_is && numbering.count() == total) return {first.ids, first.rows, -1, true};

  const Shape shape{numbering.count(), first.rows.size(1)};
  RowPieces result{numbering.distinct(), zeros(shape, first.rows.dtype()), -1, true};
  const auto* target = numbers.data<std::int64_t>();
  for (const RowPieces& part : pieces) {
    add(result.rows, target, -1, part, pick, scale);
    target += part.ids.numel();
  }
  return result;
}

}  // namespace

void add_rows(Tensor& into, const RowPieces& pieces) {
  add(into, pieces.ids.data<std::int64_t>(), pieces.skip, pieces, {}, {});
}

RowPieces coalesce(const RowPieces& pieces, const Tensor& pick, const Tensor& scale) {
  return coalesced({&pieces, 1}, pick, scale);
}

RowPieces coalesce(const std::vector<RowPieces>& pieces) { return coalesced(pieces, {}, {}); }

}  // namespace tapegrad
