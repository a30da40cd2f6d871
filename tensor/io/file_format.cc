// The element types of tensor files, with their conversions. Read next: tensor/io/file_ops.h.
#include <tapegrad/tensor/io/file_format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <nlohmann/json.hpp>

namespace tapegrad::detail {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "elements are written as they are");

float from_half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int fraction = bits & 0x3FF;
  float magnitude = std::ldexp(static_cast<float>(0x400 + fraction), exponent - 25);
  if (exponent == 0) magnitude = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 0x1F) magnitude = fraction == 0 ? INFINITY : NAN;
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

template <class From>
std::int64_t from_integer(From value) {
  return static_cast<std::int64_t>(value);
}

template <class From, class To, To (*convert)(From)>
void convert_all(const std::byte* from, Tensor& to) {
  To* const data = to.mutable_data<To>();
  for (std::int64_t i = 0; i < to.numel(); ++i) {
    From value;
    std::memcpy(&value, from + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    data[i] = convert(value);
  }
}

template <class From>
constexpr ElementType integer_type(std::string_view safetensors, std::string_view npy) {
  return {safetensors, npy, sizeof(From), int64,
          convert_all<From, std::int64_t, from_integer<From>>};
}

constexpr ElementType kTypes[] = {
    {"BOOL", "b1", 1, boolean, nullptr},
    {"F32", "f4", 4, float32, nullptr},
    {"F64", "f8", 8, float64, nullptr},
    {"I64", "i8", 8, int64, nullptr},
    {"F16", "f2", 2, float32, convert_all<std::uint16_t, float, from_half>},
    {"BF16", "", 2, float32, convert_all<std::uint16_t, float, from_bfloat16>},
    integer_type<std::int8_t>("I8", "i1"),
    integer_type<std::int16_t>("I16", "i2"),
    integer_type<std::int32_t>("I32", "i4"),
    integer_type<std::uint8_t>("U8", "u1"),
    integer_type<std::uint16_t>("U16", "u2"),
    integer_type<std::uint32_t>("U32", "u4"),
};

}  // namespace

std::span<const ElementType> element_types() { return kTypes; }

const ElementType& written_type(DType dtype) {
  return *std::find_if(std::begin(kTypes), std::end(kTypes), [dtype](const ElementType& type) {
    return type.dtype == dtype;  // the types that need a conversion come later
  });
}

std::optional<std::uint64_t> bytes_needed(const Shape& shape, std::size_t item_bytes) {
  std::uint64_t bytes = item_bytes;
  if (std::count(shape.begin(), shape.end(), 0) > 0) return 0;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) return {};
  }
  return bytes;
}

std::optional<std::size_t> first_wrong_bool(std::span<const unsigned char> bytes) {
  const auto wrong = std::ranges::find_if(bytes, [](unsigned char byte) { return byte > 1; });
  if (wrong == bytes.end()) return {};
  return static_cast<std::size_t>(wrong - bytes.begin());
}

std::string in_quotes(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  const std::string shown(name.substr(0, kLongest));
  return json(shown).dump(-1, ' ', false, json::error_handler_t::replace) +
         (name.size() > kLongest ? "..." : "");
}

bool is_utf8(const std::string& text) {
  try {
    return !json(text).dump().empty();
  } catch (const json::type_error&) {
    return false;
  }
}

}  // namespace tapegrad::detail
