// The claim: a recurrent text classifier that is written as a loop over RNNCell trains faster than
// libtorch's nn::RNN layer, and several times faster than the same loop in libtorch.
//
// A row is a training step (forward, cross entropy, backward, Adam), in sequences per second:
// vocabulary 20,000, embedding 64, hidden 128, 40 steps, batch 32, 4 classes, eight batches in
// turn. One loop looks up all words before it starts; the other looks up the words of each step.
// Other rows use our layers RNN, LSTM and GRU instead of a loop, for training and for the forward
// pass with recording off. The peers are libtorch's nn::RNN, nn::LSTM, nn::GRU and its RNNCell
// loop, with default settings and "tuned" (peer.h). Both sides take exact Adam steps, on every row
// of the table. "its kernels alone" is the floor: the same step without the rest of the library
// (recurrent_floor.h). The aim is a ratio of 0.75, and 0.85 with recording off.
//
// Memory is the peak of eight training steps, the model and its optimizer included, minus that of
// the same with sizes of 1. Each is measured in a process of its own. Read next: recurrent_floor.h.
#include <tapegrad/tapegrad.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "measure.h"
#include "peer.h"
#include "recurrent_floor.h"

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kVocabulary = 20'000;
constexpr std::int64_t kDim = 64;
constexpr std::int64_t kHidden = 128;
constexpr std::int64_t kSteps = 40;
constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kClasses = 4;

struct TextClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  tg::nn::RNNCell cell;
  tg::nn::Linear head;

  TextClassifier()
      : embedding(
            register_module("embedding", tg::nn::Embedding(kVocabulary, kDim, {.padding_idx = 0}))),
        cell(register_module("cell", tg::nn::RNNCell(kDim, kHidden))),
        head(register_module("head", tg::nn::Linear(kHidden, kClasses))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {  // (batch, steps) int64
    const tg::Variable x = embedding(tokens);                // (batch, steps, dim)
    tg::Variable h = cell.initial_state(tokens.size(0));     // (batch, hidden)
    for (std::int64_t t = 0; t < tokens.size(1); ++t) h = cell(select(x, 1, t), h);
    return head(h);  // (batch, classes)
  }
};

// The same, but with a lookup in every step.
struct StepByStep : TextClassifier {
  tg::Variable operator()(const tg::Tensor& tokens) const {
    tg::Variable h = cell.initial_state(tokens.size(0));
    for (std::int64_t t = 0; t < tokens.size(1); ++t) {
      h = cell(embedding(select(tokens, 1, t)), h);
    }
    return head(h);
  }
};

// The same with a layer instead of the loop: tg::nn::RNN, LSTM or GRU.
template <class Layer>
struct LayerClassifier : tg::nn::Module {
  tg::nn::Embedding embedding;
  Layer layer;
  tg::nn::Linear head;

  explicit LayerClassifier(std::int64_t vocabulary = kVocabulary, std::int64_t dim = kDim,
                           std::int64_t hidden = kHidden)
      : embedding(
            register_module("embedding", tg::nn::Embedding(vocabulary, dim, {.padding_idx = 0}))),
        layer(register_module("layer", Layer(dim, hidden, {.batch_first = true}))),
        head(register_module("head", tg::nn::Linear(hidden, kClasses))) {}

  tg::Variable operator()(const tg::Tensor& tokens) const {
    return head(select(layer(embedding(tokens)).h, 0, 0));
  }
};

struct Batch {
  tg::Tensor tokens;
  tg::Tensor labels;
};

// The floor of this model, with the model's values and these batches.
std::shared_ptr<measure::RecurrentFloor> floor_of(tg::Recurrence kind, const tg::nn::Module& model,
                                                  const std::vector<Batch>& batches) {
  const measure::RecurrentSizes sizes{kVocabulary, kDim, kHidden, kSteps, kBatch, kClasses};
  auto floor = std::make_shared<measure::RecurrentFloor>(kind, sizes, model.parameters());
  for (const Batch& batch : batches) floor->add_batch(batch.tokens, batch.labels);
  return floor;
}

// Throws unless the first two losses of the model and of its floor are the same to the bit.
template <class Model>
void check_floor(tg::Recurrence kind, const Model& model, const std::vector<Batch>& batches) {
  const auto floor = floor_of(kind, model, batches);
  tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
  for (std::size_t turn = 0; turn < 2; ++turn) {
    adam.zero_grad();
    const tg::Variable loss =
        tg::nn::cross_entropy(model(batches[turn].tokens), batches[turn].labels);
    loss.backward();
    adam.step();
    const float expected = loss.value().template item<float>();
    const float found = floor->step(turn);
    if (found == expected) continue;
    throw std::runtime_error("the floor's loss is " + std::to_string(found) + ", the model's " +
                             std::to_string(expected));
  }
}

