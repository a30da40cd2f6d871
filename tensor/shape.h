// Sizes of a tensor, and the arithmetic of shapes: counting, broadcasting, wrapping negative
// dimensions. Read next: tensor/error.h.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace tapegrad {

// A short list of integers, stored inline: the sizes of a tensor, its strides, or a list of
// dimensions. Written `Shape{2, 3}`, or made from one integer, a vector or a span.
class Shape {
 public:
  static constexpr std::int64_t kMaxDims = 8;

  // Any integer type, so that `{v.size(), 3}` is not a narrowing conversion.
  struct Size {
    template <std::integral T>
    constexpr Size(T size) : value(static_cast<std::int64_t>(size)) {}  // NOLINT
    std::int64_t value;
  };

  constexpr Shape() = default;
  Shape(std::initializer_list<Size> sizes);  // NOLINT: implicit, for `zeros({2, 3})`
  template <std::integral T>
  constexpr Shape(T size) : values_{static_cast<std::int64_t>(size)}, dim_(1) {}  // NOLINT
  Shape(std::span<const std::int64_t> sizes)                                      // NOLINT
      : dim_(static_cast<std::int64_t>(sizes.size())) {
    if (dim_ > kMaxDims) throw_too_many();
    for (std::size_t i = 0; i < sizes.size(); ++i) values_[i] = sizes[i];
  }
  Shape(const std::vector<std::int64_t>& sizes)  // NOLINT
      : Shape(std::span<const std::int64_t>(sizes)) {}

  std::int64_t dim() const { return dim_; }
  bool empty() const { return dim_ == 0; }
  std::int64_t operator[](std::int64_t i) const { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](std::int64_t i) { return values_[static_cast<std::size_t>(i)]; }
  std::int64_t back() const { return (*this)[dim_ - 1]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + dim_; }
  std::size_t size() const { return static_cast<std::size_t>(dim_); }  // for std::span

  void push_back(std::int64_t size);                      // ShapeError beyond kMaxDims
  void insert(std::int64_t position, std::int64_t size);  // 0 <= position <= dim()
  void erase(std::int64_t position);                      // 0 <= position < dim()

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.dim_ != b.dim_) return false;
    for (std::int64_t i = 0; i < a.dim_; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }

 private:
  [[noreturn]] static void throw_too_many();

  std::array<std::int64_t, kMaxDims> values_{};
  std::int64_t dim_ = 0;
};

// Sizes that do not change, in little memory: for objects that exist in large numbers. One and two
// dimensions are stored in the object, more of them in a block of their own.
class CompactShape {
 public:
  explicit CompactShape(std::span<const std::int64_t> sizes)
      : dim_(static_cast<std::uint8_t>(sizes.size())) {
    std::int64_t* const out = dim_ <= kInside ? inside_ : allocate();
    for (std::size_t i = 0; i < sizes.size(); ++i) out[i] = sizes[i];  // faster than memcpy
  }
  CompactShape(const CompactShape&) = delete;
  CompactShape& operator=(const CompactShape&) = delete;
  ~CompactShape() {
    if (dim_ > kInside) deallocate();
  }

  std::span<const std::int64_t> sizes() const {
    return {dim_ <= kInside ? inside_ : outside_, dim_};
  }

 private:
  static constexpr std::uint8_t kInside = 2;
  std::int64_t* allocate();
  void deallocate() noexcept;

  union {
    std::int64_t inside_[kInside];
    std::int64_t* outside_;
  };
  std::uint8_t dim_;
};

using Strides = Shape;
using Dims = Shape;  // a list of dimensions; negative ones count from the end

// "(2, 3)", "(4)", "()".
std::string to_string(std::span<const std::int64_t> sizes);
inline std::string to_string(const Shape& shape) {
  return to_string(std::span<const std::int64_t>(shape));
}
std::ostream& operator<<(std::ostream& out, const Shape& shape);

// a * b for sizes; throws a ShapeError that names the operation if the product overflows.
std::int64_t checked_multiply(std::int64_t a, std::int64_t b, const char* operation);

// Number of elements; ShapeError for a negative size or an overflow.
std::int64_t checked_numel(std::span<const std::int64_t> sizes, const char* operation);

// Row-major strides for these sizes.
Strides contiguous_strides(std::span<const std::int64_t> sizes);

// The common shape of two operands by NumPy's rule: dimensions are aligned at the right, and a size
// of 1 is stretched to the other size. If the shapes do not fit, throws a ShapeError that names the
// operation and both shapes.
Shape broadcast_shapes(std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                       const char* operation);

// Whether a tensor of sizes `from` can be broadcast to the sizes `to`.
bool broadcastable_to(std::span<const std::int64_t> from, std::span<const std::int64_t> to);

// Converts dim in [-dims, dims) to one in [0, dims); a 0-d tensor accepts -1 and 0. IndexError
// otherwise.
std::int64_t wrap_dim(std::int64_t dim, std::int64_t dims, const char* operation);

// Converts index in [-size, size) to one in [0, size); IndexError otherwise.
std::int64_t wrap_index(std::int64_t index, std::int64_t size, const char* operation);

}  // namespace tapegrad
