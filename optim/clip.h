// Clipping: gradients are scaled down before a step, so that one unlucky batch cannot spoil the
// parameters (Pascanu et al. 2013). Read next: optim/clip.cc.
#pragma once

#include <vector>

#include <tapegrad/autograd/named_parameter.h>

namespace tapegrad::optim {

// Scales all gradients by max_norm / (norm + 1e-6) if that is less than 1, where norm is that of
// all gradients together as one vector: (sum of |g|^p)^(1/p) for p = norm_type, the largest |g| if
// p is infinite, the smallest if it is -infinity, and for p = 0, as in PyTorch, the number of
// parameters whose gradient is not 0. Returns the norm before scaling. Frozen parameters, rows and
// columns are left out, and so are parameters without a gradient. A norm that is not finite makes
// the gradients nan or 0, as in PyTorch; with error_if_nonfinite it is a ValueError, and nothing
// changes. Tensors that grad() and row_grad() returned earlier do not change.
double clip_grad_norm(const std::vector<NamedParameter>& parameters, double max_norm,
                      double norm_type = 2.0, bool error_if_nonfinite = false);

// The norm alone, and the scaling alone, for a norm that was computed elsewhere: of gradients on
// several machines, or of more parameters than are scaled.
double get_total_norm(const std::vector<NamedParameter>& parameters, double norm_type = 2.0);
void clip_grads_with_norm(const std::vector<NamedParameter>& parameters, double max_norm,
                          double total_norm);
inline void clip_grads_with_norm_(const std::vector<NamedParameter>& parameters, double max_norm,
                                  double total_norm) {
  clip_grads_with_norm(parameters, max_norm, total_norm);  // PyTorch's name
}

inline double clip_grad_norm_(const std::vector<NamedParameter>& parameters, double max_norm,
                              double norm_type = 2.0, bool error_if_nonfinite = false) {
  return clip_grad_norm(parameters, max_norm, norm_type, error_if_nonfinite);  // PyTorch's name
}

// Clamps every element of every gradient to [-clip_value, clip_value].
void clip_grad_value(const std::vector<NamedParameter>& parameters, double clip_value);
inline void clip_grad_value_(const std::vector<NamedParameter>& parameters, double clip_value) {
  clip_grad_value(parameters, clip_value);  // PyTorch's name
}

}  // namespace tapegrad::optim
