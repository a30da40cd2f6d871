// Tensor's memory: creation, views, element access, and literals. Read next: tensor/shape.cc.
#include <tapegrad/tensor/tensor.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <sstream>
#include <string>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/pool.h>

namespace tapegrad {

namespace {
thread_local constinit Error::Watcher error_watcher = nullptr;
}

Error::Error(const std::string& text) : std::runtime_error(text) {
  if (error_watcher != nullptr) error_watcher(*this);
}

Error::Watcher Error::watch(Watcher watcher) { return std::exchange(error_watcher, watcher); }

void Error::add_context(const std::string& where) {
  if (has_context_ || where.empty()) return;
  std::runtime_error::operator=(std::runtime_error(std::string(what()) + "; in " + where));
  has_context_ = true;
}
namespace detail {
namespace {

constexpr std::size_t header_bytes(std::size_t dim) {
  return sizeof(TensorBody) + 2 * dim * sizeof(std::int64_t);
}

// The offset in the block at which an owner's elements begin.
constexpr std::size_t data_offset(std::size_t dim) {
  return (header_bytes(dim) + memory::kAlignment - 1) / memory::kAlignment * memory::kAlignment;
}

std::size_t block_bytes(const TensorBody& body) {
  const bool own_elements = body.owner == &body && body.keep_alive == nullptr;
  return own_elements
             ? data_offset(body.dim) + static_cast<std::size_t>(body.numel) * item_size(body.dtype)
             : header_bytes(body.dim);
}

TensorBody* new_body(std::size_t bytes, std::span<const std::int64_t> sizes, DType dtype) {
  auto* body = new (memory::pool_allocate(bytes)) TensorBody;
  body->references = 1;
  body->dtype = dtype;
  body->dim = static_cast<std::uint8_t>(sizes.size());
  body->contiguous = true;
  body->overlapping = false;
  body->version = 0;
  body->owner = body;
  body->keep_alive = nullptr;
  return body;
}

}  // namespace

void destroy(TensorBody* body) noexcept {
  TensorBody* const owner = body->owner == body ? nullptr : body->owner;
  const std::size_t bytes = block_bytes(*body);
  delete body->keep_alive;
  memory::pool_deallocate(body, bytes);
  if (owner != nullptr) release(owner);  // recurses once: an owner's owner is itself
}

}  // namespace detail

using detail::TensorBody;

// Creation ----------------------------------------------------------------------------------------

Tensor Tensor::uninitialized(std::span<const std::int64_t> sizes, DType dtype) {
  const std::int64_t numel = checked_numel(sizes, "empty");
  if (sizes.size() > static_cast<std::size_t>(Shape::kMaxDims)) {
    throw ShapeError("empty: more than " + std::to_string(Shape::kMaxDims) + " dimensions");
  }
  const std::size_t offset = detail::data_offset(sizes.size());
  TensorBody* body =
      detail::new_body(offset + static_cast<std::size_t>(numel) * item_size(dtype), sizes, dtype);
  body->data = reinterpret_cast<std::byte*>(body) + offset;
  body->numel = numel;
  std::int64_t* const own_sizes = body->sizes();
  std::int64_t* const strides = body->strides();
  std::uint64_t step = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    own_sizes[i] = sizes[i];
    strides[i] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(std::max<std::int64_t>(sizes[i], 1));
  }
  return Tensor(body);
}

Tensor Tensor::uninitialized_like(const Tensor& x, DType dtype) {
  const TensorBody& from = x.body();
  if (!from.contiguous) return uninitialized(x.sizes(), dtype);
  const std::size_t offset = detail::data_offset(from.dim);
  auto* body = static_cast<TensorBody*>(
      memory::pool_allocate(offset + static_cast<std::size_t>(from.numel) * item_size(dtype)));
  // Copies the whole header, with sizes and strides: headers fill whole lines of memory::kAlignment
  // bytes.
  for (std::size_t line = 0; line < offset; line += memory::kAlignment) {
    std::memcpy(reinterpret_cast<std::byte*>(body) + line,
                reinterpret_cast<const std::byte*>(&from) + line, memory::kAlignment);
  }
  body->references = 1;
  body->dtype = dtype;
  body->overlapping = false;
  body->version = 0;
  body->owner = body;
  body->data = reinterpret_cast<std::byte*>(body) + offset;
  body->keep_alive = nullptr;
  return Tensor(body);
}

