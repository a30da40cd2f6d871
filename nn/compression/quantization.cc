// Codes and scales of rows, and the two layers that use them. Read next: nn/data/dataset.h.
#include <tapegrad/nn/compression/quantization.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/io/packed_bytes.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>

namespace tapegrad::nn {
namespace {

// Codes -------------------------------------------------------------------------------------------

constexpr int kLargestCode = 127;

struct QuantizedRows {
  Tensor codes;   // int64 (rows, packed_size(width))
  Tensor scales;  // (rows)
};

// A row of zeros, or of subnormal elements, has the smallest normal number as its scale.
QuantizedRows quantized_rows(const char* layer, const Tensor& table) {
  if (!all(isfinite(table)).item<bool>()) {
    throw ValueError(std::string(layer) + ": a weight is nan or infinite, needed finite weights");
  }
  const std::int64_t rows = table.size(0), width = table.size(1);
  const auto stride = static_cast<std::size_t>(8 * packed_size(width));
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(rows) * stride);
  Tensor scales = empty({rows}, table.dtype());
  const Tensor source = table.contiguous();
  visit_floating(table.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* row = source.data<T>();
    T* const scale = scales.mutable_data<T>();
    for (std::int64_t i = 0; i < rows; ++i, row += width) {
      T largest = 0;
      for (std::int64_t j = 0; j < width; ++j) largest = std::max(largest, std::abs(row[j]));
      scale[i] = std::max(largest / kLargestCode, std::numeric_limits<T>::min());
      std::uint8_t* const to = codes.data() + static_cast<std::size_t>(i) * stride;
      for (std::int64_t j = 0; j < width; ++j) {
        const T code =
            std::clamp<T>(std::nearbyint(row[j] / scale[i]), -kLargestCode, kLargestCode);
        to[j] = static_cast<std::uint8_t>(static_cast<std::int8_t>(code));
      }
    }
  });
  return {reshape(pack_bytes(codes), {rows, packed_size(width)}), std::move(scales)};
}

// Eight codes at once, so that the compiler uses vectors.
template <class T>
void decode(const std::int64_t* packed, std::int64_t width, T* out) {
  const auto code = [](std::uint64_t word, std::int64_t j) {
    return static_cast<T>(static_cast<std::int8_t>(word >> (8 * j)));
  };
  std::int64_t j = 0;
  for (; j + 8 <= width; j += 8, ++packed) {
    const auto word = static_cast<std::uint64_t>(*packed);
    for (std::int64_t k = 0; k < 8; ++k) out[j + k] = code(word, k);
  }
  for (std::int64_t k = 0; j + k < width; ++k) {
    out[j + k] = code(static_cast<std::uint64_t>(*packed), k);
  }
}

// codes (rows, packed_size(width)) -> (rows, width), without scales.
Tensor decoded(const Tensor& codes, std::int64_t width, DType dtype) {
  const Tensor source = codes.contiguous();
  const std::int64_t rows = source.size(0), words = source.size(1);
  Tensor result = empty({rows, width}, dtype);
  visit_floating(dtype, [&](auto zero) {
    auto* const out = result.mutable_data<decltype(zero)>();
    const auto* const in = source.data<std::int64_t>();
    for (std::int64_t i = 0; i < rows; ++i) decode(in + i * words, width, out + i * width);
  });
  return result;
}

Tensor dequantized(const Tensor& codes, const Tensor& scales, std::int64_t width) {
  return decoded(codes, width, scales.dtype()) * unsqueeze(scales, 1);
}

// Zeros for a table that is to be loaded.
Tensor zero_codes(const char* layer, std::int64_t rows, std::int64_t width) {
  if (rows < 0 || width < 0) {
    throw ValueError(std::string(layer) + ": negative size in (" + std::to_string(rows) + ", " +
                     std::to_string(width) + ")");
  }
  return zeros({rows, packed_size(width)}, int64);
}

}  // namespace

// Linear ------------------------------------------------------------------------------------------

namespace {

constexpr const char* kLinear = "QuantizedLinear";

// The rows of a block are decoded, multiplied, and forgotten: they stay in the processor's cache.
constexpr std::int64_t kElementsOfBlock = 1 << 14;

Tensor product(const Tensor& x, const QuantizedLinear& layer) {
  const std::int64_t width = layer.in_features(), outputs = layer.out_features();
  const std::int64_t rows = std::max<std::int64_t>(kElementsOfBlock / (width + 1), 16);
  std::vector<Tensor> parts;
  for (std::int64_t begin = 0; begin < outputs; begin += rows) {
    const Tensor codes = narrow(*layer.weight, 0, begin, std::min(rows, outputs - begin));
    parts.push_back(matmul(x, transpose(decoded(codes, width, x.dtype()), 0, 1)));
  }
  if (parts.empty()) return matmul(x, zeros({width, 0}, x.dtype())) * *layer.scale;
  return (parts.size() == 1 ? parts.front() : cat(parts, -1)) * *layer.scale;
}

}  // namespace

