// Codes of scales and elements, and the tensors in which a file holds them. Read next: quantize.h.
#include "text_classifier/compressed.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "common/hashing.h"

namespace text_classifier {
namespace {

using examples::hash_of;
using examples::to_32_bits;

// The names of the tensors.
constexpr const char* kKeys = "table.keys";
constexpr const char* kScales = "table.scales";
constexpr const char* kLimits = "table.scale_limits";
constexpr const char* kCodes = "table.codes";
constexpr const char* kCentroidCodes = "table.centroids";
constexpr const char* kHead = "head.weight";
constexpr const char* kBias = "head.bias";

std::vector<std::uint8_t> bytes_of(const std::vector<std::uint32_t>& keys) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(4 * keys.size());
  for (const std::uint32_t key : keys) {
    for (const unsigned shift : {0U, 8U, 16U, 24U}) {
      bytes.push_back(static_cast<std::uint8_t>(key >> shift));
    }
  }
  return bytes;
}

std::vector<std::uint32_t> keys_of(const std::vector<std::uint8_t>& bytes) {
  std::vector<std::uint32_t> keys(bytes.size() / 4);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    keys[i / 4] |= std::uint32_t{bytes[i]} << (8 * (i % 4));
  }
  return keys;
}

void require(bool fine, const std::string& file, const char* name, const char* needed) {
  if (!fine) throw tg::FormatError(file + ": " + name + ": needed " + needed);
}

}  // namespace

// Codes of int8 ----------------------------------------------------------------------------------

constexpr int kLargestCode = 127;

std::uint8_t int8_code(double value) {
  return static_cast<std::uint8_t>(
      static_cast<std::int8_t>(std::lround(kLargestCode * std::clamp(value, -1.0, 1.0))));
}

float int8_value(std::uint8_t code) {
  return static_cast<float>(static_cast<std::int8_t>(code)) / kLargestCode;
}

// Scales ------------------------------------------------------------------------------------------

float CompressedTable::scale(std::uint8_t code) const {
  if (code == 0) return 0;
  const double ratio = double{greatest} / double{least};
  return static_cast<float>(double{least} * std::pow(ratio, (code - 1) / 254.0));
}

std::uint8_t CompressedTable::code_of_scale(double scale) const {
  if (scale <= 0) return 0;
  if (greatest <= least) return 1;
  const double steps =
      254 * std::log(scale / double{least}) / std::log(double{greatest} / double{least});
  return static_cast<std::uint8_t>(1 + std::lround(std::clamp(steps, 0.0, 254.0)));
}

// Rows --------------------------------------------------------------------------------------------

float CompressedTable::element(std::int64_t row, std::int64_t column) const {
  const float size = scale(scales[static_cast<std::size_t>(row)]);
  if (subvector_size == 0)
    return size * int8_value(codes[static_cast<std::size_t>(row * dim + column)]);
  const std::int64_t centroid =
      codes[static_cast<std::size_t>(row * subvectors() + column / subvector_size)];
  return size * int8_value(centroids[static_cast<std::size_t>(
                    (column / subvector_size * kCentroids + centroid) * subvector_size +
                    column % subvector_size)]);
}

std::optional<std::int64_t> CompressedTable::find(std::uint32_t key) const {
  const auto found = std::ranges::lower_bound(keys, key);
  if (found == keys.end() || *found != key) return std::nullopt;
  return kFirstKey + (found - keys.begin());
}

tg::Tensor CompressedTable::table() const {
  tg::Tensor table = tg::zeros({rows() + 2, dim});
  const std::span<float> elements = table.mutable_span<float>();
  for (std::int64_t row = 0; row < rows(); ++row) {
    const std::int64_t id = row == 0 ? tg::nn::Vocabulary::kUnknown : kFirstKey + row - 1;
    for (std::int64_t column = 0; column < dim; ++column) {
      elements[static_cast<std::size_t>(id * dim + column)] = element(row, column);
    }
  }
  return table;
}

std::uint32_t key_of(std::string_view token) { return to_32_bits(hash_of(token)); }

std::uint32_t key_of_bucket(std::int64_t bucket) {
  return to_32_bits(hash_of("\x01" + std::to_string(bucket)));  // no token has such a character
}

