// The norm over all gradients, and changes of gradients in memory that is not shared. Read next:
// optim/schedule.h.
#include <tapegrad/optim/clip.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include <tapegrad/optim/lazy/trainable_ranges.h>
#include <tapegrad/tensor/kernels/kernels.h>

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

// The sum of |g|^p, or the largest |g| if p is infinite. A nan in any gradient makes it nan.
class Norm {
 public:
  explicit Norm(double p) : p_(p) {}

  template <class T>
  void add(const T* g, std::size_t n) {
    if (n == 0) return;
    if (std::isinf(p_)) {
      const double high = static_cast<double>(kernel::kernels<T>().max(g, n));
      const double low = static_cast<double>(kernel::kernels<T>().min(g, n));
      const double largest = std::isnan(high) ? high : std::max(high, -low);
      if (!(largest <= total_) && !std::isnan(total_)) total_ = largest;
    } else if (p_ == 2) {
      total_ += static_cast<double>(kernel::kernels<T>().sum_of_squares(g, n));
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        total_ += std::pow(std::abs(static_cast<double>(g[i])), p_);
      }
    }
  }
  double value() const { return std::isinf(p_) ? total_ : std::pow(total_, 1 / p_); }

 private:
  double p_;
  double total_ = 0;
};

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

double clip_grad_norm(const std::vector<NamedParameter>& parameters, double max_norm,
                      double norm_type, bool error_if_nonfinite) {
  check_argument(max_norm >= 0, "clip_grad_norm", "max_norm", max_norm, "a number >= 0");
  check_argument(norm_type > 0, "clip_grad_norm", "norm_type", norm_type, "a number > 0");
  Norm norm(norm_type);
  for (const NamedParameter& parameter : parameters) {
    Leaf& leaf = parameter.variable.leaf();
    if (!counts(leaf)) continue;
    visit_floating(leaf.stored().dtype(), [&](auto zero) {
      using T = decltype(zero);
      for_each_gradient<T>(
          leaf, [&](const T* gradient, std::size_t count) { norm.add(gradient, count); });
    });
  }
  const double total = norm.value();
  if (error_if_nonfinite) {
    check_argument(std::isfinite(total), "clip_grad_norm", "the norm of the gradients", total,
                   "a finite one; look for the parameter whose gradient is not");
  }
  const double scale = max_norm / (total + 1e-6);
  if (scale >= 1) return total;
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
  return total;
}

void clip_grad_value(const std::vector<NamedParameter>& parameters, double clip_value) {
  check_argument(clip_value >= 0, "clip_grad_value", "clip_value", clip_value, "a number >= 0");
  for (const NamedParameter& parameter : parameters) parameter.variable.leaf();  // or throws
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
