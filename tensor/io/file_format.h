// Shared by the readers and writers of tensor files: the element types in files, and how a name
// from a file is shown in an error text.
//
// Internal. Read next: tensor/io/file_format.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad::detail {

// An element type in a file, little-endian, and the type to which it is converted on loading.
struct ElementType {
  std::string_view safetensors;  // "F32"
  std::string_view npy;          // "f4", after the byte order sign; empty: none
  std::size_t bytes;
  DType dtype;
  void (*convert)(const std::byte* from, Tensor& to);  // null: the bytes are copied
};

// The first four are also written; save() writes them in reverse order, so the widest comes first.
std::span<const ElementType> element_types();
const ElementType& written_type(DType dtype);

// The bytes that a tensor of this shape needs; nullopt if the number overflows.
std::optional<std::uint64_t> bytes_needed(const Shape& shape, std::size_t item_bytes);

// The position of the first byte that is neither 0 nor 1: reading such a bool is undefined
// behavior.
std::optional<std::size_t> first_wrong_bool(std::span<const unsigned char> bytes);

// The name in quotes, escaped to one line and cut if it is too long.
std::string in_quotes(std::string_view name);
bool is_utf8(const std::string& text);

}  // namespace tapegrad::detail
