// Tensor: an array of elements with a shape and an element type. A tensor has no gradient;
// autograd/variable.h adds that. tensor/ops.h declares the operations on tensors.
// Read next: tensor/methods.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define TAPEGRAD_SINGLE_THREADED (__libc_single_threaded != 0)
#else
#define TAPEGRAD_SINGLE_THREADED false
#endif

#include <tapegrad/tensor/dtype.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/methods.h>
#include <tapegrad/tensor/scalar.h>
#include <tapegrad/tensor/shape.h>

namespace tapegrad {

class Tensor;

namespace detail {

// What a Tensor points to: the layout of the elements, and the owner of their memory. It is the
// start of one block of memory. After it come sizes[dim] and strides[dim]; if the body owns its
// elements, they follow at the next multiple of 64 bytes.
struct TensorBody {
  std::uint32_t references;
  DType dtype;
  std::uint8_t dim;
  bool contiguous;        // elements lie in row-major order without gaps
  bool overlapping;       // expanded: several positions share one element; must not be written to
  std::uint32_t version;  // counts writes to the memory; only the owner's count is used
  std::uint32_t unused;
  TensorBody* owner;  // owns the memory: itself, or another body (a counted reference)
  std::byte* data;    // the first element
  std::int64_t numel;
  std::shared_ptr<void>* keep_alive;  // keeps external memory alive, or null

  std::int64_t* sizes() { return reinterpret_cast<std::int64_t*>(this + 1); }
  std::int64_t* strides() { return sizes() + dim; }
  const std::int64_t* sizes() const { return reinterpret_cast<const std::int64_t*>(this + 1); }
  const std::int64_t* strides() const { return sizes() + dim; }
};

void destroy(TensorBody* body) noexcept;

// Reference counts are atomic once the process has started a second thread.
inline void retain(TensorBody* body) noexcept {
  if (TAPEGRAD_SINGLE_THREADED) {
    ++body->references;
  } else {
    __atomic_add_fetch(&body->references, 1U, __ATOMIC_RELAXED);
  }
}
inline void release(TensorBody* body) noexcept {
  const std::uint32_t left = TAPEGRAD_SINGLE_THREADED
                                 ? --body->references
                                 : __atomic_sub_fetch(&body->references, 1U, __ATOMIC_ACQ_REL);
  if (left == 0) destroy(body);
}

}  // namespace detail

// A handle to shared, 64-byte aligned memory with shape, strides and an element type known at run
// time. Copying a Tensor copies the handle: both see the same elements. Views (select, narrow,
// transpose, expand, reshape of contiguous data) share memory too; clone() does not.
//
//   Tensor a = tensor({{1.0, 2.0}, {3.0, 4.0}});   // float32, shape (2, 2)
//   Tensor b = tanh(a) + 1.0;                      // a new tensor
//   float x = b.item<float>({0, 1});
//
// Threads: several threads may read a tensor at once. While one thread writes to a tensor, also
// through a view, no other thread may use it.
class Tensor : public Methods<Tensor> {
 public:
  Tensor() = default;  // undefined: every use but defined() throws ValueError
  Tensor(const Tensor& other) noexcept : Methods(other), body_(other.body_) {
    if (body_ != nullptr) detail::retain(body_);
  }
  Tensor(Tensor&& other) noexcept : Methods(other), body_(std::exchange(other.body_, nullptr)) {}
  // A name becomes a handle to the other memory; the elements do not change.
  Tensor& operator=(const Tensor& other) & noexcept {
    Tensor copy(other);
    std::swap(body_, copy.body_);
    return *this;
  }
  Tensor& operator=(Tensor&& other) & noexcept {
    Tensor moved(std::move(other));
    std::swap(body_, moved.body_);
    return *this;
  }
  ~Tensor() {
    if (body_ != nullptr) detail::release(body_);
  }
  void swap(Tensor& other) noexcept { std::swap(body_, other.body_); }