Tensor Tensor::view_of(const Tensor& base, std::span<const std::int64_t> sizes,
                       std::span<const std::int64_t> strides, std::int64_t offset) {
  const TensorBody& from = base.body();
  TensorBody* body = detail::new_body(detail::header_bytes(sizes.size()), sizes, from.dtype);
  body->owner = from.owner;
  detail::retain(from.owner);
  std::uint64_t numel = 1;  // can overflow only if another size is 0
  std::uint64_t expected = 1;
  bool empty = false;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    body->sizes()[i] = sizes[i];
    body->strides()[i] = strides[i];
    if (sizes[i] != 1) {
      body->contiguous = body->contiguous && strides[i] == static_cast<std::int64_t>(expected);
      body->overlapping = body->overlapping || (strides[i] == 0 && sizes[i] > 1);
      expected *= static_cast<std::uint64_t>(sizes[i]);
    }
    numel *= static_cast<std::uint64_t>(sizes[i]);
    empty = empty || sizes[i] == 0;
  }
  body->numel = empty ? 0 : static_cast<std::int64_t>(numel);
  body->data = from.data;
  if (empty) {
    body->contiguous = true;
    body->overlapping = false;
  } else {
    body->data += offset * static_cast<std::int64_t>(item_size(from.dtype));
  }
  body->overlapping = body->overlapping || from.overlapping;
  return Tensor(body);
}

Tensor Tensor::external(void* data, std::span<const std::int64_t> sizes, DType dtype,
                        std::shared_ptr<void> owner) {
  const std::int64_t numel = checked_numel(sizes, "from_data");
  if (data == nullptr && numel > 0) throw ValueError("from_data: null pointer");
  auto keep_alive = std::make_unique<std::shared_ptr<void>>(std::move(owner));
  TensorBody* body = detail::new_body(detail::header_bytes(sizes.size()), sizes, dtype);
  body->keep_alive = keep_alive.release();
  body->data = static_cast<std::byte*>(data);
  body->numel = numel;
  const Strides strides = contiguous_strides(sizes);
  std::copy(sizes.begin(), sizes.end(), body->sizes());
  std::copy(strides.begin(), strides.end(), body->strides());
  return Tensor(body);
}

Literal::Literal(std::initializer_list<Literal> list) : list_(list), is_list_(true) {}

namespace {

DType literal_dtype(const Literal& literal) {
  if (!literal.is_list()) return literal.value().dtype();
  if (literal.list().empty()) return float32;
  DType dtype = boolean;
  for (const Literal& part : literal.list()) dtype = promote(dtype, literal_dtype(part));
  return dtype;
}

Shape literal_shape(const Literal& literal) {
  if (!literal.is_list()) return {};
  const std::vector<Literal>& parts = literal.list();
  Shape shape = parts.empty() ? Shape() : literal_shape(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const Shape other = literal_shape(parts[i]);
    if (!(other == shape)) {
      throw ShapeError("tensor: ragged list: part 0 has shape " + to_string(shape) + ", part " +
                       std::to_string(i) + " has shape " + to_string(other));
    }
  }
  shape.insert(0, static_cast<std::int64_t>(parts.size()));
  return shape;
}

template <class T>
T* write_literal(const Literal& literal, T* out) {
  if (!literal.is_list()) {
    *out = literal.value().to<T>();
    return out + 1;
  }
  for (const Literal& part : literal.list()) out = write_literal(part, out);
  return out;
}

}  // namespace

Tensor tensor(const Literal& values) { return tensor(values, literal_dtype(values)); }

Tensor tensor(const Literal& values, DType dtype) {
  Tensor result = Tensor::uninitialized(literal_shape(values), dtype);
  visit(result.dtype(), [&](auto zero) {
    using T = decltype(zero);
    write_literal(values, result.mutable_data<T>());
  });
  return result;
}

void detail::throw_does_not_fit(const char* operation, double value, int bits, bool is_signed) {
  std::ostringstream text;
  text << operation << ": " << value << " does not fit into " << (is_signed ? "a " : "an un")
       << "signed integer of " << bits << " bits";
  throw ValueError(text.str());
}

void detail::throw_ragged(const Shape& sizes, std::int64_t dim, std::size_t size) {
  throw ShapeError("tensor: ragged vectors: at level " + std::to_string(dim) +
                   " the first one has size " + std::to_string(sizes[dim]) + ", another one " +
                   std::to_string(size));
}

// Reading and writing -----------------------------------------------------------------------------

void Tensor::throw_undefined() {
  throw ValueError("Tensor: used before it was given a value (default constructed)");
}

void Tensor::throw_no_dim(const char* operation, std::int64_t dim) const {
  if (body().dim == 0) {
    throw IndexError(std::string(operation) + ": a 0-d tensor has no dimension " +
                     std::to_string(dim));
  }
  wrap_dim(dim, body().dim, operation);
}

std::int64_t Tensor::offset_of(const Shape& index) const {
  const TensorBody& b = body();
  if (index.dim() != b.dim) {
    throw IndexError("item: index " + to_string(index) + " for shape " + to_string(sizes()) +
                     ", needed one index per dimension");
  }
  std::int64_t offset = 0;
  for (std::int64_t i = 0; i < index.dim(); ++i) {
    offset += wrap_index(index[i], b.sizes()[i], "item") * b.strides()[i];
  }
  return offset;
}

