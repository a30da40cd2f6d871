// Layers with weights of one byte, for inference: what torch.ao.quantization.quantize_dynamic makes
// of Linear and Embedding. Read next: nn/compression/quantization.cc.
//
//   struct SmallNet : nn::Module {               // made of a trained Net
//     nn::QuantizedEmbedding words;
//     nn::QuantizedLinear head;
//     explicit SmallNet(const Net& net)
//         : words(register_module("words", nn::quantize_dynamic(net.words))),
//           head(register_module("head", nn::quantize_dynamic(net.head))) {}
//   };
//
// Each row of a weight, the weights of one output or the vector of one word, has a scale:
//
//   weight = scale * code    code from -127 to 127, scale = largest |weight| of the row / 127
//
// so that an element differs by at most scale / 2, and 0 stays 0. Activations and sums are
// floating-point (PyTorch rounds activations to bytes, too, and has one scale for a Linear). There
// are no parameters: buffers are saved and loaded as those of other modules. A file holds the codes
// eight to an int64 (tensor/io/packed_bytes.h), which PyTorch does not read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

class QuantizedLinear : public Module, public Forward<QuantizedLinear> {
 public:
  // Zeros, for load_state_dict(). ValueError for negative sizes.
  QuantizedLinear(std::int64_t in_features, std::int64_t out_features, LinearOptions options = {});
  // The codes of a Linear. ValueError for weights that are not finite.
  explicit QuantizedLinear(const Linear& linear);

  // (..., in_features) -> (..., out_features). A gradient of x is recorded; weights have none.
  // ShapeError or DTypeError unless x has in_features columns and the type of the scales.
  Variable operator()(const Variable& x) const;

  Tensor dequantized_weight() const;  // (out_features, in_features)
  std::int64_t in_features() const { return *in_features_; }
  std::int64_t out_features() const { return scale->size(0); }
  std::string description() const override;
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

  Buffer weight;  // codes: int64 (out_features, packed_size(in_features))
  Buffer scale;   // (out_features)
  Buffer bias;    // (out_features); undefined if there is none

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<std::int64_t> in_features_;
};

class QuantizedEmbedding : public Module, public Forward<QuantizedEmbedding> {
 public:
  // Zeros, for load_state_dict(). ValueError for negative sizes.
  QuantizedEmbedding(std::int64_t num_embeddings, std::int64_t embedding_dim,
                     DType dtype = float32);
  // The codes of a table. With PaddingMode::zero_output, the padding row becomes 0; with a max_norm
  // of lookups, rows are scaled back to it. ValueError for weights that are not finite.
  explicit QuantizedEmbedding(const Embedding& embedding);

  // (...) int64 ids -> (..., embedding_dim). IndexError as in Embedding.
  Variable operator()(const Tensor& ids) const;

  Tensor dequantized_weight() const;  // (num_embeddings, embedding_dim)
  std::int64_t num_embeddings() const { return scale->size(0); }
  std::int64_t embedding_dim() const { return *embedding_dim_; }
  std::string description() const override;

  Buffer weight;  // codes: int64 (num_embeddings, packed_size(embedding_dim))
  Buffer scale;   // (num_embeddings)

 protected:
  void assign_from(const Module& other) override;

 private:
  Shared<std::int64_t> embedding_dim_;
};

QuantizedLinear quantize_dynamic(const Linear& linear);
QuantizedEmbedding quantize_dynamic(const Embedding& embedding);

}  // namespace tapegrad::nn