  bool defined() const { return body_ != nullptr; }

  // Layout ------------------------------------------------------------------------------------
  std::int64_t dim() const { return body().dim; }
  // The size of one dimension; a negative dim counts from the end. IndexError.
  std::int64_t size(std::int64_t dim) const { return body().sizes()[position_of(dim, "size")]; }
  std::int64_t stride(std::int64_t dim) const {  // in elements
    return body().strides()[position_of(dim, "stride")];
  }
  // Of a temporary, a copy: its sizes are gone at the end of the line.
  std::span<const std::int64_t> sizes() const& { return {body().sizes(), body().dim}; }
  std::span<const std::int64_t> strides() const& { return {body().strides(), body().dim}; }
  Shape sizes() const&& { return shape(); }
  Strides strides() const&& { return Strides(strides()); }
  Shape shape() const { return Shape(sizes()); }
  std::int64_t numel() const { return body().numel; }
  DType dtype() const { return body().dtype; }
  bool is_contiguous() const { return body().contiguous; }

  // Reading -----------------------------------------------------------------------------------
  // The only element, or the one at `index`, converted to T (bool, any integer, float, double).
  // ValueError if T is an integer type and the element does not fit into it.
  using Methods<Tensor>::item;  // item() is a double
  template <Number T>
  T item() const {
    if constexpr (TensorElement<T>) {
      return element<T>();
    } else {
      return is_floating_point(dtype()) ? detail::number_cast<T>(element<double>(), "item")
                                        : detail::number_cast<T>(element<std::int64_t>(), "item");
    }
  }
  template <Number T>
  T item(const Shape& index) const {
    if constexpr (TensorElement<T>) {
      return element<T>(index);
    } else {
      return is_floating_point(dtype())
                 ? detail::number_cast<T>(element<double>(index), "item")
                 : detail::number_cast<T>(element<std::int64_t>(index), "item");
    }
  }

  // All elements in row-major order, to read. T must be the element type (DTypeError), and the
  // tensor must be contiguous (ValueError; call contiguous() first). Deleted for temporaries: their
  // memory would be freed before a range-for over the span begins.
  template <TensorElement T>
  std::span<const T> span() const&;
  template <TensorElement T>
  std::span<const T> span() const&& = delete;

  // `to_vector<float>(x)` in tensor/ops.h returns a converted copy, for any layout.

  // Writing -----------------------------------------------------------------------------------
  // These change the elements in place: every tensor that shares the memory sees the new values.
  // The tape never records this. If a backward pass needs the old values, it throws an
  // AutogradError.
  template <TensorElement T>
  std::span<T> mutable_span() &;

  Tensor& fill_(Scalar value) &;
  Tensor& zero_() & { return fill_(0); }
  Tensor& copy_(const Tensor& source) &;                  // broadcasts and converts
  Tensor& add_(const Tensor& other, Scalar alpha = 1) &;  // += alpha * other
  Tensor& add_(Scalar other) &;
  Tensor& sub_(const Tensor& other) &;
  Tensor& sub_(Scalar other) &;
  Tensor& mul_(const Tensor& other) &;
  Tensor& mul_(Scalar other) &;
  Tensor& div_(const Tensor& other) &;
  Tensor& div_(Scalar other) &;
  Tensor& clamp_(Scalar low, Scalar high) &;
  Tensor& operator+=(const Tensor& other) & { return add_(other); }
  Tensor& operator+=(Scalar other) & { return add_(other); }
  Tensor& operator-=(const Tensor& other) & { return sub_(other); }
  Tensor& operator-=(Scalar other) & { return sub_(other); }
  Tensor& operator*=(const Tensor& other) & { return mul_(other); }
  Tensor& operator*=(Scalar other) & { return mul_(other); }
  Tensor& operator/=(const Tensor& other) & { return div_(other); }
  Tensor& operator/=(Scalar other) & { return div_(other); }
  // `x[0] = 5`, `x(Slice{1, 3}, 0) = y` and `x[0] += 1` change elements of x: on the left stands a
  // temporary view. `x[mask] = 5` is a ValueError, because x[mask] is a copy and x would not
  // change.
  void operator=(const Tensor& source) && { check_view("=").copy_(source); }
  void operator=(Scalar value) && { check_view("=").fill_(value); }
  // index(*this, indices).copy_(value), such as x.index_put_({0, Slice{1, 3}}, 5); and a value for
  // the elements where a boolean mask of x's first dimensions is true, as in x[mask]. A mask of as
  // many dimensions as x may broadcast to it.
  Tensor& index_put_(std::initializer_list<Index> indices, const Tensor& value) &;
  Tensor& index_put_(std::initializer_list<Index> indices, Scalar value) &;
  Tensor& index_put_(const Tensor& mask, Scalar value) &;

