// The folds, and what is printed about them. Read next: statistics.h.
#include "text_classifier/cross_validation.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <vector>

#include "text_classifier/baseline.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/one_model.h"
#include "text_classifier/statistics.h"

namespace text_classifier {
namespace {

// Trains settings.folds models, and calls visit(model, its training texts, the others, the indices
// of the others) for each.
template <class Visit>
void for_each_fold(const TrainSettings& settings, const Texts& texts, const Visit& visit) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  for (const auto& [rest, part] :
       tg::nn::k_folds(indices_of(texts.train), *settings.folds, generator)) {
    const Corpus train = subset_of(texts.train, rest.indices());
    tg::nn::Indices tested = part.indices();
    std::ranges::sort(tested);  // the order of subset_of()
    Trained trained = *train_one(
        settings, {.train = train, .labels = texts.labels, .class_weights = texts.class_weights});
    visit(trained, train, subset_of(texts.train, tested), tested);
  }
}

void print_mean(const char* name, const std::vector<double>& accuracies, std::size_t texts) {
  const tg::Tensor all = tg::tensor(accuracies);
  const Interval interval = t_interval(accuracies);
  std::cout << "mean " << name << ' ' << mean(all).item<double>() << ", 95 % interval "
            << std::max(interval.low, 0.0) << " to " << std::min(interval.high, 1.0)
            << ", standard deviation " << tg::std(all).item<double>() << " (" << accuracies.size()
            << " folds, n=" << texts << ")\n";
}

}  // namespace

void cross_validate(const TrainSettings& settings, const Texts& texts) {
  const char* const name = settings.multi_label ? "micro F1" : "accuracy";
  std::vector<double> accuracies;
  BaselineFolds baselines;
  for_each_fold(settings, texts,
                [&](Trained& trained, const Corpus& rest, const Corpus& tested, const auto&) {
                  const Score result = score(trained, examples_of(trained, tested));
                  accuracies.push_back(result.labels ? result.labels->micro_score().f1
                                                     : result.matrix.accuracy());
                  if (settings.baseline) baselines.add(rest, tested, texts.labels);
                  std::cout << "fold " << accuracies.size() << '/' << *settings.folds << "  "
                            << name << ' ' << std::fixed << std::setprecision(3)
                            << accuracies.back() << " (n=" << tested.rows.size() << ")\n"
                            << std::flush;
                });
  baselines.print(std::cout, accuracies);
  print_mean(name, accuracies, texts.train.rows.size());
}

tg::Tensor cross_validated_probabilities(const TrainSettings& settings, const Texts& texts) {
  tg::Tensor all = tg::zeros({texts.train.rows.size(), texts.labels.size()});
  for_each_fold(
      settings, texts,
      [&](Trained& trained, const Corpus&, const Corpus& tested, const tg::nn::Indices& indices) {
        std::vector<tg::Tensor> ids;
        for (const Row& row : tested.rows) ids.push_back(trained.ids(row.text));
        const tg::Tensor p = probabilities(trained, ids);
        for (std::size_t i = 0; i < indices.size(); ++i) {
          select(all, 0, indices[i]).copy_(select(p, 0, static_cast<std::int64_t>(i)));
        }
      });
  return all;
}

}  // namespace text_classifier