template <TensorElement T>
T Tensor::element(const Shape& index) const {
  const std::int64_t offset = offset_of(index);
  return visit(dtype(), [&](auto zero) {
    return detail::number_cast<T>(data<decltype(zero)>()[offset], "item");
  });
}

template <TensorElement T>
T Tensor::element() const {
  if (numel() != 1) {
    throw ValueError("item: tensor of shape " + to_string(sizes()) +
                     " does not have exactly one element; give an index");
  }
  return visit(dtype(),
               [&](auto zero) { return detail::number_cast<T>(*data<decltype(zero)>(), "item"); });
}

void Tensor::check_access(DType wanted, const char* operation) const {
  if (dtype() != wanted) {
    throw DTypeError(std::string(operation) + ": tensor is " + name(dtype()) + ", asked for " +
                     name(wanted) + "; convert with to(" + name(wanted) + ")");
  }
  if (!is_contiguous()) {
    throw ValueError(std::string(operation) + ": tensor of shape " + to_string(sizes()) +
                     " and strides " + to_string(strides()) +
                     " is not contiguous; call contiguous() first");
  }
}

template <TensorElement T>
std::span<const T> Tensor::span() const& {
  check_access(dtype_of<T>::value, "span");
  return {data<T>(), static_cast<std::size_t>(numel())};
}

template <TensorElement T>
std::span<T> Tensor::mutable_span() & {
  check_access(dtype_of<T>::value, "mutable_span");
  return {reinterpret_cast<T*>(writable("mutable_span").data), static_cast<std::size_t>(numel())};
}

#define TAPEGRAD_INSTANTIATE(T)                         \
  template T Tensor::element<T>() const;                \
  template T Tensor::element<T>(const Shape&) const;    \
  template std::span<const T> Tensor::span<T>() const&; \
  template std::span<T> Tensor::mutable_span<T>()&;
TAPEGRAD_INSTANTIATE(bool)
TAPEGRAD_INSTANTIATE(std::int64_t)
TAPEGRAD_INSTANTIATE(float)
TAPEGRAD_INSTANTIATE(double)
#undef TAPEGRAD_INSTANTIATE

// Throws if a write to this temporary would be lost: no other handle sees its memory.
Tensor& Tensor::check_view(const char* operation) {
  const auto references = [](const detail::TensorBody* body) {
    return __atomic_load_n(&body->references, __ATOMIC_ACQUIRE);
  };
  const detail::TensorBody& b = body();
  // A view holds one reference to the owner of the memory.
  if (references(&b) > 1 || references(b.owner) > 1 || b.owner->keep_alive != nullptr) return *this;
  throw ValueError(std::string(operation) +
                   ": the left side is a copy that nothing else sees, as x[mask] or x[ids] is; to "
                   "change x, write x.index_put_(mask, value), x.masked_fill or x.index_add");
}
void Tensor::throw_overlapping(const char* operation) const {
  throw ValueError(std::string(operation) + ": tensor of shape " + to_string(sizes()) +
                   " is expanded: several positions share one element; clone() it first");
}

Tensor& Tensor::index_put_(std::initializer_list<Index> indices, const Tensor& value) & {
  index(indices).copy_(value);
  return *this;
}

Tensor& Tensor::index_put_(std::initializer_list<Index> indices, Scalar value) & {
  index(indices).fill_(value);
  return *this;
}

Tensor& Tensor::index_put_(const Tensor& mask, Scalar value) & {
  const std::int64_t fewer = dim() - mask.dim();
  if (fewer <= 0) return copy_(tapegrad::masked_fill(*this, mask, value));
  // Of the first dimensions, as in x[mask]; broadcasting would align the last ones.
  Shape shape = mask.shape();
  for (std::int64_t i = 0; i < mask.dim(); ++i) {
    if (mask.size(i) != size(i)) {
      throw ShapeError("index_put_: got a mask of shape " + to_string(mask.sizes()) +
                       " for a tensor of shape " + to_string(sizes()) +
                       ", needed the sizes of its first dimensions");
    }
  }
  for (std::int64_t i = 0; i < fewer; ++i) shape.push_back(1);
  return copy_(tapegrad::masked_fill(*this, mask.reshape(shape), value));
}
Tensor Tensor::index_put_(std::initializer_list<Index> indices, const Tensor& value) && {
  return index_put_(indices, value);
}
Tensor Tensor::index_put_(std::initializer_list<Index> indices, Scalar value) && {
  return index_put_(indices, value);
}
Tensor Tensor::index_put_(const Tensor& mask, Scalar value) && { return index_put_(mask, value); }

}  // namespace tapegrad