  // The same for temporaries, which return themselves instead of a reference to what is gone at the
  // end of the line: `const Tensor& x = empty({2}).fill_(1);`.
  Tensor fill_(Scalar value) && { return fill_(value); }
  Tensor zero_() && { return fill_(0); }
  Tensor copy_(const Tensor& source) && { return copy_(source); }
  Tensor add_(const Tensor& other, Scalar alpha = 1) && { return add_(other, alpha); }
  Tensor add_(Scalar other) && { return add_(other); }
  Tensor sub_(const Tensor& other) && { return sub_(other); }
  Tensor sub_(Scalar other) && { return sub_(other); }
  Tensor mul_(const Tensor& other) && { return mul_(other); }
  Tensor mul_(Scalar other) && { return mul_(other); }
  Tensor div_(const Tensor& other) && { return div_(other); }
  Tensor div_(Scalar other) && { return div_(other); }
  Tensor clamp_(Scalar low, Scalar high) && { return clamp_(low, high); }
  Tensor operator+=(const Tensor& other) && { return check_view("+=").add_(other); }
  Tensor operator+=(Scalar other) && { return check_view("+=").add_(other); }
  Tensor operator-=(const Tensor& other) && { return check_view("-=").sub_(other); }
  Tensor operator-=(Scalar other) && { return check_view("-=").sub_(other); }
  Tensor operator*=(const Tensor& other) && { return check_view("*=").mul_(other); }
  Tensor operator*=(Scalar other) && { return check_view("*=").mul_(other); }
  Tensor operator/=(const Tensor& other) && { return check_view("/=").div_(other); }
  Tensor operator/=(Scalar other) && { return check_view("/=").div_(other); }
  Tensor index_put_(std::initializer_list<Index> indices, const Tensor& value) &&;
  Tensor index_put_(std::initializer_list<Index> indices, Scalar value) &&;
  Tensor index_put_(const Tensor& mask, Scalar value) &&;

  // Counts the writes to the shared memory.
  std::uint32_t version() const { return body().owner->version; }

  // Copies ------------------------------------------------------------------------------------
  Tensor clone() const;                    // own memory, contiguous
  Tensor detach() const { return *this; }  // a tensor has no history
  Tensor contiguous() const;               // the tensor itself if it is contiguous already
  // The tensor itself if it has that type already; floating-point to int64 truncates. NaN, infinity
  // and values out of range become the smallest int64, as PyTorch's do on x86; so does copy_().
  Tensor to(DType dtype) const;

  bool same_sizes(const Tensor& other) const {
    const detail::TensorBody& a = body();
    const detail::TensorBody& b = other.body();
    if (a.dim != b.dim) return false;
    for (int i = 0; i < a.dim; ++i) {  // few sizes: a loop is faster than memcmp
      if (a.sizes()[i] != b.sizes()[i]) return false;
    }
    return true;
  }
  // Whether both use the same memory.
  bool shares_memory_with(const Tensor& other) const { return body().owner == other.body().owner; }
  // Whether this is the only handle to memory of its own, without views: then nothing else can see
  // a write.
  bool is_exclusive() const {
    const detail::TensorBody& b = body();
    return __atomic_load_n(&b.references, __ATOMIC_ACQUIRE) == 1 && b.owner == body_ &&
           !b.overlapping && b.keep_alive == nullptr;
  }

