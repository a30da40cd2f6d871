// Embedding lookups, bags of rows, and distinct ids. Read next: tensor/ops/similarity.cc.
#include <tapegrad/tensor/ops/embedding_bag.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

// Lookups -----------------------------------------------------------------------------------------

Tensor embedding(const Tensor& weight, const Tensor& ids) {
  return rows_at(weight, checked_ids("embedding", weight, ids));
}

std::int64_t checked_padding(const char* operation, std::optional<std::int64_t> padding_idx,
                             std::int64_t rows) {
  if (!padding_idx) return -1;
  if (*padding_idx < -rows || *padding_idx >= rows) {
    throw ValueError(std::string(operation) + ": padding_idx " + std::to_string(*padding_idx) +
                     " out of range for " + std::to_string(rows) + " rows");
  }
  return *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
}

// Bags --------------------------------------------------------------------------------------------

namespace {

// The positions where bags of 1-d ids begin, followed by the end of the last bag.
Tensor checked_bounds(const char* operation, const Tensor& offsets, std::int64_t ids,
                      bool include_last_offset) {
  const auto fail = [&](const std::string& what) {
    throw ValueError(std::string(operation) + ": " + what);
  };
  if (offsets.dim() != 1 || offsets.dtype() != int64) {
    throw ShapeError(std::string(operation) + ": offsets are " + name(offsets.dtype()) + " " +
                     to_string(offsets.sizes()) + ", needed 1-d int64");
  }
  const std::int64_t given = offsets.numel();
  if (include_last_offset && given == 0) {
    fail("include_last_offset needs at least one offset, the number of ids");
  }
  if (given == 0 && ids > 0) {
    fail("no offsets for " + std::to_string(ids) + " ids; use offsets {0} for one bag of all ids");
  }
  Tensor bounds = Tensor::uninitialized(Shape(include_last_offset ? given : given + 1), int64);
  const Tensor source = offsets.contiguous();
  auto* const to = bounds.mutable_data<std::int64_t>();
  const auto from = source.span<std::int64_t>();
  to[bounds.numel() - 1] = ids;
  std::copy(from.begin(), from.end(), to);
  if (to[0] != 0) fail("offsets begin at " + std::to_string(to[0]) + ", needed 0");
  for (std::int64_t i = 0; i < given; ++i) {
    if (i > 0 && to[i] < to[i - 1]) {
      fail("offsets decrease at position " + std::to_string(i) + ": " + std::to_string(to[i]) +
           " after " + std::to_string(to[i - 1]));
    }
    if (to[i] > ids) {
      fail("offset " + std::to_string(to[i]) + " at position " + std::to_string(i) +
           " is larger than the number of ids, " + std::to_string(ids));
    }
  }
  if (include_last_offset && to[given - 1] != ids) {
    fail("the last offset is " + std::to_string(to[given - 1]) +
         ", with include_last_offset needed the number of ids, " + std::to_string(ids));
  }
  return bounds;
}

}  // namespace

Bags checked_bags(const char* operation, const Tensor& table, const Tensor& ids,
                  const Tensor& offsets, bool include_last_offset) {
  const auto refuse = [&](const char* needed) {
    throw ShapeError(std::string(operation) + ": ids have shape " + to_string(ids.sizes()) +
                     (offsets.defined() ? " with offsets" : " without offsets") + ", needed " +
                     needed);
  };
  if (ids.dim() != 1 && ids.dim() != 2) refuse("(bags, ids of each), or 1-d ids with offsets");
  if (ids.dim() == 2 && offsets.defined()) {
    refuse("1-d ids with offsets; without offsets, each row of 2-d ids is a bag");
  }
  if (ids.dim() == 1 && !offsets.defined()) refuse("offsets, the positions where bags begin");
  Bags bags;
  const Tensor checked = checked_ids(operation, table, ids);
  bags.ids = reshape(checked, {checked.numel()});
  if (ids.dim() == 1) {
    bags.bounds = checked_bounds(operation, offsets, ids.numel(), include_last_offset);
    return bags;
  }
  if (include_last_offset) refuse("1-d ids and offsets for include_last_offset");
  bags.bounds = Tensor::uninitialized(Shape(ids.size(0) + 1), int64);
  auto* const bounds = bags.bounds.mutable_data<std::int64_t>();
  for (std::int64_t b = 0; b <= ids.size(0); ++b) bounds[b] = b * ids.size(1);
  return bags;
}

namespace {

// Calls f(kernels, elements of the table, number of bags, width) for the table's element type.
template <class Function>
void on_table(const Tensor& table, const Bags& bags, const Function& f) {
  const Tensor rows = table.contiguous();
  visit_floating(rows.dtype(), [&](auto zero) {
    using T = decltype(zero);
    f(kernel::kernels<T>(), rows.data<T>(), static_cast<std::size_t>(bags.count()),
      static_cast<std::size_t>(rows.size(1)));
  });
}

Tensor summed(const Tensor& table, const Bags& bags, const Tensor& scale, bool mean) {
  Tensor out = Tensor::uninitialized(Shape{bags.count(), table.size(1)}, table.dtype());
  on_table(table, bags,
           [&]<class T>(const kernel::Kernels<T>& kernels, const T* rows, std::size_t count,
                        std::size_t width) {
             kernels.bag_sum(out.mutable_data<T>(), rows, bags.ids.data<std::int64_t>(),
                             scale.defined() ? scale.data<T>() : nullptr,
                             bags.bounds.data<std::int64_t>(), count, width, bags.skip, mean);
           });
  return out;
}

// Calls f(bag, begin, end) for every bag.
template <class Function>
void for_each_bag(const Bags& bags, const Function& f) {
  const auto bounds = bags.bounds.span<std::int64_t>();
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    f(static_cast<std::int64_t>(b), bounds[b], bounds[b + 1]);
  }
}

}  // namespace

