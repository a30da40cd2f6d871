// Snapshot: the elements of a tensor at one moment, for a page. Internal. Read next:
// autograd/trace/snapshot.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad::trace {

// The elements of a small tensor; of a large one, a summary and a thumbnail; of a row-sparse
// gradient, its rows.
struct Snapshot {
  DType dtype = DType::float32;
  Shape shape;
  std::vector<double> data;  // row-major

  bool is_summary = false;
  double min = 0, max = 0, mean = 0, norm = 0;  // of the finite elements
  std::int64_t nonfinite = 0;
  std::int64_t rows = 0, columns = 0;  // of the thumbnail; data holds the mean of each block

  bool is_row_sparse = false;
  std::vector<std::int64_t> ids;  // data holds a row for each

  bool operator==(const Snapshot& other) const;
  std::size_t hash() const;
};

Snapshot snapshot_of(const Tensor& tensor, std::int64_t most_elements);
Snapshot snapshot_of_rows(const Tensor& ids, const Tensor& rows,
                          std::span<const std::int64_t> table, std::int64_t most_elements);

}  // namespace tapegrad::trace