  // How many handles and views keep the memory alive. For a view: how many handles the view has.
  std::uint32_t use_count() const { return __atomic_load_n(&body().references, __ATOMIC_ACQUIRE); }

  // Raw access for kernels: a pointer to the first element; T is not checked. mutable_data counts
  // one write.
  template <class T>
  const T* data() const& {
    return reinterpret_cast<const T*>(body().data);
  }
  template <class T>
  const T* data() const&& = delete;
  template <class T>
  T* mutable_data() & {
    return reinterpret_cast<T*>(writable("mutable_data").data);
  }

  // `uninitialized` allocates a tensor whose elements are not set. `view` shares `base`'s memory
  // with other sizes and strides, starting `offset` elements after `base`'s first one; the caller
  // must check the bounds.
  static Tensor uninitialized(std::span<const std::int64_t> sizes, DType dtype);
  static Tensor uninitialized_like(const Tensor& x, DType dtype);  // x's sizes, contiguous
  static Tensor view_of(const Tensor& base, std::span<const std::int64_t> sizes,
                        std::span<const std::int64_t> strides, std::int64_t offset);
  // Uses external memory, which `owner` keeps alive.
  static Tensor external(void* data, std::span<const std::int64_t> sizes, DType dtype,
                         std::shared_ptr<void> owner);

 private:
  explicit Tensor(detail::TensorBody* body) : body_(body) {}
  const detail::TensorBody& body() const {
    if (body_ == nullptr) throw_undefined();
    return *body_;
  }
  [[noreturn]] static void throw_undefined();
  std::int64_t position_of(std::int64_t dim, const char* operation) const {
    const std::int64_t dims = body().dim;
    const std::int64_t position = dim < 0 ? dim + dims : dim;
    if (position < 0 || position >= dims) [[unlikely]]
      throw_no_dim(operation, dim);
    return position;
  }
  void throw_no_dim(const char* operation, std::int64_t dim) const;
  detail::TensorBody& writable(const char* operation) {  // counts a write
    if (body_ == nullptr) throw_undefined();
    if (body_->overlapping) throw_overlapping(operation);
    ++body_->owner->version;
    return *body_;
  }
  [[noreturn]] void throw_overlapping(const char* operation) const;
  Tensor& check_view(const char* operation);
  void check_access(DType dtype, const char* operation) const;
  std::int64_t offset_of(const Shape& index) const;
  template <TensorElement T>
  T element() const;
  template <TensorElement T>
  T element(const Shape& index) const;

  detail::TensorBody* body_ = nullptr;
};

extern template class Methods<Tensor>;

// A nested list of numbers, from which `tensor({{1, 2}, {3, 4}})` gets its shape and element type.
class Literal {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Literal(T value) : value_(value) {}  // NOLINT
  Literal(std::initializer_list<Literal> list);

  bool is_list() const { return is_list_; }
  Scalar value() const { return value_; }
  const std::vector<Literal>& list() const& { return list_; }
  std::vector<Literal> list() const&& { return list_; }

