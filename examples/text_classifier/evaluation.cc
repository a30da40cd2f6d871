// Runs a model on texts: in batches of similar length, in eval mode, with recording off.
// Read next: settings.h.
#include "text_classifier/evaluation.h"

#include <tapegrad/nn/data/loader.h>

#include <algorithm>
#include <cstdint>
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

tg::Tensor probabilities(Trained& trained, std::vector<tg::Tensor> texts) {
  const tg::NoGrad guard;
  trained.model.eval();
  const std::int64_t count = std::ssize(texts);
  tg::Tensor result = tg::zeros({count, std::ssize(trained.labels)});
  // In place of a label, each text has its row in the result.
  const tg::nn::SequenceDataset numbered(std::move(texts), tg::arange(count));
  const tg::nn::DataLoader loader(numbered, kSorted, unused_generator());
  for (const auto& [ids, lengths, rows] : loader) {
    const tg::Tensor answers = softmax(trained.logits(ids), 1);
    for (std::int64_t i = 0; i < rows.size(0); ++i) {
      select(result, 0, rows.item<std::int64_t>({i})).copy_(select(answers, 0, i));
    }
  }
  return result;
}

}  // namespace text_classifier
