// Shapes: counting elements, broadcasting and wrapping dimensions; and the names of element types.
// Read next: tensor/print.cc.
#include <tapegrad/tensor/shape.h>

#include <algorithm>
#include <ostream>

#include <tapegrad/tensor/dtype.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/pool.h>

namespace tapegrad {

const char* name(DType dtype) {
  constexpr const char* kNames[] = {"boolean", "int64", "float32", "float64"};
  return kNames[static_cast<std::size_t>(dtype)];
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

Shape::Shape(std::initializer_list<Size> sizes) {
  for (const Size size : sizes) push_back(size.value);
}

void Shape::throw_too_many() {
  throw ShapeError("Shape: more than " + std::to_string(kMaxDims) + " dimensions");
}

std::int64_t* CompactShape::allocate() {
  outside_ = static_cast<std::int64_t*>(memory::allocate(dim_ * sizeof(std::int64_t)));
  return outside_;
}

void CompactShape::deallocate() noexcept {
  memory::deallocate(outside_, dim_ * sizeof(std::int64_t));
}

void Shape::push_back(std::int64_t size) { insert(dim_, size); }

void Shape::insert(std::int64_t position, std::int64_t size) {
  if (dim_ == kMaxDims) throw_too_many();
  for (std::int64_t i = dim_; i > position; --i) (*this)[i] = (*this)[i - 1];
  (*this)[position] = size;
  ++dim_;
}

void Shape::erase(std::int64_t position) {
  --dim_;
  for (std::int64_t i = position; i < dim_; ++i) (*this)[i] = (*this)[i + 1];
}

std::string to_string(std::span<const std::int64_t> sizes) {
  std::string text = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(sizes[i]);
  }
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

std::int64_t checked_multiply(std::int64_t a, std::int64_t b, const char* operation) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw ShapeError(std::string(operation) + ": size overflows: " + std::to_string(a) + " x " +
                     std::to_string(b) + " elements");
  }
  return product;
}

std::int64_t checked_numel(std::span<const std::int64_t> sizes, const char* operation) {
  bool zero = false;
  for (const std::int64_t size : sizes) {
    if (size < 0) {
      throw ShapeError(std::string(operation) + ": negative size in shape " + to_string(sizes));
    }
    zero = zero || size == 0;
  }
  if (zero) return 0;
  std::int64_t numel = 1;
  for (const std::int64_t size : sizes) {
    if (__builtin_mul_overflow(numel, size, &numel) || numel > INT64_MAX / 16) {
      throw ShapeError(std::string(operation) + ": shape " + to_string(sizes) +
                       " has more elements than can be addressed");
    }
  }
  return numel;
}

Strides contiguous_strides(std::span<const std::int64_t> sizes) {
  Strides strides(sizes);
  std::uint64_t step = 1;  // can overflow only if another size is 0; then no stride is ever used
  for (std::int64_t i = strides.dim() - 1; i >= 0; --i) {
    strides[i] = static_cast<std::int64_t>(step);
    step *=
        static_cast<std::uint64_t>(std::max<std::int64_t>(sizes[static_cast<std::size_t>(i)], 1));
  }
  return strides;
}

Shape broadcast_shapes(std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                       const char* operation) {
  Shape result(a.size() >= b.size() ? a : b);
  const std::size_t dims = a.size() >= b.size() ? a.size() : b.size();
  for (std::size_t i = 1; i <= std::min(a.size(), b.size()); ++i) {
    const std::int64_t left = a[a.size() - i];
    const std::int64_t right = b[b.size() - i];
    if (left != right && left != 1 && right != 1) {
      throw ShapeError(std::string(operation) + ": shapes " + to_string(a) + " and " +
                       to_string(b) + " do not broadcast: sizes " + std::to_string(left) + " and " +
                       std::to_string(right) + " at dimension " + std::to_string(dims - i) +
                       ", needed equal sizes or 1");
    }
    result[static_cast<std::int64_t>(dims - i)] = left == 1 ? right : left;
  }
  return result;
}

bool broadcastable_to(std::span<const std::int64_t> from, std::span<const std::int64_t> to) {
  if (from.size() > to.size()) return false;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    const std::int64_t size = from[from.size() - i];
    if (size != 1 && size != to[to.size() - i]) return false;
  }
  return true;
}

std::int64_t wrap_dim(std::int64_t dim, std::int64_t dims, const char* operation) {
  const std::int64_t range = std::max<std::int64_t>(dims, 1);
  if (dim < -range || dim >= range) {
    throw IndexError(std::string(operation) + ": dimension " + std::to_string(dim) +
                     " out of range, needed one in [" + std::to_string(-range) + ", " +
                     std::to_string(range - 1) + "]");
  }
  return dim < 0 ? dim + range : dim;
}

std::int64_t wrap_index(std::int64_t index, std::int64_t size, const char* operation) {
  if (index < -size || index >= size) {
    throw IndexError(std::string(operation) + ": index " + std::to_string(index) +
                     " out of range for size " + std::to_string(size));
  }
  return index < 0 ? index + size : index;
}

}  // namespace tapegrad
