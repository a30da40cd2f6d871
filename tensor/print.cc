// Prints tensors exactly as PyTorch's print(tensor) does with its default options: all elements are
// padded to one width, and of a long tensor only the edges are shown. Read next: tensor/memory.h.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {
namespace {

// torch.set_printoptions, profile "default".
constexpr int kPrecision = 4;
constexpr std::int64_t kThreshold = 1000;  // a tensor with more elements is summarized
constexpr std::int64_t kEdgeItems = 3;     // shown at both ends of each dimension of a summary
constexpr std::size_t kLineWidth = 80;

constexpr std::string_view kPrefix = "tensor(";
// PyTorch prints dtype=torch.float64, we print dtype=float64. The length of the prefix still counts
// when lines are broken, so that they break where PyTorch's do.
constexpr std::string_view kOmitted = "torch.";

// The texts of the elements that are shown, and the width to which they are padded. Zeros,
// infinities and NaN are ignored when the width is computed, so their texts may be longer.
struct Texts {
  std::vector<std::string> elements;
  std::size_t width = 1;
};

bool shortened(std::int64_t size, bool summarize) { return summarize && size > 2 * kEdgeItems; }

// Calls f with each element that is shown, in row-major order.
template <class T, class Function>
void for_each_shown(const Tensor& x, bool summarize, const Function& f, const T* data,
                    std::size_t dim = 0) {
  if (dim == x.sizes().size()) {
    f(*data);
    return;
  }
  const std::int64_t size = x.sizes()[dim];
  for (std::int64_t i = 0; i < size; ++i) {
    if (shortened(size, summarize) && i == kEdgeItems) i = size - kEdgeItems;
    for_each_shown(x, summarize, f, data + i * x.strides()[dim], dim + 1);
  }
}

std::string formatted(double value, std::chars_format format, int precision) {
  if (std::isnan(value)) return "nan";  // without a sign
  char buffer[std::numeric_limits<double>::max_exponent10 + 16];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format, precision).ptr};
}

Texts texts_of(const std::vector<double>& values) {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  bool whole = true;
  const auto counts = [](double value) { return std::isfinite(value) && value != 0; };
  for (const double value : values) {
    if (!counts(value)) continue;
    smallest = std::min(smallest, std::abs(value));
    largest = std::max(largest, std::abs(value));
    whole = whole && value == std::ceil(value);
  }
  const bool scientific =
      largest > 0 && (largest / smallest > 1000 || largest > 1e8 || (!whole && smallest < 1e-4));

  Texts texts;
  for (const double value : values) {
    std::string text = scientific
                           ? formatted(value, std::chars_format::scientific, kPrecision)
                           : formatted(value, std::chars_format::fixed, whole ? 0 : kPrecision);
    if (whole && !scientific && std::isfinite(value)) text += '.';
    if (counts(value)) texts.width = std::max(texts.width, text.size());
    texts.elements.push_back(std::move(text));
  }
  return texts;
}

Texts texts_of(const Tensor& x, bool summarize) {
  Texts texts;
  visit(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      std::vector<double> values;
      for_each_shown(
          x, summarize, [&](T value) { values.push_back(static_cast<double>(value)); },
          x.data<T>());
      texts = texts_of(values);
    } else {
      const auto add = [&](T value) {
        if constexpr (std::is_same_v<T, bool>) {
          texts.elements.emplace_back(value ? "True" : "False");
        } else {
          texts.elements.push_back(std::to_string(value));
        }
        texts.width = std::max(texts.width, texts.elements.back().size());
      };
      for_each_shown(x, summarize, add, x.data<T>());
    }
  });
  for (std::string& text : texts.elements) {
    if (text.size() < texts.width) text.insert(0, texts.width - text.size(), ' ');
  }
  return texts;
}

// Appends dimension `dim` in brackets; `next` is the next element to print. Rows are broken at the
// line width, and n - 1 line ends separate blocks of n dimensions.
void append_block(std::string& out, const Tensor& x, bool summarize, const Texts& texts,
                  std::vector<std::string>::const_iterator& next, std::size_t dim) {
  const std::size_t dims = x.sizes().size();
  if (dim == dims) {
    out += *next++;
    return;
  }
  const bool row = dim + 1 == dims;
  const bool dots = shortened(x.sizes()[dim], summarize);
  const auto items = static_cast<std::size_t>(dots ? 2 * kEdgeItems + 1 : x.sizes()[dim]);
  const std::size_t indent = kPrefix.size() + dim;
  const std::size_t per_line =
      row ? std::max<std::size_t>(1, (kLineWidth - indent) / (texts.width + 2)) : 1;
  out += '[';
  for (std::size_t i = 0; i < items; ++i) {
    if (i > 0) out += ',';
    if (i > 0 && i % per_line != 0) {
      out += ' ';
    } else if (i > 0) {
      out.append(row ? 1 : dims - dim - 1, '\n').append(indent + 1, ' ');
    }
    if (dots && i == static_cast<std::size_t>(kEdgeItems)) {
      out += row ? " ..." : "...";
    } else {
      append_block(out, x, summarize, texts, next, dim + 1);
    }
  }
  out += ']';
}

// The shape as Python writes a tuple: (3,) ends with a comma.
std::string tuple(std::span<const std::int64_t> sizes) {
  std::string text = to_string(sizes);
  if (sizes.size() == 1) text.insert(text.size() - 1, 1, ',');
  return text;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  std::string text(kPrefix);
  std::vector<std::string> suffixes;
  const bool default_dtype = x.dtype() == float32;
  if (x.numel() == 0) {
    text += "[]";
    if (x.dim() != 1) suffixes.push_back("size=" + tuple(x.sizes()));
    if (!default_dtype) suffixes.push_back(std::string("dtype=") + name(x.dtype()));
  } else {
    const bool summarize = x.numel() > kThreshold;
    const Texts texts = texts_of(x, summarize);
    auto next = texts.elements.begin();
    append_block(text, x, summarize, texts, next, 0);
    // The other types can be recognized by how their elements are written.
    if (x.dtype() == float64) suffixes.push_back(std::string("dtype=") + name(x.dtype()));
  }
  // PyTorch counts two characters more than the last line has; so do we.
  std::size_t line = text.size() - text.rfind('\n') + 1;  // npos counts as -1
  for (const std::string& suffix : suffixes) {
    const std::size_t length = suffix.size() + (suffix.starts_with("dtype") ? kOmitted.size() : 0);
    if (line + length + 2 > kLineWidth) {
      text.append(",\n").append(kPrefix.size(), ' ');
      line = kPrefix.size() + length;
    } else {
      text += ", ";
      line += length + 2;
    }
    text += suffix;
  }
  return out << text << ')';
}

}  // namespace tapegrad
