// The functions that activations with options share, and the larger modules. Read next:
// nn/sequential.h.
#include <tapegrad/nn/activations.h>

#include <sstream>

namespace tapegrad::nn {
namespace {

std::ostream& operator<<(std::ostream& out, const TwoOptions& options) {
  return out << options.first << ", " << options.second;
}

}  // namespace

template <class Option>
std::string ActivationWith<Option>::description() const {
  std::ostringstream text;
  text << Module::description() << '(' << option() << ')';
  return text.str();
}

template <class Option>
void ActivationWith<Option>::assign_from(const Module& other) {
  Module::assign_from(other);
  *option_ = *static_cast<const ActivationWith&>(other).option_;
}

template class ActivationWith<double>;
template class ActivationWith<TwoOptions>;
template class ActivationWith<std::int64_t>;

PReLU::PReLU(std::int64_t num_parameters, double init)
    : weight(register_parameter("weight", full({num_parameters}, init, float32))) {}

std::string PReLU::description() const {
  return "PReLU(num_parameters=" + std::to_string(weight.numel()) + ")";
}

std::string Unflatten::description() const {
  return "Unflatten(" + std::to_string(settings_->dim) + ", " + to_string(settings_->sizes) + ")";
}

void Unflatten::assign_from(const Module& other) {
  Module::assign_from(other);
  *settings_ = *static_cast<const Unflatten&>(other).settings_;
}

}  // namespace tapegrad::nn
