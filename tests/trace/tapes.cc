// Writes the tapes of random programs (tests/tapes), one JSON text on each line, for the page's
// interpreter to compute again: tapegrad_trace_tapes FIRST_SEED PROGRAMS. Read next:
// tests/trace/samples.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tensor/error.h>

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "tapes/generate.h"
#include "tapes/operation.h"
#include "tapes/program.h"

namespace tg = tapegrad;
using namespace tapegrad::tapes;

namespace {

// The sum of all outputs, each multiplied by numbers that differ from element to element.
tg::Variable loss_of(const Program& program, const Values& values) {
  tg::Variable loss;
  for (const Ref& ref : outputs_of(program, values)) {
    const tg::Variable& output =
        values[static_cast<std::size_t>(ref.step)][static_cast<std::size_t>(ref.output)];
    if (!output.requires_grad()) continue;
    const tg::Tensor weights =
        tg::arange(output.numel()).to(output.dtype()).reshape(output.shape()) * 0.25 + 0.5;
    const tg::Variable part = sum(output * weights);
    loss = loss.defined() ? loss + part : part;
  }
  return loss;
}

// Empty if nothing in the program has a gradient.
std::string tape_of(std::uint64_t seed, const std::vector<Operation>& table) {
  const Mode mode = seed % 2 == 0 ? Mode::gradients : Mode::single;
  const Program program = generate(seed, table, {.mode = mode});
  tg::Trace trace({.title = "program " + std::to_string(seed), .most_elements = 1 << 20});
  const tg::Variable loss = loss_of(program, run(program, leaves_of(program)));
  if (!loss.defined() || !loss.requires_grad()) return "";
  loss.backward();
  return trace.json();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tapegrad_trace_tapes FIRST_SEED PROGRAMS\n";
    return 1;
  }
  try {
    const std::vector<Operation>& table = operations();
    const std::uint64_t first = std::stoull(argv[1]);
    for (std::uint64_t i = 0; i < std::stoull(argv[2]); ++i) {
      const std::string tape = tape_of(first + i, table);
      if (!tape.empty()) std::cout << tape << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "tapegrad_trace_tapes: " << error.what() << '\n';
    return 1;
  }
  return std::cout.flush() ? 0 : 1;
}
