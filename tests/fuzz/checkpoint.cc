// Fuzzes load_checkpoint() with parts of every kind. Read next: tests/fuzz/replay.cc.
#include <tapegrad/tapegrad.h>

#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"

namespace tapegrad::test {
namespace {

// The parts of a small run.
struct Run {
  nn::Linear model{2, 1};
  optim::SGD sgd{model.parameters(), {.lr = 0.1, .momentum = 0.9}};
  optim::StepLR schedule{sgd, 2};
  Generator generator{1};
  nn::DataLoader<nn::TensorDataset<1>> loader{nn::TensorDataset(ones({4, 2})), 2};
  std::int64_t step = 7;
  double best = 0.5;

  Run() {
    sum(model(ones({3, 2}))).backward();
    sgd.step();
  }
  void save_to(const std::string& path) const {
    save_checkpoint(path, model, sgd, schedule, generator, loader, "step", step, "best", best);
  }
  void load_from(const std::string& path) {
    load_checkpoint(path, model, sgd, schedule, generator, loader, "step", step, "best", best);
  }
};

ChangeText change_metadata() {
  return [](const std::string&, std::string value, Random& random) {
    static constexpr std::string_view kTokens[] = {" ", "model", "optimizer", "step", ".", "x"};
    return mutate_text(std::move(value), random, kTokens);
  };
}

}  // namespace

void run(const std::string& input) {
  static MemoryFiles files;
  static Run now;
  static const std::string before = [] {
    now.save_to("/memory/before");
    return files["/memory/before"];
  }();
  files.clear();
  files["/memory/in"] = input;
  const bool fits = attempt(input.size(), [] {
                      now.load_from("/memory/in");
                      return true;
                    }).has_value();
  now.save_to("/memory/out");
  const std::string after = files["/memory/out"];
  if (!fits) {
    check(after == before, "a checkpoint that was refused has changed a part");
    return;
  }
  now.load_from("/memory/out");
  now.save_to("/memory/again");
  check(files["/memory/again"] == after, "the checkpoint differs after it was loaded");
  try {
    now.sgd.zero_grad();
    sum(now.model(ones({3, 2}))).backward();
    now.sgd.step();
    now.schedule.step();
    randn({3}, float32, now.generator);
  } catch (const Error&) {  // a rate may become one that the optimizer refuses
  }
  files["/memory/before"] = before;
  now.load_from("/memory/before");
}

std::string mutate(std::string input, Random& random) {
  return mutate_safetensors(input, random, change_metadata());
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  const Run run;
  run.save_to("/memory/out");
  return {files["/memory/out"]};
}

}  // namespace tapegrad::test
