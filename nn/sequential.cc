// Sequential, without its templates. Read next: nn/module_list.h.
#include <tapegrad/nn/sequential.h>

namespace tapegrad::nn {

Sequential::Part::Part(Variable (*part)(const Variable&)) : Part("", Function(part)) {}
Sequential::Part::Part(const std::string& name, Variable (*part)(const Variable&))
    : Part(name, Function(part)) {}

Sequential::Sequential() : steps_(std::vector<Step>()) {}

Sequential::Sequential(std::initializer_list<Part> parts) : Sequential(made_of(parts)) {}

Sequential Sequential::made_of(std::initializer_list<Part> parts) {
  if (parts.size() == 1 && parts.begin()->same_ != nullptr) return *parts.begin()->same_;
  Sequential result;
  for (const Part& part : parts) part.append_(result);
  return result;
}

Variable Sequential::operator()(const Variable& x) const {
  return hooked(
      [this](const Variable& in) {
        Variable y = in;
        for (const Step& each : *steps_) y = each.run(y);
        return y;
      },
      x);
}

// Module::assign_from() replaces the modules, so only functions are copied here.
void Sequential::assign_from(const Module& other) {
  Module::assign_from(other);
  std::vector<Step> steps = *static_cast<const Sequential&>(other).steps_;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].is_module) steps[i] = (*steps_)[i];
  }
  *steps_ = std::move(steps);
}

}  // namespace tapegrad::nn
