// The small table of a compressed bag: hashes in place of words, few bits for each element. Read
// next: compressed.cc.
#pragma once

#include <tapegrad/tapegrad.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/parameter_shapes.h"

namespace text_classifier {

// The rows of a table that were kept, under the hashes of their words. A row is a scale, of which
// 256 sizes exist, times codes of one byte:
//
//   int8      a code for each element: element = scale * code / 127, code from -127 to 127
//   product   a code for each two or four elements, the number of one of 256 centroids for these
//             elements; the elements of a centroid are stored as int8 is (Jegou and others, 2011)
//
// Invariants:
// 1. `keys` ascend, without repetition. Row 0 is that of unknown words, row i + 1 that of keys[i].
// 2. There is a scale for each row, and bytes_of_row() codes.
class CompressedTable {
 public:
  static constexpr std::int64_t kCentroids = 256;

  std::int64_t dim = 0;
  std::int64_t subvector_size = 0;  // elements for each code of a product; 0: int8
  std::vector<std::uint32_t> keys;
  std::vector<std::uint8_t> scales;
  std::vector<std::uint8_t> codes;
  std::vector<std::uint8_t>
      centroids;    // (subvectors, kCentroids, subvector_size), only of a product
  float least = 1;  // scales other than 0
  float greatest = 1;

  std::int64_t rows() const { return std::ssize(scales); }
  std::int64_t subvectors() const {
    return subvector_size > 0 ? (dim + subvector_size - 1) / subvector_size : 0;
  }
  std::int64_t bytes_of_row() const { return subvector_size > 0 ? subvectors() : dim; }

  // The scale of a code. 0 has the scale 0; the others grow by equal factors.
  float scale(std::uint8_t code) const;
  // The code of the scale that is nearest by its logarithm.
  std::uint8_t code_of_scale(double scale) const;

  float element(std::int64_t row, std::int64_t column) const;

  // The ids that the model uses: padding, unknown words, what was left out, then keys[0], ...
  static constexpr std::int64_t kLeftOut = 2;  // a row of zeros
  static constexpr std::int64_t kFirstKey = 3;
  std::optional<std::int64_t> find(std::uint32_t key) const;

  tg::Tensor table() const;  // of these ids: float32 (rows + 2, dim)

  // The tensors in the file. Bytes are packed in int64, eight in each, the first in the lowest
  // bits.
  tg::StateDict state_dict() const;
  // Checks everything that state_dict() promises; FormatError, which begins with `file`.
  static CompressedTable from_state_dict(const tg::StateDict& state, const ModelSettings& settings,
                                         const std::string& file);
};

// The code of a value from -1 to 1, and the value of a code.
std::uint8_t int8_code(double value);
float int8_value(std::uint8_t code);

// The key of a word or an n-gram of words, and of a bucket of character n-grams.
std::uint32_t key_of(std::string_view token);
std::uint32_t key_of_bucket(std::int64_t bucket);

// The names and shapes in the file of a compressed model, for settings.compression.
NamedShapes compressed_shapes(const ModelSettings& settings);

// The parameters of the Classifier: the table, and its head.
tg::StateDict parameters_of(const CompressedTable& table, const ModelSettings& settings,
                            const tg::StateDict& state);

}  // namespace text_classifier
