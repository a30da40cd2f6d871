// Tensor: numbers in memory, with a shape. A tensor knows nothing of gradients; autograd/variable.h
// adds history. Read next: tensor/ops.h (what can be done with tensors).
#pragma once

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
#include <tapegrad/tensor/scalar.h>
#include <tapegrad/tensor/shape.h>

namespace tapegrad {

class Tensor;

namespace detail {

// What a Tensor points to: how to walk over the elements, and who owns their memory. One block of
// memory holds it, then sizes[dim] and strides[dim], and behind them, for an owner of memory that
// is its own, the elements at the next multiple of 64 bytes.
struct TensorBody {
  std::uint32_t references;
  DType dtype;
  std::uint8_t dim;
  bool contiguous;        // elements lie in row-major order without gaps
  bool overlapping;       // expanded: several positions share an element; never written to
  std::uint32_t version;  // counts writes to the memory; the owner's is the one that counts
  std::uint32_t unused;
  TensorBody* owner;  // whose memory this looks at: itself, or the owner (counted)
  std::byte* data;    // the first element
  std::int64_t numel;
  std::shared_ptr<void>* keep_alive;  // memory that came from outside, or null

  std::int64_t* sizes() { return reinterpret_cast<std::int64_t*>(this + 1); }
  std::int64_t* strides() { return sizes() + dim; }
  const std::int64_t* sizes() const { return reinterpret_cast<const std::int64_t*>(this + 1); }
  const std::int64_t* strides() const { return sizes() + dim; }
};

void destroy(TensorBody* body) noexcept;
Tensor tensor_of_bools(const std::vector<bool>& values);

// Counts are atomic from the moment a second thread was started.
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
// Threads: tensors may be read from several threads at once; a tensor that is written to, also
// through a view, belongs to one thread at that time.
class Tensor {
 public:
  Tensor() = default;  // undefined: every use but defined() throws ValueError
  Tensor(const Tensor& other) noexcept : body_(other.body_) {
    if (body_ != nullptr) detail::retain(body_);
  }
  Tensor(Tensor&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  Tensor& operator=(const Tensor& other) noexcept {
    Tensor copy(other);
    std::swap(body_, copy.body_);
    return *this;
  }
  Tensor& operator=(Tensor&& other) noexcept {
    Tensor moved(std::move(other));
    std::swap(body_, moved.body_);
    return *this;
  }
  ~Tensor() {
    if (body_ != nullptr) detail::release(body_);
  }
  void swap(Tensor& other) noexcept { std::swap(body_, other.body_); }

  bool defined() const { return body_ != nullptr; }

  // What it looks like ------------------------------------------------------------------------
  std::int64_t dim() const { return body().dim; }
  // Of one dimension; a negative one counts from the end. IndexError.
  std::int64_t size(std::int64_t dim) const { return body().sizes()[position_of(dim, "size")]; }
  std::int64_t stride(std::int64_t dim) const {  // in elements
    return body().strides()[position_of(dim, "stride")];
  }
  std::span<const std::int64_t> sizes() const { return {body().sizes(), body().dim}; }
  std::span<const std::int64_t> strides() const { return {body().strides(), body().dim}; }
  Shape shape() const { return Shape(sizes()); }
  std::int64_t numel() const { return body().numel; }
  DType dtype() const { return body().dtype; }
  bool is_contiguous() const { return body().contiguous; }

  // Reading -----------------------------------------------------------------------------------
  // The only element, or the one at `index`, converted to T (bool, any integer, float, double).
  template <class T>
  T item() const;
  template <class T>
  T item(const Shape& index) const;

  // All elements in row-major order, to read. T must be the element type (DTypeError), and the
  // tensor contiguous (ValueError; contiguous() helps). Not for temporaries: their memory is gone
  // before a range-for over the span begins.
  template <class T>
  std::span<const T> span() const&;
  template <class T>
  std::span<const T> span() const&& = delete;

  // The same as a copy, converted, from any layout: `to_vector<float>(x)` in tensor/ops.h.

  // Writing -----------------------------------------------------------------------------------
  // In place: every tensor that shares the memory sees it, and what the tape has noted of it
  // becomes stale (autograd throws if it needs it). Never recorded.
  template <class T>
  std::span<T> mutable_span() &;

  Tensor& fill_(Scalar value);
  Tensor& zero_() { return fill_(0); }
  Tensor& copy_(const Tensor& source);                  // broadcasts and converts
  Tensor& add_(const Tensor& other, Scalar alpha = 1);  // += alpha * other
  Tensor& add_(Scalar other);
  Tensor& sub_(const Tensor& other);
  Tensor& mul_(const Tensor& other);
  Tensor& mul_(Scalar other);
  Tensor& div_(const Tensor& other);
  Tensor& div_(Scalar other);
  Tensor& clamp_(Scalar low, Scalar high);

  // How often the shared memory has been written to.
  std::uint32_t version() const { return body().owner->version; }

  // Copies ------------------------------------------------------------------------------------
  Tensor clone() const;          // own memory, contiguous
  Tensor contiguous() const;     // itself if it is contiguous already
  Tensor to(DType dtype) const;  // itself if it has that type; floating to int64 truncates

  // x[i] is the view select(x, 0, i).
  Tensor operator[](std::int64_t index) const;

  bool same_sizes(const Tensor& other) const {
    const detail::TensorBody& a = body();
    const detail::TensorBody& b = other.body();
    if (a.dim != b.dim) return false;
    for (int i = 0; i < a.dim; ++i) {  // short: a loop is quicker than memcmp
      if (a.sizes()[i] != b.sizes()[i]) return false;
    }
    return true;
  }
  // Whether both look at the same memory.
  bool shares_memory_with(const Tensor& other) const { return body().owner == other.body().owner; }
  // Whether the memory is our own, and no other handle and no view refers to it: it may be written
  // to unnoticed.
  bool is_exclusive() const {
    const detail::TensorBody& b = body();
    return b.references == 1 && b.owner == body_ && !b.overlapping && b.keep_alive == nullptr;
  }

  // Raw access for kernels: the first element, not checked against T. mutable_data counts a write.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(body().data);
  }
  template <class T>
  T* mutable_data() {
    return reinterpret_cast<T*>(writable("mutable_data").data);
  }

