// Bytes in a tensor: there is no element type of one byte besides boolean, so eight bytes are
// packed in each int64. Read next: tensor/io/packed_bytes.cc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// The number of int64 elements that hold so many bytes.
constexpr std::int64_t packed_size(std::int64_t bytes) { return (bytes + 7) / 8; }

// int64, (packed_size(bytes)): the first byte is in the lowest bits of the first element, and the
// bytes after the end are 0.
Tensor pack_bytes(std::span<const std::uint8_t> bytes);

// The first `count` bytes. DTypeError unless the elements are int64, and ShapeError if there are
// too few.
std::vector<std::uint8_t> unpack_bytes(const Tensor& packed, std::int64_t count);

}  // namespace tapegrad
