// Tables of rows, as embeddings are: ids that are checked once and then trusted, lookups, bags of
// rows, and the distinct ones of many ids. What autograd/ops/embedding_bag.cc is made of.
//
// Internal. Read next: tensor/ops/embedding_bag.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Lookups (gather_scatter.cc)
// ----------------------------------------------------------------------

// The ids, contiguous, each known to be a row of the table. ShapeError unless the table is (rows,
// width); DTypeError unless ids are int64; IndexError naming position, id and number of rows.
Tensor checked_ids(const char* operation, const Tensor& table, const Tensor& ids);
// (...) checked ids -> (..., width)
Tensor rows_at(const Tensor& table, const Tensor& ids);

// padding_idx counted from the front, -1 if there is none; ValueError if there is no such row.
std::int64_t checked_padding(const char* operation, std::optional<std::int64_t> padding_idx,
                             std::int64_t rows);

// Bags --------------------------------------------------------------------------------------------

// Bag b holds ids[bounds[b]], ..., ids[bounds[b + 1] - 1]; those of value `skip` do not count.
struct Bags {
  Tensor ids;     // checked, flat
  Tensor bounds;  // (count + 1) int64
  std::int64_t skip = -1;

  std::int64_t count() const { return bounds.numel() - 1; }
};

// Of 2-d ids (offsets undefined), whose rows are the bags, or of 1-d ids and the 1-d positions
// where bags begin; with include_last_offset, the last offset is where the last bag ends.
Bags checked_bags(const char* operation, const Tensor& table, const Tensor& ids,
                  const Tensor& offsets, bool include_last_offset);

// (bags, width), 0 where nothing counts. Sums of scale[i] * table[ids[i]]; scale may be undefined.
Tensor bag_sum(const Tensor& table, const Bags& bags, const Tensor& scale);
Tensor bag_mean(const Tensor& table, const Bags& bags);
struct BagMax {
  Tensor values;
  Tensor
      winners;  // (bags, width): the id whose row had the largest number, -1 where nothing counts
};
BagMax bag_max(const Tensor& table, const Bags& bags, bool with_winners);
// (ids): the dot product of each id's row with the row x[b] of its bag, 0 where it does not count.
Tensor bag_dots(const Tensor& x, const Tensor& table, const Bags& bags);

// The bag that each id lies in, and 1 / the number of ids that count in it.
Tensor bag_of_each(const Bags& bags);
Tensor share_of_each(const Bags& bags, DType dtype);

// Distinct ids ------------------------------------------------------------------------------------

// Numbers ids in the order of their first occurrence: an open-addressed table, at most half full,
// that the thread keeps. What an earlier use left in it is told by a stamp, not cleared. One at a
// time on a thread.
class UniqueIds {
 public:
  explicit UniqueIds(std::size_t most);  // ids that will come

  // numbers[i] = the number of ids[i]; -1 for `skip`, which is not counted.
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