Tensor bag_sum(const Tensor& table, const Bags& bags, const Tensor& scale) {
  return summed(table, bags, scale, false);
}

Tensor bag_mean(const Tensor& table, const Bags& bags) {
  return summed(table, bags, Tensor(), true);
}

BagMax bag_max(const Tensor& table, const Bags& bags, bool with_winners) {
  const Shape shape{bags.count(), table.size(1)};
  BagMax result{Tensor::uninitialized(shape, table.dtype()),
                with_winners ? Tensor::uninitialized(shape, int64) : Tensor()};
  on_table(table, bags,
           [&]<class T>(const kernel::Kernels<T>& kernels, const T* rows, std::size_t count,
                        std::size_t width) {
             kernels.bag_max(result.values.mutable_data<T>(),
                             with_winners ? result.winners.mutable_data<std::int64_t>() : nullptr,
                             rows, bags.ids.data<std::int64_t>(), bags.bounds.data<std::int64_t>(),
                             count, width, bags.skip);
           });
  return result;
}

Tensor bag_dots(const Tensor& x, const Tensor& table, const Bags& bags) {
  Tensor out = Tensor::uninitialized(Shape(bags.ids.numel()), table.dtype());
  const Tensor of_bags = x.contiguous();
  on_table(table, bags,
           [&]<class T>(const kernel::Kernels<T>& kernels, const T* rows, std::size_t count,
                        std::size_t width) {
             kernels.bag_dots(out.mutable_data<T>(), of_bags.data<T>(), rows,
                              bags.ids.data<std::int64_t>(), bags.bounds.data<std::int64_t>(),
                              count, width, bags.skip);
           });
  return out;
}

Tensor bag_of_each(const Bags& bags) {
  Tensor out = Tensor::uninitialized(Shape(bags.ids.numel()), int64);
  auto* const to = out.mutable_data<std::int64_t>();
  for_each_bag(bags, [&](std::int64_t b, std::int64_t begin, std::int64_t end) {
    std::fill(to + begin, to + end, b);
  });
  return out;
}

Tensor share_of_each(const Bags& bags, DType dtype) {
  Tensor out = Tensor::uninitialized(Shape(bags.ids.numel()), dtype);
  const auto* const ids = bags.ids.data<std::int64_t>();
  visit_floating(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const to = out.mutable_data<T>();
    for_each_bag(bags, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      const std::int64_t skipped = std::count(ids + begin, ids + end, bags.skip);
      const std::int64_t counted = std::max<std::int64_t>(1, end - begin - skipped);
      std::fill(to + begin, to + end, T(1) / static_cast<T>(counted));
    });
  });
  return out;
}

// Distinct ids ------------------------------------------------------------------------------------

struct UniqueIds::Slots {
  std::vector<Slot> slots;
  std::uint32_t stamp = 0;

  static Slots& of_thread() {
    thread_local Slots own;
    return own;
  }
};

UniqueIds::UniqueIds(std::size_t most)
    : slots_(Slots::of_thread()),
      shift_(64 - static_cast<int>(std::bit_width(std::bit_ceil(2 * most + 2) - 1))),
      ids_(Tensor::uninitialized(Shape(static_cast<std::int64_t>(most)), int64)),
      seen_(Tensor::uninitialized(Shape(static_cast<std::int64_t>(most)), int64)) {
  const std::size_t capacity = std::size_t{1} << (64 - shift_);
  if (slots_.slots.size() < capacity) slots_.slots.resize(capacity);
  if (++slots_.stamp == 0) {  // the stamp overflowed: old stamps could look current
    std::fill(slots_.slots.begin(), slots_.slots.end(), Slot{});
    slots_.stamp = 1;
  }
}

void UniqueIds::add(const std::int64_t* ids, std::size_t n, std::int64_t skip,
                    std::int64_t* numbers) {
  constexpr std::size_t kAhead = 8;
  Slot* const slots = slots_.slots.data();
  const std::size_t mask = (std::size_t{1} << (64 - shift_)) - 1;
  const auto place = [shift = shift_](std::int64_t id) {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15U) >>
                                    shift);
  };
  const std::uint32_t stamp = slots_.stamp;
  auto* const by_number = ids_.mutable_data<std::int64_t>();
  auto* const seen = seen_.mutable_data<std::int64_t>();
  std::int64_t count = count_;
  for (std::size_t i = 0; i < n; ++i) {
    if (i + kAhead < n) __builtin_prefetch(slots + place(ids[i + kAhead]));
    const std::int64_t id = ids[i];
    if (id == skip) {
      numbers[i] = -1;
      continue;
    }
    std::size_t at = place(id);
    while (slots[at].stamp == stamp && slots[at].id != id) at = (at + 1) & mask;
    // No branch on whether the id is new: the processor could not predict it.
    const bool is_new = slots[at].stamp != stamp;
    const std::int64_t number = is_new ? count : slots[at].number;
    slots[at] = {id, stamp, static_cast<std::uint32_t>(number)};
    by_number[number] = id;
    seen[number] = (is_new ? 0 : seen[number]) + 1;
    numbers[i] = number;
    count += is_new;
  }
  count_ = count;
}

Tensor UniqueIds::distinct() const {
  return tensor(ids_.span<std::int64_t>().first(static_cast<std::size_t>(count_)));
}

}  // namespace tapegrad
