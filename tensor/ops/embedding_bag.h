// Embedding tables: checks of ids, lookups of rows, bags of rows, and the distinct ids in a list.
// autograd/ops/embedding_bag.cc builds on these functions. Ids are checked once; the functions that
// take `Bags` or checked ids do not check them again.
//
// Internal. Read next: tensor/ops/embedding_bag.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Lookups (gather_scatter.cc) --------------------------------------------------------------------

// Returns the ids as a contiguous tensor after checking that each is a row of the table. ShapeError
// unless the table is (rows, width); DTypeError unless ids are int64; an IndexError names the
// position, the id and the number of rows.
Tensor checked_ids(const char* operation, const Tensor& table, const Tensor& ids);
// (...) checked ids -> (..., width)
Tensor rows_at(const Tensor& table, const Tensor& ids);

// padding_idx as a row index of 0 or more, or -1 if there is none. ValueError if it is out of
// range.
std::int64_t checked_padding(const char* operation, std::optional<std::int64_t> padding_idx,
                             std::int64_t rows);

// Bags --------------------------------------------------------------------------------------------

// Bag b consists of ids[bounds[b]], ..., ids[bounds[b + 1] - 1]; ids equal to `skip` are ignored.
struct Bags {
  Tensor ids;     // checked, flat
  Tensor bounds;  // (count + 1) int64
  std::int64_t skip = -1;

  std::int64_t count() const { return bounds.numel() - 1; }
};

// Makes bags from 2-d ids, whose rows are the bags (offsets undefined), or from 1-d ids and 1-d
// offsets, the positions at which bags begin. With include_last_offset, the last offset is the end
// of the last bag.
Bags checked_bags(const char* operation, const Tensor& table, const Tensor& ids,
                  const Tensor& offsets, bool include_last_offset);

// (bags, width); 0 for a bag without ids. Sums of scale[i] * table[ids[i]]; an undefined scale is
// 1.
Tensor bag_sum(const Tensor& table, const Bags& bags, const Tensor& scale);
Tensor bag_mean(const Tensor& table, const Bags& bags);
struct BagMax {
  Tensor values;
  // (bags, width): the id of the row with the largest element, -1 for a bag without ids.
  Tensor winners;
};
BagMax bag_max(const Tensor& table, const Bags& bags, bool with_winners);
// (ids): the dot product of each id's row with the row x[b] of its bag, 0 for ignored ids.
Tensor bag_dots(const Tensor& x, const Tensor& table, const Bags& bags);

// For each id, its bag; and 1 / the number of ids in its bag that are not ignored.
Tensor bag_of_each(const Bags& bags);
Tensor share_of_each(const Bags& bags, DType dtype);

// Distinct ids ------------------------------------------------------------------------------------

// Numbers distinct ids in the order of their first occurrence, with a hash table (open addressing,
// at most half full). The thread keeps the table for the next use. It is not cleared: a stamp in
// each slot tells whether the slot belongs to the current use. Only one UniqueIds may exist on a
// thread at a time.
class UniqueIds {
 public:
  explicit UniqueIds(std::size_t most);  // `most` ids will be added at most

  // Sets numbers[i] to the number of ids[i], or to -1 if ids[i] is `skip`, which is ignored.
  void add(const std::int64_t* ids, std::size_t n, std::int64_t skip, std::int64_t* numbers);

  std::int64_t count() const { return count_; }
  const std::int64_t* occurrences() const { return seen_.data<std::int64_t>(); }  // by number
  Tensor distinct() const;                                                        // (count) int64

 private:
  struct Slot {
    std::int64_t id;
    std::uint32_t stamp;
    std::uint32_t number;
  };
  struct Slots;

  Slots& slots_;
  int shift_;
  std::int64_t count_ = 0;
  Tensor ids_;
  Tensor seen_;
};

}  // namespace tapegrad
