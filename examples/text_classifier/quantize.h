// Stores rows of float32 in a CompressedTable. Read next: quantize.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text_classifier/compressed.h"

namespace text_classifier {

// A row that may be kept, in the order of importance.
struct Candidate {
  std::int64_t row;
  std::uint32_t key;
  double weight;     // of its norm, for its importance
  double frequency;  // up to a factor
};

// What the table of a model holds, as float32 (rows, dim).
struct Rows {
  std::vector<float> elements;
  std::int64_t dim = 0;
  std::vector<Candidate> candidates;
  double lost = 0;  // the sum of the squared norms of all candidates, times their frequencies

  std::span<const float> operator[](std::int64_t row) const {
    return std::span(elements).subspan(static_cast<std::size_t>(row * dim),
                                       static_cast<std::size_t>(dim));
  }
};

double squared_norm(std::span<const float> row);

// A table of the first `kept` candidates, and of the row of unknown words. `subvector_size` as in
// Compression.
CompressedTable quantized(const Rows& rows, std::int64_t kept, std::int64_t subvector_size);

// What such a table loses of all rows: the sum of the squared differences, times frequencies.
double loss_of(const CompressedTable& table, const Rows& rows, std::int64_t kept);

}  // namespace text_classifier