QuantizedLinear::QuantizedLinear(std::int64_t in_features, std::int64_t out_features,
                                 LinearOptions options)
    : weight(register_buffer("weight", zero_codes(kLinear, out_features, in_features))),
      scale(register_buffer("scale", zeros({out_features}, options.dtype))),
      bias(options.bias ? register_buffer("bias", zeros({out_features}, options.dtype))
                        : Buffer(Tensor())),
      in_features_(in_features) {}

QuantizedLinear::QuantizedLinear(const Linear& linear)
    : QuantizedLinear(
          linear.weight.size(1), linear.weight.size(0),
          LinearOptions{.bias = linear.bias.defined(), .dtype = linear.weight.dtype()}) {
  QuantizedRows rows = quantized_rows(kLinear, linear.weight.value());
  *weight = std::move(rows.codes);
  *scale = std::move(rows.scales);
  if (bias->defined()) *bias = linear.bias.value().clone();
}

Variable QuantizedLinear::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) -> Variable {
        if (in.dtype() != scale->dtype()) {
          throw DTypeError(std::string(kLinear) + ": got " + name(in.dtype()) + ", needed " +
                           name(scale->dtype()));
        }
        if (in.dim() == 0 || in.size(-1) != in_features()) {
          throw ShapeError(std::string(kLinear) + ": got shape " + to_string(in.sizes()) +
                           ", needed (..., " + std::to_string(in_features()) + ")");
        }
        if (in.requires_grad()) {
          return linear(in, Variable(dequantized_weight()),
                        bias->defined() ? Variable(*bias) : Variable());
        }
        const Tensor y = product(in.value(), *this);
        return Variable(bias->defined() ? y + *bias : y);
      },
      x);
}

Tensor QuantizedLinear::dequantized_weight() const {
  return dequantized(*weight, *scale, in_features());
}

std::string QuantizedLinear::description() const {
  return std::string(kLinear) + "(" + std::to_string(in_features()) + ", " +
         std::to_string(out_features()) + (bias->defined() ? ")" : ", bias=false)");
}

std::int64_t QuantizedLinear::mult_adds(const std::vector<Variable>& /*inputs*/,
                                        const std::vector<Variable>& outputs) const {
  return outputs.front().numel() * (in_features() + (bias->defined() ? 1 : 0));
}

void QuantizedLinear::assign_from(const Module& other) {
  Module::assign_from(other);
  *in_features_ = *static_cast<const QuantizedLinear&>(other).in_features_;
}

QuantizedLinear quantize_dynamic(const Linear& linear) { return QuantizedLinear(linear); }

// Embedding ---------------------------------------------------------------------------------------

namespace {

constexpr const char* kEmbeddingLayer = "QuantizedEmbedding";

// The rows as lookups give them.
Tensor looked_up(const Embedding& embedding) {
  return clone(embedding)(arange(embedding.num_embeddings())).value();
}

}  // namespace

QuantizedEmbedding::QuantizedEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                                       DType dtype)
    : weight(register_buffer("weight", zero_codes(kEmbeddingLayer, num_embeddings, embedding_dim))),
      scale(register_buffer("scale", zeros({num_embeddings}, dtype))),
      embedding_dim_(embedding_dim) {}

QuantizedEmbedding::QuantizedEmbedding(const Embedding& embedding)
    : QuantizedEmbedding(embedding.num_embeddings(), embedding.embedding_dim(),
                         embedding.weight.dtype()) {
  QuantizedRows rows = quantized_rows(kEmbeddingLayer, looked_up(embedding));
  *weight = std::move(rows.codes);
  *scale = std::move(rows.scales);
}

Variable QuantizedEmbedding::operator()(const Tensor& ids) const {
  return hooked(
      [this](const Tensor& in) -> Variable {
        const Tensor rows = reshape(checked_ids(kEmbeddingLayer, *weight, in), {-1});
        Shape shape(in.sizes());
        shape.push_back(embedding_dim());
        return Variable(reshape(dequantized(index_select(*weight, 0, rows),
                                            index_select(*scale, 0, rows), embedding_dim()),
                                shape));
      },
      ids);
}

Tensor QuantizedEmbedding::dequantized_weight() const {
  return dequantized(*weight, *scale, embedding_dim());
}

std::string QuantizedEmbedding::description() const {
  return std::string(kEmbeddingLayer) + "(" + std::to_string(num_embeddings()) + ", " +
         std::to_string(embedding_dim()) + ")";
}

void QuantizedEmbedding::assign_from(const Module& other) {
  Module::assign_from(other);
  *embedding_dim_ = *static_cast<const QuantizedEmbedding&>(other).embedding_dim_;
}

QuantizedEmbedding quantize_dynamic(const Embedding& embedding) {
  return QuantizedEmbedding(embedding);
}

}  // namespace tapegrad::nn