  // A new tensor whose elements are not set, and one that looks at `base`'s memory with other sizes
  // and strides, `offset` elements behind its first one; bounds are the caller's to check.
  static Tensor uninitialized(std::span<const std::int64_t> sizes, DType dtype);
  static Tensor uninitialized_like(const Tensor& x, DType dtype);  // x's sizes, contiguous
  static Tensor view(const Tensor& base, std::span<const std::int64_t> sizes,
                     std::span<const std::int64_t> strides, std::int64_t offset);
  // Memory from outside, kept alive by `owner`.
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
  void check_access(DType dtype, const char* operation) const;
  std::int64_t offset_of(const Shape& index) const;

  detail::TensorBody* body_ = nullptr;
};

// Written as a nested list: how `tensor({{1, 2}, {3, 4}})` gets its shape and element type.
class Literal {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Literal(T value) : value_(value) {}  // NOLINT
  Literal(std::initializer_list<Literal> list) : list_(list), is_list_(true) {}

  bool is_list() const { return is_list_; }
  Scalar value() const { return value_; }
  const std::vector<Literal>& list() const { return list_; }

 private:
  std::vector<Literal> list_;
  Scalar value_ = 0;
  bool is_list_ = false;
};

// From numbers, as torch.tensor reads them: integers give int64, any floating-point number gives
// float32, only bools give boolean; dtype overrides. ShapeError where the lists are ragged.
Tensor tensor(const Literal& values, std::optional<DType> dtype = std::nullopt);

// From a span or a vector, copied, with the element type of T (other integers become int64).
template <class T>
Tensor tensor(std::span<const T> values);
template <class T>
Tensor tensor(const std::vector<T>& values) {
  if constexpr (std::is_same_v<T, bool>) {
    return detail::tensor_of_bools(values);
  } else {
    return tensor(std::span<const T>(values));
  }
}

// The memory at `data` (contiguous, row-major) without a copy; `owner` is held as long as any
// tensor looks at it. Writing to the tensor writes there.
template <class T>
Tensor from_data(T* data, const Shape& shape, std::shared_ptr<void> owner) {
  return Tensor::external(data, shape, dtype_of<T>::value, std::move(owner));
}

// Prints as PyTorch does.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace tapegrad
