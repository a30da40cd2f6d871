// Reads tests/golden/*.safetensors, the results that PyTorch gave, case by case.
// tests/golden/README.md explains the names in them.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& name)
      : tensors_(tapegrad::load(TAPEGRAD_SOURCE_DIR "/tests/golden/" + name)) {}
  // The cases of several files; their names differ.
  GoldenFile(std::initializer_list<std::string> names) {
    for (const std::string& each : names) {
      for (const auto& [name, tensor] :
           tapegrad::load(TAPEGRAD_SOURCE_DIR "/tests/golden/" + each)) {
        tensors_.insert(name, tensor);
      }
    }
  }

  // All operations that have cases in the file.
  std::set<std::string> operations() const {
    std::set<std::string> found;
    for (const auto& [name, tensor] : tensors_) found.insert(name.substr(0, name.find('.')));
    return found;
  }
  // The cases of one operation, as `<op>.<variant>`, sorted.
  std::vector<std::string> cases(const std::string& op) const {
    std::set<std::string> found;
    for (const auto& [name, tensor] : tensors_) {
      if (name.starts_with(op + ".")) found.insert(name.substr(0, name.find('.', op.size() + 1)));
    }
    return {found.begin(), found.end()};
  }
  // For the roles of a case that begin with `start`, the rest of the role, sorted: `start` =
  // "param." gives the names of the parameters.
  std::vector<std::string> roles(const std::string& which, const std::string& start) const {
    const std::string prefix = which + "." + start;
    std::set<std::string> found;
    for (const auto& [name, tensor] : tensors_) {
      if (name.starts_with(prefix)) found.insert(name.substr(prefix.size()));
    }
    return {found.begin(), found.end()};
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  const tapegrad::Tensor& at(const std::string& name) const { return tensors_.at(name); }
  // The option of a case, or `otherwise` if it is absent.
  double option(const std::string& which, const std::string& name, double otherwise) const {
    const tapegrad::Tensor* const found = tensors_.find(which + ".arg." + name);
    return found != nullptr ? found->item<double>() : otherwise;
  }

 private:
  tapegrad::StateDict tensors_;
};

// The largest difference between two tensors relative to the largest expected magnitude (absolute
// if that is 0). Infinite if the shapes or types differ, or if only one of two elements is finite
// or NaN.
inline double error_of(const tapegrad::Tensor& got, const tapegrad::Tensor& expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (got.shape() != expected.shape() || got.dtype() != expected.dtype()) return kInfinity;
  const std::vector<double> a = tapegrad::to_vector<double>(got);
  const std::vector<double> b = tapegrad::to_vector<double>(expected);
  double difference = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) {
      if (std::isfinite(b[i])) scale = std::max(scale, std::abs(b[i]));
      continue;
    }
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return kInfinity;
    difference = std::max(difference, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return scale > 0 ? difference / scale : difference;
}
