// Encoding of messages. The field numbers are those of onnx.proto3. Read next: optim/optimizer.h.
#include <tapegrad/nn/onnx/messages.h>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::nn::onnx {

// Protocol buffers --------------------------------------------------------------------------------

namespace {

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

}  // namespace

void put(std::string& to, unsigned field, std::int64_t value) {
  put_varint(to, field << 3);
  put_varint(to, static_cast<std::uint64_t>(value));
}
void put(std::string& to, unsigned field, float value) {
  put_varint(to, field << 3 | 5);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& to, unsigned field, std::string_view bytes) {
  put_varint(to, field << 3 | 2);
  put_varint(to, bytes.size());
  to += bytes;
}

// Messages ----------------------------------------------------------------------------------------

std::int64_t type_number(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return 9;
    case DType::int64:
      return 7;
    case DType::float32:
      return 1;
    case DType::float64:
      break;
  }
  return 11;
}

std::string tensor_message(const std::string& name, const Tensor& tensor) {
  const Tensor data = tensor.contiguous();
  std::string message;
  for (const std::int64_t size : data.sizes()) put(message, 1, size);
  put(message, 2, type_number(data.dtype()));
  put(message, 8, name);
  put(message, 9,
      std::string_view(data.data<char>(),
                       static_cast<std::size_t>(data.numel()) * item_size(data.dtype())));
  return message;
}

std::string value_message(const std::string& name, DType dtype, const OnnxSizes& sizes) {
  std::string shape;
  for (const OnnxSize& size : sizes) {
    std::string dim;
    if (size.name.empty()) {
      put(dim, 1, size.size);
    } else {
      put(dim, 2, size.name);
    }
    put(shape, 1, dim);
  }
  std::string tensor_type, type, message;
  put(tensor_type, 1, type_number(dtype));
  put(tensor_type, 2, shape);
  put(type, 1, tensor_type);
  put(message, 1, name);
  put(message, 2, type);
  return message;
}

namespace {

// Each type of value has a field of its own; field 20 holds the type.
std::string attribute_message(const std::string& name, const OnnxAttribute& attribute) {
  using Kind = OnnxAttribute::Kind;
  std::string message;
  put(message, 1, name);
  switch (attribute.kind) {
    case Kind::number:
      put(message, 2, static_cast<float>(attribute.number));
      break;
    case Kind::integer:
      put(message, 3, attribute.integer);
      break;
    case Kind::text:
      put(message, 4, attribute.text);
      break;
    case Kind::integers:
      for (const std::int64_t each : attribute.integers) put(message, 8, each);
      break;
    case Kind::texts:
      for (const std::string& each : attribute.texts) put(message, 9, each);
      break;
  }
  put(message, 20, static_cast<std::int64_t>(attribute.kind));
  return message;
}

}  // namespace

// An omitted input has an empty name. The node has the name of its first output.
std::string node_message(const std::string& op, const std::vector<OnnxValue>& inputs,
                         const std::vector<std::string>& outputs,
                         const OnnxAttributes& attributes) {
  std::string message;
  for (const OnnxValue& value : inputs) put(message, 1, value.name);
  for (const std::string& name : outputs) put(message, 2, name);
  put(message, 3, outputs.at(0));
  put(message, 4, op);
  for (const auto& [key, value] : attributes) put(message, 5, attribute_message(key, value));
  return message;
}

}  // namespace tapegrad::nn::onnx
