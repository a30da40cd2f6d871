// Bytes in int64 tensors: known elements, every length, errors.
#include <cstdint>
#include <numeric>
#include <vector>

#include <tapegrad/tensor/io/packed_bytes.h>
#include <tapegrad/tensor/ops.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;

TEST_CASE("packed bytes: the first byte is in the lowest bits") {
  const std::vector<std::uint8_t> bytes = {1, 2, 0, 0, 0, 0, 0, 128, 255};
  const Tensor packed = pack_bytes(bytes);
  CHECK(packed.shape() == Shape{2});
  CHECK(packed.item<std::int64_t>({0}) == INT64_MIN + 0x201);
  CHECK(packed.item<std::int64_t>({1}) == 255);
  CHECK(unpack_bytes(packed, 9) == bytes);
}

TEST_CASE("packed bytes: every length comes back") {
  for (std::int64_t count = 0; count < 30; ++count) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{240});
    const Tensor packed = pack_bytes(bytes);
    CHECK(packed.numel() == packed_size(count));
    CHECK(unpack_bytes(packed, count) == bytes);
  }
}

TEST_CASE("packed bytes: errors") {
  CHECK(error_text<ShapeError>([] { unpack_bytes(zeros({2}, int64), 17); }) ==
        "unpack_bytes: 2 elements do not hold 17 bytes");
  CHECK(error_text<DTypeError>([] { unpack_bytes(zeros({2}), 3); }) ==
        "unpack_bytes: got float32, needed int64");
}
