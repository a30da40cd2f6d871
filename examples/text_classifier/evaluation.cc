// Runs a model on texts: in batches of similar length, in eval mode, with recording off. Read next:
// metrics.h.
#include "text_classifier/evaluation.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

namespace text_classifier {
namespace {

constexpr std::size_t kBatch = 64;

// Calls visit(indices, batch) for all texts, in batches of similar length, which need little
// padding. The model is in eval mode, and nothing is recorded. Several threads may do this with one
// model.
template <class Visit>
void for_each_batch(const Trained& trained, const LabeledTexts& examples, const Visit& visit) {
  const tg::NoGrad guard;
  if (trained.model.is_training()) {
    Classifier model = trained.model;  // a handle to the same model
    model.eval();
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(examples.size()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::stable_sort(order, {}, [&](std::int64_t i) { return examples.length(i); });
  for (std::size_t begin = 0; begin < order.size(); begin += kBatch) {
    const std::span<const std::int64_t> indices =
        std::span(order).subspan(begin, std::min(kBatch, order.size() - begin));
    visit(indices, examples.batch(indices));
  }
}

// logits -> the probability of each class
tg::Tensor probabilities_of(const Trained& trained, const tg::Tensor& logits) {
  return trained.answering.multi_label() ? sigmoid(logits) : softmax(logits, 1);
}

void add_one_label(Score& score, const tg::Tensor& p, const tg::Tensor& targets) {
  const tg::ValuesAndIndices best = max(p, 1);
  for (std::int64_t i = 0; i < targets.size(0); ++i) {
    const auto truth = targets.item<std::int64_t>({i});
    const auto predicted = best.indices.item<std::int64_t>({i});
    score.matrix.add(truth, predicted);
    score.calibration.add(best.values.item<double>({i}), truth == predicted);
  }
}

void add_several(Score& score, const Trained& trained, const tg::Tensor& p,
                 const tg::Tensor& targets) {
  const std::size_t classes = trained.labels.size();
  const std::vector<double> all = tg::to_vector<double>(p.to(tg::float64));
  const std::vector<double> wanted = tg::to_vector<double>(targets.to(tg::float64));
  std::vector<bool> truth(classes), answered(classes);
  for (std::size_t begin = 0; begin < all.size(); begin += classes) {
    for (std::size_t k = 0; k < classes; ++k) {
      truth[k] = wanted[begin + k] > 0;
      answered[k] = is_answered(trained, k, all[begin + k]);
      score.calibration.add(all[begin + k], truth[k]);
    }
    score.labels->add(truth, answered);
  }
}

}  // namespace

LabeledTexts examples_of(const Trained& trained, const Corpus& corpus, tg::Tensor weights) {
  std::vector<tg::Tensor> texts;
  for (const Row& row : corpus.rows) texts.push_back(trained.ids(row.text));
  return {std::move(texts), targets_of(corpus, trained.labels), std::move(weights)};
}

Score score(const Trained& trained, const LabeledTexts& examples) {
  Score result{.matrix = ConfusionMatrix(trained.labels)};
  const bool several = trained.answering.multi_label();
  if (several) result.labels.emplace(trained.labels);
  for_each_batch(trained, examples, [&](auto, const LabeledTexts::Batch& batch) {
    const tg::Tensor logits = trained.logits(batch.ids);
    const auto texts = static_cast<double>(batch.targets.size(0));
    result.loss += texts * loss_of(logits, batch.targets, {}).item<double>();
    const tg::Tensor p = probabilities_of(trained, logits);
    if (several) {
      add_several(result, trained, p, batch.targets);
    } else {
      add_one_label(result, p, batch.targets);
    }
  });
  result.loss /= static_cast<double>(std::max<std::int64_t>(examples.size(), 1));
  return result;
}

void print_report(std::ostream& out, const Score& score, const Trained& trained,
                  std::string_view split) {
  if (score.labels) {
    print_report(out, *score.labels, trained.answering.thresholds, split,
                 score.calibration.error());
  } else {
    print_report(out, score.matrix, split, score.calibration.error());
  }
}

HeldOut held_out_answers(const Trained& trained, const LabeledTexts& examples) {
  HeldOut result;
  for_each_batch(trained, examples, [&](auto, const LabeledTexts::Batch& batch) {
    const tg::Tensor logits = trained.model(batch.ids).value();
    result.curve.add(logits, batch.targets, batch.weights);
    if (is_multi_label(batch.targets)) result.counts.add(logits, batch.targets);
  });
  return result;
}

tg::Tensor probabilities(const Trained& trained, const std::vector<tg::Tensor>& texts) {
  const auto classes = trained.labels.size();
  tg::Tensor result = tg::zeros({texts.size(), classes});
  const std::span<float> rows = result.mutable_span<float>();
  const LabeledTexts examples(texts, tg::zeros({texts.size()}, tg::int64));  // no targets
  for_each_batch(trained, examples, [&](auto indices, const LabeledTexts::Batch& batch) {
    const tg::Tensor answers = probabilities_of(trained, trained.logits(batch.ids));
    const std::span<const float> elements = answers.span<float>();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      std::ranges::copy(elements.subspan(i * classes, classes),
                        rows.begin() + indices[i] * std::ssize(trained.labels));
    }
  });
  return result;
}

}  // namespace text_classifier
