// The claim: small steps stay fast. valgrind counts the instructions of one step of each workload
// below, and the counts are compared with those in instructions.txt. Times would vary too much.
//
//   benchmark_instructions            a table: instructions of one step, now and recorded
//   benchmark_instructions --check    the same; fails if a count has grown by more than 3 %
//   benchmark_instructions --write    records the present counts
//
// The program runs itself under valgrind. Ten steps fill pools and caches, and only the next ten
// are counted. The kernels are those for AVX2, since valgrind does not support AVX-512. On every
// machine with AVX2, valgrind emulates the same processor, so libc chooses the same functions
// (which have less than 2 % of the count). Counts do depend on the compiler and its version: those
// of another compiler are shown, but not compared. Read next: instructions.txt.
#include <tapegrad/tapegrad.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "process.h"

namespace tg = tapegrad;

namespace {

// --- the workloads ---------------------------------------------------------------------------

using Step = std::function<void()>;

// A chain of 300 operations on 16 elements, forward and backward.
Step chain() {
  return [x = tg::parameter(tg::full({16}, 0.5)), c = tg::Variable(tg::full({16}, 0.9995)),
          dy = tg::ones({16})]() mutable {
    x.zero_grad();
    tg::Variable y = x;
    for (int i = 0; i < 100; ++i) y = tanh(y + c) * c;
    y.backward(dy);
  };
}

// A training step with SGD.
template <class Model, class Loss>
Step training(const Model& model, const Loss& loss) {
  const auto sgd =
      std::make_shared<tg::optim::SGD>(model.parameters(), tg::optim::SGDOptions{.lr = 1e-2});
  return [model, loss, sgd] {
    sgd->zero_grad();
    loss(model).backward();
    sgd->step();
  };
}

Step mlp(std::int64_t batch) {
  tg::nn::Sequential model{tg::nn::Linear(64, 64), tg::nn::Tanh(), tg::nn::Linear(64, 1)};
  return training(model, [x = tg::randn({batch, 64}), y = tg::randn({batch, 1})](const auto& m) {
    return tg::nn::mse_loss(m(x), y);
  });
}

// Embedding, then `Encoder` (batch, steps, 16) -> (batch, 32), then Linear.
template <class Encoder>
struct Classifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  Encoder encoder;
  tg::nn::Linear head;

