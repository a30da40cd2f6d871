// Internal. Encodes the messages of an ONNX file as protocol buffers, without a library for them.
// Read next: nn/onnx/messages.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tapegrad/nn/onnx/graph.h>

namespace tapegrad::nn::onnx {

// Appends a field to the message `to`: the field's number and wire type, then a varint, four bytes,
// or a length and as many bytes (a string or an encoded message).
void put(std::string& to, unsigned field, std::int64_t value);
void put(std::string& to, unsigned field, float value);
void put(std::string& to, unsigned field, std::string_view bytes);

constexpr std::int64_t kInt32 = 6;  // ONNX's number of int32, a type that no Tensor has
std::int64_t type_number(DType dtype);

std::string tensor_message(const std::string& name, const Tensor& tensor);
std::string value_message(const std::string& name, DType dtype, const OnnxSizes& sizes);
std::string node_message(const std::string& op, const std::vector<OnnxValue>& inputs,
                         const std::vector<std::string>& outputs, const OnnxAttributes& attributes);

}  // namespace tapegrad::nn::onnx