 private:
  std::vector<Literal> list_;
  Scalar value_ = 0;
  bool is_list_ = false;
};

// A tensor of the given values, with the element type that torch.tensor chooses: float32 if any is
// a floating-point number, else int64 if any is an integer, else boolean; or of the given type.
// ShapeError if the lists are ragged.
Tensor tensor(const Literal& values);
Tensor tensor(const Literal& values, DType dtype);

namespace detail {

template <class T>
void append_extents(Shape& sizes) {
  if constexpr (std::is_array_v<T>) {
    sizes.push_back(static_cast<std::int64_t>(std::extent_v<T>));
    append_extents<std::remove_extent_t<T>>(sizes);
  }
}

// The type of the numbers in a vector, a vector of vectors, and so on; and the number of levels.
template <class T>
struct Nested {
  using Value = T;
  static constexpr int kLevels = 0;
};
template <class T>
struct Nested<std::vector<T>> {
  using Value = typename Nested<T>::Value;
  static constexpr int kLevels = Nested<T>::kLevels + 1;
};

template <Number T>
using ElementFor = std::conditional_t<TensorElement<T>, T, std::int64_t>;

// The sizes of nested vectors, as the first ones at each level have them.
template <class T>
void append_sizes(const std::vector<T>& values, Shape& sizes) {
  sizes.push_back(static_cast<std::int64_t>(values.size()));
  if constexpr (Nested<T>::kLevels > 0) {
    static const T none;
    append_sizes(values.empty() ? none : values.front(), sizes);
  }
}

[[noreturn]] void throw_ragged(const Shape& sizes, std::int64_t dim, std::size_t size);

// Copies numbers, or the numbers in nested vectors, to `out`; returns the position after them.
template <class Element, class Values>
Element* copy_numbers(const Values& values, const Shape& sizes, std::int64_t dim, Element* out) {
  if (static_cast<std::int64_t>(values.size()) != sizes[dim]) {
    throw_ragged(sizes, dim, values.size());
  }
  for (const auto& value : values) {
    if constexpr (requires { static_cast<Element>(value); }) {
      *out++ = detail::number_cast<Element>(value, "tensor");
    } else {
      out = copy_numbers(value, sizes, dim + 1, out);
    }
  }
  return out;
}

template <class T, class Values>
Tensor tensor_of(const Values& values, const Shape& sizes) {
  using Element = ElementFor<T>;
  Tensor result = Tensor::uninitialized(sizes, dtype_of<Element>::value);
  copy_numbers(values, sizes, 0, result.mutable_data<Element>());
  return result;
}

}  // namespace detail

// Copies numbers from a span, a std::array, or a vector. Nested vectors give a tensor with as many
// dimensions; ShapeError if they are ragged. The element type is that of the numbers; all integer
// types become int64.
template <class T, std::size_t extent>
requires Number<std::remove_const_t<T>> Tensor tensor(std::span<T, extent> values) {
  return detail::tensor_of<std::remove_const_t<T>>(values, Shape(values.size()));
}
template <Number T, std::size_t N>
Tensor tensor(const std::array<T, N>& values) {
  return detail::tensor_of<T>(values, Shape(N));
}
// An array of the language, such as `float a[2][3]`.
template <class T>
requires(std::is_bounded_array_v<T>&& Number<std::remove_all_extents_t<T>>) Tensor
    tensor(const T& values) {
  using Given = std::remove_all_extents_t<T>;
  using Element = detail::ElementFor<Given>;
  const std::span flat(reinterpret_cast<const Given*>(&values), sizeof(T) / sizeof(Given));
  Shape sizes;
  detail::append_extents<T>(sizes);
  Tensor result = Tensor::uninitialized(sizes, dtype_of<Element>::value);
  detail::copy_numbers(flat, Shape(flat.size()), 0, result.mutable_data<Element>());
  return result;
}
template <class T>
requires Number<typename detail::Nested<T>::Value> Tensor tensor(const std::vector<T>& values) {
  Shape sizes;
  detail::append_sizes(values, sizes);
  return detail::tensor_of<typename detail::Nested<T>::Value>(values, sizes);
}

// A tensor that uses the memory at `data` (contiguous, row-major) without a copy. `owner` is kept
// alive as long as any tensor uses the memory. Writing to the tensor writes to that memory.
template <TensorElement T>
Tensor from_data(T* data, const Shape& shape, std::shared_ptr<void> owner) {
  return Tensor::external(data, shape, dtype_of<T>::value, std::move(owner));
}

// Prints as PyTorch does.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace tapegrad
