// Random weights, vectors from a file, and the bias of a bag. Read next: trainer.h.
#include "text_classifier/initial_model.h"

#include <cmath>
#include <iostream>

namespace text_classifier {
namespace {

void start_from_vectors(Trained& trained, const tg::nn::WordVectors& vectors,
                        const TrainSettings& settings) {
  tg::nn::Embedding& embedding = trained.model.embedding;
  tg::Tensor table = embedding.weight.value().clone();
  std::vector<std::string> names = names_of(trained.vocabulary);
  names.resize(static_cast<std::size_t>(table.size(0)));  // buckets have no names
  const std::vector<std::int64_t> known = tg::nn::copy_known_rows(vectors, names, table);
  embedding.weight.set_value(table);
  if (settings.freeze_known) embedding.freeze_rows(known);
  if (settings.quiet) return;
  const tg::nn::WordVectorsReport& report = vectors.report();
  std::cerr << "vectors: " << known.size() << " of " << trained.vocabulary.size()
            << " words found (" << name(report.format) << ", " << report.entries
            << " vectors read, " << report.duplicates << " duplicates, " << report.skipped
            << " skipped, " << report.not_utf8 << " not UTF-8)\n";
}

// A bag's answer for a text without known words is its bias. It is not trained, but the logarithm
// of the shares of the classes, or for several labels of their odds: such a text gets these shares,
// and the words learn the rest.
void fix_bias(Trained& trained, const std::vector<double>& shares, std::size_t texts) {
  std::vector<double> bias;
  const double small = 0.1 / static_cast<double>(texts);  // texts of a class that has none
  for (const double share : shares) {
    const double others = trained.answering.multi_label() ? 1 - share + small : 1;
    bias.push_back(std::log((share + small) / others));
  }
  for (tg::NamedParameter parameter : trained.model.parameters()) {
    if (parameter.name != "head.bias") continue;
    parameter.set_value(tg::tensor(bias).to(tg::float32));
    parameter.set_requires_grad(false);
  }
}

}  // namespace

Trained initial_model(const TrainSettings& settings, const TrainingWords& words,
                      const std::vector<std::string>& labels, const std::vector<double>& shares) {
  ModelSettings model = settings.model;
  if (words.vectors) model.dim = words.vectors->dim();
  model.vocabulary = words.vocabulary.size();
  model.classes = std::ssize(labels);
  tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
  Trained trained{Classifier(model), words.vocabulary, labels, settings.max_length};
  if (settings.multi_label) trained.answering.thresholds.assign(labels.size(), 0.5);
  if (words.vectors) start_from_vectors(trained, *words.vectors, settings);
  if (settings.freeze_embeddings) trained.model.embedding.weight.set_requires_grad(false);
  if (settings.rare_words > 0) {
    trained.model.weigh_words(word_weights(words, settings.rare_words, model.characters.buckets));
  }
  if (model.arch == "bag") fix_bias(trained, shares, words.ids.size());
  return trained;
}

}  // namespace text_classifier
