// Row-sparse gradients: all contributions to one row are summed. Read next: autograd/row_policy.h.
#include <tapegrad/autograd/row_sparse.h>

#include <algorithm>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>
#include <tapegrad/tensor/ops/fused.h>

namespace tapegrad {
namespace {

// sums[targets[i]] += scale[i] * rows[pick[i]], except for targets that are `skip`.
void add(Tensor& sums, const std::int64_t* targets, std::int64_t skip, const RowSparse& gradient,
         const Tensor& pick, const Tensor& scale) {
  visit_floating(sums.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernel::kernels<T>().scatter_add_rows(sums.mutable_data<T>(), targets, gradient.rows.data<T>(),
                                          detail::data_or_null<std::int64_t>(pick),
                                          detail::data_or_null<T>(scale),
                                          static_cast<std::size_t>(gradient.ids.numel()),
                                          static_cast<std::size_t>(sums.size(1)), skip);
  });
}

RowSparse coalesced(std::span<const RowSparse> gradients, const Tensor& pick, const Tensor& scale) {
  const RowSparse& first = gradients.front();
  if (gradients.size() == 1 && first.coalesced) return first;
  std::int64_t total = 0;
  for (const RowSparse& part : gradients) total += part.ids.numel();
  UniqueIds unique(static_cast<std::size_t>(total));
  Tensor positions = Tensor::uninitialized(Shape(total), int64);
  auto* position = positions.mutable_data<std::int64_t>();
  for (const RowSparse& part : gradients) {
    const auto count = static_cast<std::size_t>(part.ids.numel());
    unique.add(part.ids.data<std::int64_t>(), count, part.skip, position);
    position += count;
  }
  const bool unchanged = gradients.size() == 1 && !pick.defined() && !scale.defined();
  if (unchanged && unique.count() == total) return {first.ids, first.rows, -1, true};

  const Shape shape{unique.count(), first.rows.size(1)};
  RowSparse result{unique.distinct(), zeros(shape, first.rows.dtype()), -1, true};
  const auto* target = positions.data<std::int64_t>();
  for (const RowSparse& part : gradients) {
    add(result.rows, target, -1, part, pick, scale);
    target += part.ids.numel();
  }
  return result;
}

}  // namespace

RowSparse coalesce(const RowSparse& gradient) { return coalesced({&gradient, 1}, {}, {}); }
RowSparse coalesce(std::span<const RowSparse> gradients) { return coalesced(gradients, {}, {}); }
RowSparse coalesce(const RowSparse& gradient, const Tensor& pick, const Tensor& scale) {
  return coalesced({&gradient, 1}, pick, scale);
}

void add_rows(Tensor& table, const RowSparse& gradient) {
  add(table, gradient.ids.data<std::int64_t>(), gradient.skip, gradient, {}, {});
}

// GradientSum -------------------------------------------------------------------------------------

namespace {

// x with memory of its own, so that nothing else sees a write to it.
Tensor& owned(Tensor& x) {
  if (!x.is_exclusive() || !x.is_contiguous()) x = x.clone();
  return x;
}

}  // namespace

void GradientSum::reserve(Tensor& gradient, std::size_t parts) {
  if (dense_.defined()) {
    owned(dense_);
    if (gradient.defined()) gradient = gradient.contiguous();
  } else if (gradient.defined()) {
    owned(gradient);  // a rule may have returned the same Tensor for several inputs
  } else if (rows_.capacity() < rows_.size() + parts) {
    rows_.reserve(std::max(2 * rows_.size(), rows_.size() + parts));
  }
}

void GradientSum::add(Tensor gradient) noexcept {
  ++version_;
  if (dense_.defined()) {
    dense_.add_(gradient);
  } else {
    dense_ = std::move(gradient);
    for (const RowSparse& part : rows_) add_rows(dense_, part);
    rows_.clear();
  }
}

void GradientSum::add(RowSparse gradient) noexcept {
  ++version_;
  if (dense_.defined()) {
    add_rows(dense_, gradient);
  } else {
    rows_.push_back(std::move(gradient));
  }
}

void GradientSum::set(Tensor gradient) {
  clear();
  dense_ = std::move(gradient);
}

void GradientSum::clear() {
  ++version_;
  dense_ = Tensor();
  rows_.clear();
}

Tensor GradientSum::dense(const Tensor& like) const {
  if (rows_.empty()) return dense_;
  Tensor total = dense_.defined() ? dense_.clone() : zeros_like(like);
  for (const RowSparse& part : rows_) add_rows(total, part);
  return total;
}

RowSparse GradientSum::coalesced() const { return coalesce(rows_); }

const RowSparse& GradientSum::rows() {
  rows_.front() = coalesced();
  rows_.resize(1);
  return rows_.front();
}

void GradientSum::make_own() {
  if (!dense_.defined()) rows();
  owned(dense_.defined() ? dense_ : rows_.front().rows);
}

Tensor& GradientSum::writable() {
  make_own();
  ++version_;
  return dense_.defined() ? dense_ : rows_.front().rows;
}

}  // namespace tapegrad
