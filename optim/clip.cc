// The norm over all gradients, and changes of gradients in memory that is not shared. Read next:
// optim/schedule.h.
#include <tapegrad/optim/clip.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops/reduce_shape.h>

namespace tapegrad::optim {
namespace {

void check_argument(bool valid, const char* operation, const char* argument, double value,
                    const char* needed) {
  if (valid) return;
  std::ostringstream text;
  text << operation << ": " << argument << " is " << value << ", needed " << needed;
  throw ValueError(text.str());
}

bool counts(const Leaf& leaf) { return leaf.requires_grad && !leaf.grad.empty(); }

// The norm of all gradients as one vector. A nan in any of them makes it nan, except for p = 0,
// which counts the parameters whose gradient is not 0, as in PyTorch.
class Norm {
 public:
  explicit Norm(double p) : p_(p) {}

  template <class T>
  void add_parameter(Leaf& leaf) {
    std::int64_t seen = 0;
    nonzero_ = false;
    for_each_gradient<T>(leaf, [&](const T* gradient, std::size_t count) {
      add(gradient, count);
      seen += static_cast<std::int64_t>(count);
    });
    if (p_ == 0 && nonzero_) ++total_;
    // Below 0 the smallest elements count: also the zeros of rows that a row-sparse gradient does
    // not hold, and an empty gradient counts as a 0.
    const T zero = 0;
    if (p_ < 0 && (seen == 0 || (leaf.grad.is_row_sparse() && seen < leaf.stored().numel()))) {
      add(&zero, 1);
    }
  }

  // 0 if there was no gradient.
  double value() const {
    if (empty_ || p_ == 0 || std::isinf(p_)) return total_;
    return std::pow(total_, 1 / p_);
  }

 private:
  template <class T>
  void add(const T* g, std::size_t n) {
    if (n == 0) return;
    if (p_ == 0) {
      nonzero_ = nonzero_ || std::any_of(g, g + n, [](T x) { return x != 0; });
    } else if (std::isinf(p_) && p_ > 0) {
      const double high = static_cast<double>(kernel::kernels<T>().max(g, n));
      const double low = static_cast<double>(kernel::kernels<T>().min(g, n));
      const double largest = std::isnan(high) ? high : std::max(high, -low);
      if (!(largest <= total_) && !std::isnan(total_)) total_ = largest;
    } else if (std::isinf(p_)) {
      if (empty_) total_ = std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i < n; ++i) {
        const double size = std::abs(static_cast<double>(g[i]));
        if (!(size >= total_) && !std::isnan(total_)) total_ = size;
      }
    } else if (p_ == 2) {
      total_ += detail::sum_of_squares(g, n);
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        total_ += std::pow(std::abs(static_cast<double>(g[i])), p_);
      }
    }
    empty_ = false;
  }

  double p_;
  double total_ = 0;
  bool nonzero_ = false;  // an element of the parameter at hand
  bool empty_ = true;
};

// ValueError for a norm that is not finite. Gradients that are finite can have one: the squares of
// 1e200 overflow float64.
[[noreturn]] void throw_not_finite(double norm, const std::vector<NamedParameter>& parameters) {
  bool found = false;
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();
    if (!counts(leaf)) continue;
    visit_floating(leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      for_each_gradient<T>(leaf, [&](const T* gradient, std::size_t count) {
        found =
            found || !std::all_of(gradient, gradient + count, [](T x) { return std::isfinite(x); });
      });
    });
  }
  throw ValueError("clip_grad_norm: the norm of the gradients is " + std::to_string(norm) +
                   ", needed a finite one; " +
                   (found ? "look for the parameter whose gradient is not"
                          : "all gradients are finite, but their norm overflows float64"));
}

// Copies the gradients whose memory is shared: then a change of all of them allocates nothing, so
// it is not left half done.
void own_gradients(const std::vector<NamedParameter>& parameters) {
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();  // or throws
    if (counts(leaf)) leaf.grad.make_own();
  }
}

// Calls change(elements, count) on the gradient, in memory that is not shared.
template <class Change>
void change_gradient(Leaf& leaf, const Change& change) {
  Tensor& gradient = leaf.grad.writable();
  visit_floating(gradient.dtype(), [&](auto zero) {
    using T = decltype(zero);
    change(gradient.mutable_data<T>(), static_cast<std::size_t>(gradient.numel()));
  });
}

}  // namespace

double get_total_norm(const std::vector<NamedParameter>& parameters, double norm_type) {
  check_argument(!std::isnan(norm_type), "get_total_norm", "norm_type", norm_type, "a number");
  Norm norm(norm_type);
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();
    if (!counts(leaf)) continue;
    visit_floating(leaf.stored().dtype(),
                   [&](auto zero) { norm.add_parameter<decltype(zero)>(leaf); });
  }
  return norm.value();
}

void clip_grads_with_norm(const std::vector<NamedParameter>& parameters, double max_norm,
                          double total_norm) {
  check_argument(max_norm >= 0, "clip_grads_with_norm", "max_norm", max_norm, "a number >= 0");
  const double scale = max_norm / (total_norm + 1e-6);
  if (scale >= 1) return;
  own_gradients(parameters);
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();
    if (!counts(leaf)) continue;
    change_gradient(leaf, [scale]<class T>(T* gradient, std::size_t count) {
      const T factor = static_cast<T>(scale);
      kernel::kernels<T>().binary[static_cast<std::size_t>(kernel::Binary::kMul)]
                                 [static_cast<std::size_t>(kernel::Operands::kVectorScalar)](
                                     gradient, gradient, &factor, count);
    });
  }
}

double clip_grad_norm(const std::vector<NamedParameter>& parameters, double max_norm,
                      double norm_type, bool error_if_nonfinite) {
  check_argument(max_norm >= 0, "clip_grad_norm", "max_norm", max_norm, "a number >= 0");
  check_argument(!std::isnan(norm_type), "clip_grad_norm", "norm_type", norm_type, "a number");
  const double total = get_total_norm(parameters, norm_type);
  if (error_if_nonfinite && !std::isfinite(total)) throw_not_finite(total, parameters);
  clip_grads_with_norm(parameters, max_norm, total);
  return total;
}

void clip_grad_value(const std::vector<NamedParameter>& parameters, double clip_value) {
  check_argument(clip_value >= 0, "clip_grad_value", "clip_value", clip_value, "a number >= 0");
  own_gradients(parameters);
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();
    if (!counts(leaf)) continue;
    change_gradient(leaf, [clip_value]<class T>(T* gradient, std::size_t count) {
      const T limit = static_cast<T>(clip_value);
      kernel::kernels<T>().clamp(gradient, gradient, -limit, limit, count);
    });
  }
}

}  // namespace tapegrad::optim
