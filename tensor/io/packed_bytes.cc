// Packs and unpacks bytes by shifts, the same on every processor. Read next: tensor/io/zip.h.
#include <tapegrad/tensor/io/packed_bytes.h>

#include <string>

#include <tapegrad/tensor/ops.h>

namespace tapegrad {

Tensor pack_bytes(std::span<const std::uint8_t> bytes) {
  Tensor packed = zeros({packed_size(std::ssize(bytes))}, int64);
  const std::span<std::int64_t> words = packed.mutable_span<std::int64_t>();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t shifted = std::uint64_t{bytes[i]} << (8 * (i % 8));
    words[i / 8] = static_cast<std::int64_t>(static_cast<std::uint64_t>(words[i / 8]) | shifted);
  }
  return packed;
}

std::vector<std::uint8_t> unpack_bytes(const Tensor& packed, std::int64_t count) {
  if (packed.dtype() != int64) {
    throw DTypeError(std::string("unpack_bytes: got ") + name(packed.dtype()) + ", needed int64");
  }
  if (count < 0 || packed_size(count) > packed.numel()) {
    throw ShapeError("unpack_bytes: " + std::to_string(packed.numel()) + " elements do not hold " +
                     std::to_string(count) + " bytes");
  }
  const Tensor whole = packed.contiguous();
  const std::span<const std::int64_t> words = whole.span<std::int64_t>();
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(words[i / 8]) >> (8 * (i % 8)));
  }
  return bytes;
}

}  // namespace tapegrad
