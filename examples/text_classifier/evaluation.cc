// Runs a model on texts: in batches of similar length, in eval mode, with recording off. Read next:
// metrics.h.
#include "text_classifier/evaluation.h"

#include <tapegrad/nn/data/loader.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

namespace text_classifier {
namespace {

// Sorts all texts by length, so that batches need little padding.
constexpr tg::nn::DataLoaderOptions kSorted{.batch_size = 64, .bucket_batches = INT64_MAX};

// A DataLoader draws a seed even if it does not shuffle. It draws from this generator, not from the
// default one, so a test after each epoch does not change the training.
tg::Generator& unused_generator() {
  static tg::Generator generator(0);
  return generator;
}

// Some texts as one tensor (texts, steps), with padding after the end of a text. They are sorted by
// length, so the last one is the longest.
tg::Tensor padded(const std::vector<tg::Tensor>& texts, std::span<const std::size_t> chosen) {
  const std::int64_t steps = texts[chosen.back()].size(0);
  tg::Tensor ids = tg::zeros({std::ssize(chosen), steps}, tg::int64);
  auto row = ids.mutable_span<std::int64_t>().begin();
  for (const std::size_t i : chosen) {
    std::ranges::copy(texts[i].span<std::int64_t>(), row);
    row += steps;
  }
  return ids;
}

}  // namespace

tg::nn::SequenceDataset examples_of(const Trained& trained, const Corpus& corpus) {
  std::vector<tg::Tensor> texts;
  for (const Row& row : corpus.rows) texts.push_back(trained.ids(row.text));
  return {std::move(texts), tg::tensor(label_ids(corpus, trained.labels))};
}

Score score(Trained& trained, const tg::nn::SequenceDataset& examples) {
  const tg::NoGrad guard;
  trained.model.eval();
  Score result{0, ConfusionMatrix(trained.labels)};
  const tg::nn::DataLoader loader(examples, kSorted, unused_generator());
  for (const auto& [ids, lengths, labels] : loader) {
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
  }
  result.loss /= static_cast<double>(std::max<std::int64_t>(examples.size(), 1));
  return result;
}

TemperatureCurve temperature_curve(Trained& trained, const tg::nn::SequenceDataset& examples) {
  const tg::NoGrad guard;
  trained.model.eval();
  TemperatureCurve curve;
  const tg::nn::DataLoader loader(examples, kSorted, unused_generator());
  for (const auto& [ids, lengths, labels] : loader) curve.add(trained.model(ids).value(), labels);
  return curve;
}

tg::Tensor probabilities(Trained& trained, const std::vector<tg::Tensor>& texts) {
  const tg::NoGrad guard;
  if (trained.model.is_training()) trained.model.eval();
  // Without a DataLoader, whose generator the threads would share.
  const std::size_t classes = trained.labels.size();
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return texts[i].size(0); });
  tg::Tensor result = tg::zeros({std::ssize(texts), std::ssize(trained.labels)});
  const std::span<float> rows = result.mutable_span<float>();
  constexpr std::size_t kBatch = 64;
  for (std::size_t begin = 0; begin < order.size(); begin += kBatch) {
    const std::span<const std::size_t> batch =
        std::span(order).subspan(begin, std::min(kBatch, order.size() - begin));
    const tg::Tensor answers = softmax(trained.logits(padded(texts, batch)), 1);
    const std::span<const float> elements = answers.span<float>();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::ranges::copy(elements.subspan(i * classes, classes),
                        rows.subspan(batch[i] * classes, classes).begin());
    }
  }
  return result;
}

}  // namespace text_classifier
