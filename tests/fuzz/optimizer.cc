// Fuzzes Optimizer::load_state_dict() with what load() reads. The first byte of an input chooses
// the optimizer. Read next: tests/fuzz/checkpoint.cc.
#include <memory>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/io/safetensors.h>
#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"
#include "optim/kinds.h"

namespace tapegrad::test {
namespace {

// An optimizer of a table of which it has trained some rows.
struct Trained {
  Variable table;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor value;
  StateDict state;
};

void step(const Trained& trained) {
  trained.optimizer->zero_grad();
  sum(square(embedding(trained.table, tensor({1, 3, 1})))).backward();
  trained.optimizer->step();
}

std::vector<Trained> all_trained() {
  std::vector<Trained> all;
  for (const Kind& kind : all_kinds()) {
    Trained trained{parameter(ones({4, 2})), nullptr, {}, {}};
    trained.optimizer = kind.make(trained.table);
    for (int i = 0; i < 2; ++i) step(trained);
    trained.optimizer->flush();
    trained.value = trained.table.value().clone();
    trained.state = trained.optimizer->state_dict();
    all.push_back(std::move(trained));
  }
  return all;
}

}  // namespace

void run(const std::string& input) {
  static MemoryFiles files;
  static std::vector<Trained> all = all_trained();
  if (input.empty()) return;
  files.clear();
  files["/memory/in"] = input.substr(1);
  Trained& trained = all[static_cast<unsigned char>(input[0]) % all.size()];
  optim::Optimizer& optimizer = *trained.optimizer;

  const auto file = attempt(input.size(), [] { return load("/memory/in"); });
  if (!file) return;
  const bool fits = attempt(input.size(), [&] {
                      optimizer.load_state_dict(*file);
                      return true;
                    }).has_value();
  const StateDict now = optimizer.state_dict();
  if (!fits) {
    check(same_bits(now, trained.state), "a state that was refused has changed the optimizer");
    return;
  }
  save("/memory/out", now);
  optimizer.load_state_dict(load("/memory/out"));
  check(same_bits(optimizer.state_dict(), now), "the state differs after it was saved");
  try {
    step(trained);
    optimizer.flush();
    optimizer.state_dict();
  } catch (const Error&) {  // a step may refuse numbers that are not finite
  }
  trained.table.set_value(trained.value.clone());
  optimizer.load_state_dict(trained.state);
}

std::string mutate(std::string input, Random& random) {
  if (input.empty()) input = "0";
  if (random.one_in(16)) input[0] = static_cast<char>(random.bits());
  return input.substr(0, 1) + mutate_safetensors(input.substr(1), random);
}

std::vector<std::string> good_inputs() {
  const std::vector<Trained> all = all_trained();
  MemoryFiles files;
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < all.size(); ++i) {
    save("/memory/out", all[i].state);
    inputs.push_back(std::string(1, static_cast<char>(i)) + files["/memory/out"]);
  }
  return inputs;
}

}  // namespace tapegrad::test
