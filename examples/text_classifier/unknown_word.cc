// A few steps of Adam on one row. Read next: cross_validation.h.
#include "text_classifier/unknown_word.h"

#include <algorithm>
#include <cstdint>

namespace text_classifier {

void fit_unknown_word(Trained& trained, const std::vector<double>& shares) {
  Classifier& model = trained.model;
  if (!model.embedding.weight.requires_grad()) return;
  model.eval();
  constexpr std::int64_t kLengths[] = {1, 2, 4};  // of three texts
  constexpr std::int64_t kUnknown = tg::nn::Vocabulary::kUnknown;
  tg::Tensor ids = tg::zeros({3, 4}, tg::int64);
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::int64_t length = std::min(kLengths[i], trained.max_length);
    narrow(select(ids, 0, i), 0, 0, length).fill_(kUnknown);
  }
  std::vector<tg::NamedParameter> table;
  for (const tg::NamedParameter& parameter : model.parameters()) {
    if (parameter.name == "embedding.weight") table.push_back(parameter);
  }
  tg::optim::Adam adam(table);
  // (texts, classes). One word counts most: the vector of a bag with the pool `sqrt` grows with
  // the number of words, so it cannot fit all lengths.
  const tg::Tensor target =
      tg::tensor({{1.0}, {0.1}, {0.1}}).to(tg::float32) * tg::tensor(shares).to(tg::float32);
  constexpr int kSteps = 150;
  for (int step = 0; step < kSteps; ++step) {
    adam.set_lr(0.05 * (1 - static_cast<double>(step) / kSteps));
    model.zero_grad();
    (-sum(log_softmax(model(ids), 1) * target)).backward();
    adam.step();
  }
  model.zero_grad();
}

}  // namespace text_classifier