  explicit Classifier(Encoder part)
      : embedding(register_module("embedding", tg::nn::Embedding(1000, 16, {.padding_idx = 0}))),
        encoder(register_module("encoder", std::move(part))),
        head(register_module("head", tg::nn::Linear(32, 4))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {
    const tg::Variable x = embedding(tokens);
    if constexpr (std::is_same_v<Encoder, tg::nn::RNNCell>) {
      tg::Variable h = encoder.initial_state(x.size(0));
      for (std::int64_t t = 0; t < x.size(1); ++t) h = encoder(select(x, 1, t), h);
      return head(h);
    } else {
      return head(select(encoder(x).h, 0, 0));
    }
  }
};
template <class Encoder>
Step recurrent(Encoder encoder) {
  return training(Classifier<Encoder>(std::move(encoder)),
                  [tokens = tg::randint(1, 1000, {8, 20}), labels = tg::randint(0, 4, {8})](
                      const auto& model) { return tg::nn::cross_entropy(model(tokens), labels); });
}

struct BagClassifier : tg::nn::Module {
  tg::nn::EmbeddingBag embedding;
  tg::nn::Linear head;
  BagClassifier()
      : embedding(register_module("embedding", tg::nn::EmbeddingBag(10'000, 10))),
        head(register_module("head", tg::nn::Linear(10, 4))) {}
  tg::Variable operator()(const tg::Tensor& tokens) const { return head(embedding(tokens)); }
};
Step bag() {
  return training(BagClassifier(),
                  [tokens = tg::randint(0, 10'000, {16, 40}), labels = tg::randint(0, 4, {16})](
                      const auto& model) { return tg::nn::cross_entropy(model(tokens), labels); });
}

struct Workload {
  const char* name;
  std::function<Step()> make;
};
const std::vector<Workload> kWorkloads = {
    {"chain", chain},
    {"mlp_batch_1", [] { return mlp(1); }},
    {"mlp_batch_32", [] { return mlp(32); }},
    {"rnn", [] { return recurrent(tg::nn::RNN(16, 32, {.batch_first = true})); }},
    {"rnn_cell", [] { return recurrent(tg::nn::RNNCell(16, 32)); }},
    {"bag", bag}};

// --- counting ----------------------------------------------------------------------------------

constexpr int kSteps = 10;

}  // namespace

// valgrind counts only the instructions in this function, which it finds by its name.
extern "C" [[gnu::noinline]] void tapegrad_counted_steps(const Step& step) {
  for (int i = 0; i < kSteps; ++i) step();
}

namespace {

int run_steps(const std::string& name) {
  for (const Workload& workload : kWorkloads) {
    if (workload.name != name) continue;
    tg::manual_seed(0);
    const Step step = workload.make();
    for (int i = 0; i < kSteps; ++i) step();
    tapegrad_counted_steps(step);
    return 0;
  }
  std::fprintf(stderr, "no workload %s\n", name.c_str());
  return 2;
}

// Returns the number of instructions of one step.
double count(const std::string& name, const std::string& log) {
  measure::run_program({"valgrind", "--tool=callgrind", "--toggle-collect=tapegrad_counted_steps",
                        "--callgrind-out-file=/dev/null", "--log-file=" + log,
                        std::filesystem::read_symlink("/proc/self/exe").string(), "--steps", name});
  std::ifstream file(log);
  for (std::string word; file >> word;) {  // "==17== Collected : 1234567"
    double total = 0;
    if (word == "Collected" && file >> word >> total && total > 0) return total / kSteps;
  }
  throw std::runtime_error("valgrind counted nothing for " + name);
}

// Returns the reason why this machine cannot count; empty if it can.
std::string obstacle() {
  if (std::system("valgrind --version > /dev/null 2>&1") != 0) return "valgrind is not installed";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return "";
#endif
  return "the processor has no AVX2";
}

std::string compiler() {
#if defined(__clang__)
  return "clang++ " + std::to_string(__clang_major__);
#else
  return "g++ " + std::to_string(__GNUC__);
#endif
}

// --- recorded counts -----------------------------------------------------------------------------

struct Recorded {
  std::string compiler;
  std::map<std::string, double> instructions;
};

Recorded read(const std::string& path) {
  Recorded recorded;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name.empty() || name[0] == '#') continue;
    if (name == "compiler") {
      std::getline(words >> std::ws, recorded.compiler);
    } else {
      words >> recorded.instructions[name];
    }
  }
  return recorded;
}

void write(const std::string& path, const std::map<std::string, double>& instructions) {
  std::ofstream file(path);
  file << "# Instructions of one step of each workload of instructions.cc, with the kernels for "
          "AVX2,\n"
          "# as valgrind counts them. Written by `benchmark_instructions --write`; `--check` fails "
          "if\n"
          "# one has grown by more than 3 %.\n"
       << "compiler " << compiler() << '\n';
  for (const Workload& workload : kWorkloads) {
    file << workload.name << ' ' << std::llround(instructions.at(workload.name)) << '\n';
  }
}

// Counts all workloads and prints the table, then checks or writes. Returns the exit status.
int report(bool check, bool is_write) {
  if (const std::string why = obstacle(); !why.empty()) {
    std::printf("instructions are not counted: %s\n", why.c_str());
    return is_write ? 1 : 0;
  }
  setenv("TAPEGRAD_SIMD", "avx2", 1);
  setenv("TAPEGRAD_NUM_THREADS", "1", 1);
  setenv("LD_BIND_NOW", "1", 1);  // otherwise the first call of a function would look it up
  Recorded recorded = read(INSTRUCTIONS);
  if (recorded.compiler != compiler()) {
    std::printf("recorded with %s, compiled with %s: not compared\n", recorded.compiler.c_str(),
                compiler().c_str());
    recorded.instructions.clear();
  }
  const measure::TemporaryFolder folder;
  std::map<std::string, double> now;
  bool grown = false;
  std::printf("\n%-30s %12s %12s %8s\n", "Instructions of one step", "now", "recorded", "ratio");
  for (const Workload& workload : kWorkloads) {
    const double figure = count(workload.name, (folder.path / "log").string());
    now[workload.name] = figure;
    std::printf("%-30s %12.0f ", workload.name, figure);
    if (const auto before = recorded.instructions.find(workload.name);
        before != recorded.instructions.end()) {
      const bool worse = figure > 1.03 * before->second;
      grown = grown || worse;
      std::printf("%12.0f %8.2f%s\n", before->second, before->second / figure,
                  worse ? "  grown by more than 3 %" : "");
    } else {
      std::printf("%12s %8s\n", "-", "-");
    }
    std::fflush(stdout);
  }
  if (is_write) write(INSTRUCTIONS, now);
  if (!check || !grown) return 0;
  std::fprintf(stderr, "more than %s allows; if there is a good reason, record it with --write\n",
               INSTRUCTIONS);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string option = argc > 1 ? argv[1] : "";
  try {
    if (option == "--steps" && argc == 3) return run_steps(argv[2]);
    if (argc == 1 || (argc == 2 && option == "--short")) return report(false, false);
    if (argc == 2 && option == "--check") return report(true, false);
    if (argc == 2 && option == "--write") return report(false, true);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: %s [--short | --check | --write]\n", argv[0]);
  return 2;
}
