// Runs a model on texts: in batches of similar length, in eval mode, with recording off. Read next:
// metrics.h.
#include "text_classifier/evaluation.h"

#include <tapegrad/nn/data/dataset.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

namespace text_classifier {
namespace {

constexpr std::size_t kBatch = 64;

// Calls visit(indices, ids (batch, steps), labels (batch)) for all texts, in batches of similar
// length, which need little padding. The model is in eval mode, and nothing is recorded. Several
// threads may do this with one model.
template <class Visit>
void for_each_batch(const Trained& trained, const tg::nn::SequenceDataset& examples,
                    const Visit& visit) {
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
    const auto [ids, lengths, labels] = examples.batch(indices);
    visit(indices, ids, labels);
  }
}

}  // namespace

tg::nn::SequenceDataset examples_of(const Trained& trained, const Corpus& corpus) {
  std::vector<tg::Tensor> texts;
  for (const Row& row : corpus.rows) texts.push_back(trained.ids(row.text));
  return {std::move(texts), tg::tensor(label_ids(corpus, trained.labels))};
}

Score score(const Trained& trained, const tg::nn::SequenceDataset& examples) {
  Score result{0, ConfusionMatrix(trained.labels)};
  for_each_batch(trained, examples, [&](auto, const tg::Tensor& ids, const tg::Tensor& labels) {
    const tg::Variable logits = trained.logits(ids);
    result.loss +=
        tg::nn::cross_entropy(logits, labels, {.reduction = tg::nn::Reduction::sum}).item<double>();
    const tg::ValuesAndIndices best = max(softmax(logits.value(), 1), 1);
    for (std::int64_t i = 0; i < labels.size(0); ++i) {
      const auto truth = labels.item<std::int64_t>({i});
      const auto predicted = best.indices.item<std::int64_t>({i});
      result.matrix.add(truth, predicted);
      result.calibration.add(best.values.item<double>({i}), truth == predicted);
    }
  });
  result.loss /= static_cast<double>(std::max<std::int64_t>(examples.size(), 1));
  return result;
}

TemperatureCurve temperature_curve(const Trained& trained,
                                   const tg::nn::SequenceDataset& examples) {
  TemperatureCurve curve;
  for_each_batch(trained, examples, [&](auto, const tg::Tensor& ids, const tg::Tensor& labels) {
    curve.add(trained.model(ids).value(), labels);
  });
  return curve;
}

tg::Tensor probabilities(const Trained& trained, const std::vector<tg::Tensor>& texts) {
  const auto classes = trained.labels.size();
  tg::Tensor result = tg::zeros({texts.size(), classes});
  const std::span<float> rows = result.mutable_span<float>();
  const tg::nn::SequenceDataset examples(texts, tg::zeros({texts.size()}, tg::int64));  // no labels
  for_each_batch(trained, examples, [&](auto indices, const tg::Tensor& ids, const tg::Tensor&) {
    const tg::Tensor answers = softmax(trained.logits(ids), 1);
    const std::span<const float> elements = answers.span<float>();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      std::ranges::copy(elements.subspan(i * classes, classes),
                        rows.begin() + indices[i] * std::ssize(trained.labels));
    }
  });
  return result;
}

}  // namespace text_classifier