// The file ----------------------------------------------------------------------------------------

NamedShapes compressed_shapes(const ModelSettings& settings) {
  const Compression& compression = settings.compression;
  CompressedTable table;
  table.dim = settings.dim;
  table.subvector_size = compression.subvector_size;
  NamedShapes shapes = {
      {kKeys, {tg::packed_size(4 * (compression.rows - 1))}},
      {kScales, {tg::packed_size(compression.rows)}},
      {kLimits, {2}},
      {kCodes, {tg::packed_size(compression.rows * table.bytes_of_row())}},
      {kBias, {settings.classes}},
  };
  if (table.subvector_size > 0) {
    shapes.emplace_back(kCentroidCodes,
                        tg::Shape{tg::packed_size(table.subvectors() * CompressedTable::kCentroids *
                                                  table.subvector_size)});
  }
  if (!compression.projected) {
    shapes.emplace_back(kHead, tg::Shape{settings.classes, settings.dim});
  }
  return shapes;
}

tg::StateDict CompressedTable::state_dict() const {
  tg::StateDict state{{kKeys, tg::pack_bytes(bytes_of(keys))},
                      {kScales, tg::pack_bytes(scales)},
                      {kLimits, tg::tensor({least, greatest})},
                      {kCodes, tg::pack_bytes(codes)}};
  if (subvector_size > 0) state.insert(kCentroidCodes, tg::pack_bytes(centroids));
  return state;
}

CompressedTable CompressedTable::from_state_dict(const tg::StateDict& state,
                                                 const ModelSettings& settings,
                                                 const std::string& file) {
  const NamedShapes shapes = compressed_shapes(settings);
  for (const auto& [name, needed] : shapes) {
    const tg::Tensor* found = state.find(name);
    const bool is_real = name == kLimits || name == kHead || name == kBias;
    const bool fits = found != nullptr && found->shape() == needed &&
                      found->dtype() == (is_real ? tg::float32 : tg::int64);
    if (fits) continue;
    throw tg::FormatError(
        file + ": " + name + " is " +
        (found == nullptr
             ? "missing"
             : std::string(tg::name(found->dtype())) + " " + to_string(found->shape())) +
        ", the settings need " + (is_real ? "float32 " : "int64 ") + to_string(needed));
  }
  if (static_cast<std::size_t>(state.size()) != shapes.size()) {
    throw tg::FormatError(file + ": holds " + std::to_string(state.size()) +
                          " tensors, the settings need " + std::to_string(shapes.size()));
  }
  const std::int64_t rows = settings.compression.rows;
  CompressedTable table;
  table.dim = settings.dim;
  table.subvector_size = settings.compression.subvector_size;
  table.least = state.at(kLimits).item<float>({0});
  table.greatest = state.at(kLimits).item<float>({1});
  require(std::isfinite(table.greatest) && table.least > 0 && table.least <= table.greatest, file,
          kLimits, "two finite numbers, 0 < least <= greatest");
  table.keys = keys_of(tg::unpack_bytes(state.at(kKeys), 4 * (rows - 1)));
  require(std::ranges::adjacent_find(table.keys, std::greater_equal()) == table.keys.end(), file,
          kKeys, "keys that ascend");
  table.scales = tg::unpack_bytes(state.at(kScales), rows);
  table.codes = tg::unpack_bytes(state.at(kCodes), rows * table.bytes_of_row());
  if (table.subvector_size > 0) {
    table.centroids = tg::unpack_bytes(state.at(kCentroidCodes),
                                       table.subvectors() * kCentroids * table.subvector_size);
  }
  require(all(isfinite(state.at(kBias))).item<bool>(), file, kBias, "finite elements");
  return table;
}

tg::StateDict parameters_of(const CompressedTable& table, const ModelSettings& settings,
                            const tg::StateDict& state) {
  tg::StateDict parameters{{"embedding.weight", table.table()}, {kBias, state.at(kBias)}};
  if (settings.compression.projected) {
    parameters.insert(kHead, tg::eye(settings.classes));
  } else {
    parameters.insert(kHead, state.at(kHead));
  }
  return parameters;
}

}  // namespace text_classifier
