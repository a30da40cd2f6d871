// The claim: a recurrent text classifier as one writes it, a loop over steps around RNNCell, trains
// faster than libtorch's whole-sequence nn::RNN, and several times faster than the same loop there.
//
// A row is a training step, that is forward, cross entropy, backward and Adam, in sequences per
// second: vocabulary 20,000, embedding 64, hidden 128, 40 steps, batch 32, 4 classes, eight batches
// in turn. The peers are libtorch's nn::RNN and its RNNCell loop, as they come and "tuned"
// (peer.h). Both sides take exact Adam steps, on every row of the table. Read next:
// matrix_product.cc.
#include <tapegrad/tapegrad.h>

#include <string>
#include <vector>

#include "measure.h"
#include "peer.h"

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

struct Batch {
  tg::Tensor tokens;
  tg::Tensor labels;
};

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram plain("peer_libtorch");
    measure::PeerProgram tuned("peer_libtorch", " tuned", measure::kKeepMemory);

    tg::manual_seed(0);
    const TextClassifier model;
    tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
    std::vector<Batch> batches(8);
    for (Batch& batch : batches) {
      batch = {tg::randint(1, kVocabulary, {kBatch, kSteps}), tg::randint(0, kClasses, {kBatch})};
    }
    std::size_t turn = 0;
    const auto step = [&] {
      const Batch& batch = batches[turn++ % batches.size()];
      adam.zero_grad();
      tg::nn::cross_entropy(model(batch.tokens), batch.labels).backward();
      adam.step();
    };

    std::string sizes;
    for (const std::int64_t size : {kVocabulary, kDim, kHidden, kSteps, kBatch}) {
      sizes += " " + std::to_string(size);
    }
    report.begin("Recurrent classifier, one training step");
    report.compare("RNNCell and select, 40 steps, batch 32",
                   measure::rate("seq/s", static_cast<double>(kBatch)), measure::ours(step),
                   measure::together({plain.at("classifier rnn" + sizes, ", nn::RNN"),
                                      tuned.at("classifier rnn" + sizes, ", nn::RNN"),
                                      plain.at("classifier cell" + sizes, ", RNNCell loop"),
                                      tuned.at("classifier cell" + sizes, ", RNNCell loop")}));
  });
}
