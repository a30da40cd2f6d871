// The comparison of recorded gradients with central differences. Read next: autograd/methods.cc.
#include <tapegrad/autograd/gradcheck.h>

#include <cmath>
#include <sstream>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::detail {
namespace {

constexpr std::uint64_t kSeed = 2718281828;

// The same elements with gaps between them.
template <class T>
T with_gaps(const T& x) {
  return select(stack({x, x}, -1), -1, 0);
}

// The scalar that is differentiated is the sum of weight * output. A plain sum would not detect
// gradients that are added to the wrong element.
Tensor draw_weight(const Variable& output, Generator& generator) {
  if (!is_floating_point(output.dtype())) return {};
  return rand(output.shape(), float64, generator) + 0.5;
}

class Check {
 public:
  Check(const char* name, const CheckedFunction& function, const std::vector<Variable>& inputs,
        const GradcheckOptions& options)
      : name_(name), function_(function), options_(options) {
    bool any = false;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].dtype() == float32) {
        throw DTypeError(
            std::string(name) + ": input " + std::to_string(i) +
            " is float32, needed float64, because float32 differences are mostly rounding errors; "
            "convert with to(float64)");
      }
      any = any || inputs[i].dtype() == float64;
      inputs_.push_back(inputs[i].value().clone());
    }
    if (!any) {
      throw ValueError(std::string(name) +
                       ": got no float64 input, needed at least one; convert with to(float64)");
    }
    Generator generator(kSeed);
    std::vector<Variable> arguments = leaves();
    for (const Variable& output : function_(arguments)) {
      weights_.push_back(draw_weight(output, generator));
    }
  }

  bool run() {
    // Rules must accept gradients in any memory layout.
    const std::vector<Tensor> plain = gradients(false);
    const std::vector<Tensor> strided = gradients(true);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].dtype() != float64) continue;
      for (std::int64_t at = 0; at < inputs_[i].numel(); ++at) {
        const double numerical = difference(i, at);
        if (!agrees(i, at, numerical, plain[i], "") ||
            !agrees(i, at, numerical, strided[i], " (of a strided output gradient)")) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  std::vector<Variable> leaves() const {
    std::vector<Variable> result;
    for (const Tensor& input : inputs_) {
      result.push_back(input.dtype() == float64 ? parameter(input.clone()) : Variable(input));
    }
    return result;
  }

  // The analytical gradient of each input, contiguous; zeros for a constant.
  std::vector<Tensor> gradients(bool strided) const {
    std::vector<Variable> arguments = leaves();
    std::vector<Variable> wanted;
    for (const Variable& argument : arguments) {
      if (argument.requires_grad()) wanted.push_back(argument);
    }
    std::vector<Tensor> result;
    for (const Tensor& input : inputs_) result.push_back(zeros_like(input));
    const std::vector<Variable> outputs = function_(arguments);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      if (!weights_[k].defined() || !outputs[k].requires_grad()) continue;
      const std::vector<Variable> part =
          grad(outputs[k], wanted,
               {.grad_output = strided ? with_gaps(weights_[k]) : weights_[k],
                .retain_graph = true,  // outputs share history
                .allow_unused = true});
      for (std::size_t i = 0, next = 0; i < arguments.size(); ++i) {
        if (!arguments[i].requires_grad()) continue;
        if (part[next].defined()) result[i].add_(part[next].value());
        ++next;
      }
    }
    return result;
  }

  // The numerical gradient of one element: (f(x + eps) - f(x - eps)) / 2 eps.
  double difference(std::size_t input, std::int64_t at) {
    const auto weighted_with = [&](double value) {
      inputs_[input].mutable_data<double>()[at] = value;
      std::vector<Variable> arguments = leaves();
      const std::vector<Variable> outputs = function_(arguments);
      double total = 0;
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        if (weights_[k].defined()) {
          total += sum(weights_[k] * outputs[k].value()).item<double>();
        }
      }
      return total;
    };
    const double x = inputs_[input].data<double>()[at];
    const double above = weighted_with(x + options_.eps);
    const double below = weighted_with(x - options_.eps);
    inputs_[input].mutable_data<double>()[at] = x;
    return (above - below) / (2 * options_.eps);
  }

  bool agrees(std::size_t input, std::int64_t at, double numerical, const Tensor& gradient,
              const char* remark) const {
    const double analytical = gradient.data<double>()[at];
    const double allowed = options_.atol + options_.rtol * std::abs(numerical);
    if (std::abs(analytical - numerical) <= allowed) return true;  // false for NaN
    if (!options_.raise_exception) return false;
    std::ostringstream text;
    text.precision(8);
    text << name_ << ": input " << input << ", element " << at << " of " << inputs_[input].shape()
         << ": numerical " << numerical << ", analytical " << analytical << remark
         << ", allowed difference " << allowed << "; check the rule of this input";
    throw AutogradError(text.str());
  }

  const char* name_;
  const CheckedFunction& function_;
  const GradcheckOptions& options_;
  std::vector<Tensor> inputs_;   // contiguous copies, from which the leaves are made
  std::vector<Tensor> weights_;  // of the outputs; undefined where an output is not floating-point
};

}  // namespace

bool gradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
               const GradcheckOptions& options) {
  if (!Check("gradcheck", function, inputs, options).run()) return false;
  return !options.second_order || gradgradcheck(function, inputs, options);
}

bool gradgradcheck(const CheckedFunction& function, const std::vector<Variable>& inputs,
                   const GradcheckOptions& options) {
  // The inputs, then the weights, which are the outputs' gradients.
  std::vector<Variable> extended = inputs;
  std::vector<Variable> arguments = inputs;
  Generator generator(kSeed + 1);
  std::vector<Variable> outputs = function(arguments);
  std::vector<bool> weighted;
  for (const Variable& output : outputs) {
    const Tensor weight = draw_weight(output, generator);
    weighted.push_back(weight.defined());
    if (weight.defined()) extended.push_back(weight);
  }

  const CheckedFunction gradients = [&](std::vector<Variable>& all) {
    const auto count = static_cast<std::ptrdiff_t>(inputs.size());
    std::vector<Variable> own(all.begin(), all.begin() + count);
    std::vector<Variable> wanted;
    for (const Variable& input : own) {
      if (input.requires_grad()) wanted.push_back(input);
    }
    Variable total;
    const std::vector<Variable> results = function(own);
    for (std::size_t k = 0, next = inputs.size(); k < results.size(); ++k) {
      if (!weighted[k]) continue;
      if (!results[k].is_leaf()) results[k].register_hook(with_gaps<Variable>);
      const Variable term = sum(results[k] * all[next++]);
      total = total.defined() ? total + term : term;
    }
    std::vector<Variable> result;
    if (!total.defined()) return result;
    for (Variable& gradient : grad(total, wanted, {.create_graph = true, .allow_unused = true})) {
      if (gradient.defined()) result.push_back(std::move(gradient));
    }
    return result;
  };
  return Check("gradgradcheck", gradients, extended, options).run();
}

}  // namespace tapegrad::detail
