// The functions that activations with an option share. Read next: nn/sequential.h.
#include <tapegrad/nn/activations.h>

#include <sstream>

namespace tapegrad::nn {

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
template class ActivationWith<std::int64_t>;

}  // namespace tapegrad::nn
