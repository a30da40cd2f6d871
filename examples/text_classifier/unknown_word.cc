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
  // (texts, 1). One word counts most: the vector of a bag with the pool `sqrt` grows with
  // the number of words, so it cannot fit all lengths.
  const tg::Tensor weights = tg::tensor({{1.0}, {0.1}, {0.1}}).to(tg::float32);
  const tg::Tensor of_classes = tg::tensor(shares).to(tg::float32);
  const auto loss = [&] {
    const tg::Variable logits = model(ids);
    if (!trained.answering.multi_label())
      return -sum(log_softmax(logits, 1) * weights * of_classes);
    return tg::nn::binary_cross_entropy_with_logits(
        logits, of_classes * tg::ones(logits.shape()),
        {.weight = weights, .reduction = tg::nn::Reduction::sum});
  };
  constexpr int kSteps = 150;
  for (int step = 0; step < kSteps; ++step) {
    adam.set_lr(0.05 * (1 - static_cast<double>(step) / kSteps));
    model.zero_grad();
    loss().backward();
    adam.step();
  }
  model.zero_grad();
}

}  // namespace text_classifier
