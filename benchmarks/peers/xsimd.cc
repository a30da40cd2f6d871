// Simple loops over xsimd's functions as a peer, compiled for this processor. Workloads:
//   exp|tanh|sigmoid|log COUNT MIDDLE SWING             of float32 elements MIDDLE + SWING sin(i)
// Read next: peers/openblas.cc.
#include <xsimd/xsimd.hpp>

#include <cmath>
#include <istream>
#include <memory>
#include <string>
#include <vector>

#include "../peer.h"

namespace {

using Batch = xsimd::batch<float>;
using Buffer = std::vector<float, xsimd::aligned_allocator<float>>;

template <class Function>
measure::Answer loop(const std::shared_ptr<Buffer>& x, Function function) {
  const auto y = std::make_shared<Buffer>(x->size());
  return measure::timed([x, y, function] {
    const float* const from = x->data();
    float* const to = y->data();
    for (std::size_t i = 0; i + Batch::size <= x->size(); i += Batch::size) {
      function(Batch::load_aligned(from + i)).store_aligned(to + i);
    }
  });
}

measure::Answer prepare(std::istream& arguments) {
  std::string name;
  std::size_t count = 0;
  double middle = 0;
  double swing = 0;
  arguments >> name >> count >> middle >> swing;
  const auto x = std::make_shared<Buffer>(count);
  for (std::size_t i = 0; i < count; ++i) {
    (*x)[i] = static_cast<float>(middle + swing * std::sin(static_cast<double>(i)));
  }
  if (name == "exp") return loop(x, [](const Batch& v) { return xsimd::exp(v); });
  if (name == "tanh") return loop(x, [](const Batch& v) { return xsimd::tanh(v); });
  if (name == "log") return loop(x, [](const Batch& v) { return xsimd::log(v); });
  if (name == "sigmoid") {
    return loop(x, [](const Batch& v) { return Batch(1.0F) / (Batch(1.0F) + xsimd::exp(-v)); });
  }
  return nullptr;
}

}  // namespace

int main() {
  return measure::answer_requests(std::string("xsimd loop, ") + Batch::arch_type::name(), prepare);
}