// What eight training steps add to the peak of memory, in bytes.
template <class Layer>
double memory_of_training() {
  const auto train = [](std::int64_t whole) {
    const auto size = [whole](std::int64_t full, std::int64_t least) {
      return whole != 0 ? full : least;
    };
    const std::int64_t vocabulary = size(kVocabulary, 2);
    const LayerClassifier<Layer> model(vocabulary, size(kDim, 1), size(kHidden, 1));
    tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
    const std::int64_t batch = size(kBatch, 1);
    for (int i = 0; i < 8; ++i) {
      const tg::Tensor tokens = tg::randint(1, vocabulary, {batch, size(kSteps, 1)});
      adam.zero_grad();
      tg::nn::cross_entropy(model(tokens), tg::randint(0, kClasses, {batch})).backward();
      adam.step();
    }
  };
  return measure::extra_memory(train, 0, 1);
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram plain("peer_libtorch");
    measure::PeerProgram tuned("peer_libtorch", " tuned", measure::kKeepMemory);

    tg::manual_seed(0);
    std::vector<Batch> batches(8);
    for (Batch& batch : batches) {
      batch = {tg::randint(1, kVocabulary, {kBatch, kSteps}), tg::randint(0, kClasses, {kBatch})};
    }
    std::string sizes;
    for (const std::int64_t size : {kVocabulary, kDim, kHidden, kSteps, kBatch}) {
      sizes += " " + std::to_string(size);
    }
    const auto compare = [&](const char* name, const auto& model,
                             std::vector<std::vector<measure::Contender>> peers) {
      tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
      std::size_t turn = 0;
      const auto step = [&] {
        const Batch& batch = batches[turn++ % batches.size()];
        adam.zero_grad();
        tg::nn::cross_entropy(model(batch.tokens), batch.labels).backward();
        adam.step();
      };
      report.compare(name, measure::rate("seq/s", static_cast<double>(kBatch)), measure::ours(step),
                     measure::together(std::move(peers)));
    };
    const auto both = [&](const std::string& kind, const std::string& remark) {
      return measure::together({plain.at("classifier " + kind + sizes, remark),
                                tuned.at("classifier " + kind + sizes, remark)});
    };
    const auto compare_forward = [&](const char* name, tg::Recurrence recurrence, auto model,
                                     const std::string& kind, const std::string& remark) {
      model.eval();
      const auto floor = floor_of(recurrence, model, batches);
      const std::vector<measure::Contender> alone = {
          {"its kernels alone", [floor, turn = std::size_t{0}](std::int64_t n) mutable {
             return measure::time_of(n, [&] { floor->forward(turn++); });
           }}};
      std::size_t turn = 0;
      const auto forward = [&] {
        const tg::NoGrad guard;
        model(batches[turn++ % batches.size()].tokens);
      };
      report.compare(
          name, measure::rate("seq/s", static_cast<double>(kBatch)), measure::ours(forward),
          measure::together({tuned.at("classifier_forward " + kind + sizes, remark), alone}));
    };
    // The same for a layer, with its floor.
    const auto compare_layer = [&]<class Layer>(const char* name, tg::Recurrence kind,
                                                const LayerClassifier<Layer>& model,
                                                std::vector<measure::Contender> peers) {
      const auto floor = floor_of(kind, model, batches);
      check_floor(kind, LayerClassifier<Layer>(), batches);
      std::vector<measure::Contender> alone = {
          {"its kernels alone", [floor, turn = std::size_t{0}](std::int64_t n) mutable {
             return measure::time_of(n, [&] { floor->step(turn++); });
           }}};
      compare(name, model, {std::move(peers), std::move(alone)});
    };

    const auto compare_memory = [&](const char* name, double bytes, const std::string& kind,
                                    const std::string& remark) {
      for (measure::PeerProgram* const peer : {&plain, &tuned}) {
        std::optional<measure::Report::Peer> column;
        if (const auto theirs = peer->figure("classifier_memory " + kind + sizes)) {
          column = {peer->name() + remark, 1e-6 * *theirs, *theirs / bytes};
        }
        report.row(name, "MB", 1e-6 * bytes, column);
      }
    };
    report.begin("Recurrent classifier, memory of training");  // before the process has used much
    compare_memory("RNN, 40 steps, batch 32", memory_of_training<tg::nn::RNN>(), "rnn",
                   ", nn::RNN");
    compare_memory("LSTM, 40 steps, batch 32", memory_of_training<tg::nn::LSTM>(), "lstm",
                   ", nn::LSTM");
    compare_memory("GRU, 40 steps, batch 32", memory_of_training<tg::nn::GRU>(), "gru",
                   ", nn::GRU");

    report.begin("Recurrent classifier, one training step");
    compare("RNNCell and select, 40 steps, batch 32", TextClassifier(),
            {both("rnn", ", nn::RNN"), both("cell", ", RNNCell loop")});
    compare("RNNCell and lookup, 40 steps, batch 32", StepByStep(),
            {both("rnn", ", nn::RNN"), both("cell", ", RNNCell loop")});
    compare_layer("RNN, 40 steps, batch 32", tg::Recurrence::tanh, LayerClassifier<tg::nn::RNN>(),
                  both("rnn", ", nn::RNN"));
    compare_layer("LSTM, 40 steps, batch 32", tg::Recurrence::lstm, LayerClassifier<tg::nn::LSTM>(),
                  both("lstm", ", nn::LSTM"));
    compare_layer("GRU, 40 steps, batch 32", tg::Recurrence::gru, LayerClassifier<tg::nn::GRU>(),
                  both("gru", ", nn::GRU"));

    report.begin("Recurrent classifier, recording off");
    compare_forward("RNN, 40 steps, batch 32", tg::Recurrence::tanh, LayerClassifier<tg::nn::RNN>(),
                    "rnn", ", nn::RNN");
    compare_forward("LSTM, 40 steps, batch 32", tg::Recurrence::lstm,
                    LayerClassifier<tg::nn::LSTM>(), "lstm", ", nn::LSTM");
    compare_forward("GRU, 40 steps, batch 32", tg::Recurrence::gru, LayerClassifier<tg::nn::GRU>(),
                    "gru", ", nn::GRU");
  });
}
