// Lets both models classify the texts, and counts who was right. Read next: suspects.h.
#include "text_classifier/compare.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <span>
#include <utility>
#include <vector>

#include "text_classifier/evaluation.h"

namespace text_classifier {
namespace {

// Whether the model is right about each text: about its label, or about all its labels.
std::vector<bool> right_answers(Trained& trained, const std::string& folder, const Corpus& corpus) {
  std::vector<std::vector<std::int64_t>> truth;
  try {
    truth = label_sets(corpus, trained.labels);
  } catch (const tg::FormatError& error) {
    throw tg::FormatError("compare: the model " + folder + ": " + error.what());
  }
  std::vector<tg::Tensor> ids;
  for (const Row& row : corpus.rows) ids.push_back(trained.ids(row.text));
  const tg::Tensor p = probabilities(trained, ids);
  const std::span<const float> elements = p.span<float>();
  const std::size_t classes = trained.labels.size();
  std::vector<bool> right;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const std::span<const float> row = elements.subspan(i * classes, classes);
    std::vector<std::int64_t> answers;
    if (!trained.answering.multi_label()) {
      answers.push_back(std::ranges::max_element(row) - row.begin());
    }
    for (std::size_t k = 0; trained.answering.multi_label() && k < classes; ++k) {
      if (is_answered(trained, k, static_cast<double>(row[k]))) {
        answers.push_back(static_cast<std::int64_t>(k));
      }
    }
    std::ranges::sort(truth[i]);
    right.push_back(answers == truth[i]);
  }
  return right;
}

void print_accuracy(const char* name, const std::string& folder, std::int64_t right,
                    std::int64_t total) {
  const Interval interval = wilson_interval(right, total);
  std::printf("%s  accuracy %.3f, 95 %% interval %.3f to %.3f  %s\n", name,
              static_cast<double>(right) / static_cast<double>(total), interval.low, interval.high,
              folder.c_str());
}

}  // namespace

void compare(const CompareOptions& options) {
  Trained first = load(options.model), second = load(options.other);
  if (first.answering.multi_label() != second.answering.multi_label()) {
    const bool is_first = first.answering.multi_label();
    throw tg::ValueError("compare: the model " + (is_first ? options.model : options.other) +
                         " gives several labels, the model " +
                         (is_first ? options.other : options.model) +
                         " one; needed two models of the same kind");
  }
  Reading reading = reading_of(options.reading);
  reading.labels = first.labels;
  reading.multi_label = first.answering.multi_label();
  const Corpus corpus = read_corpus(options.test, "compare", reading);
  const std::vector<bool> a = right_answers(first, options.model, corpus);
  const std::vector<bool> b = right_answers(second, options.other, corpus);
  std::cerr << corpus.path << ": " << description(corpus) << '\n';
  PairedCounts counts;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ++(a[i] ? (b[i] ? counts.both : counts.only_first)
            : (b[i] ? counts.only_second : counts.neither));
  }
  const std::int64_t n = counts.total();
  if (first.answering.multi_label()) {
    std::printf("right: exactly the right labels\n");
    for (const auto& [name, model] : {std::pair("A", &first), std::pair("B", &second)}) {
      const Score all = score(*model, examples_of(*model, corpus));
      std::printf("%s  micro F1 %.3f, macro F1 %.3f\n", name, all.labels->micro_score().f1,
                  all.labels->mean_score().f1);
    }
  }
  std::printf("                B right  B wrong\n");
  std::printf("  A right  %12lld %8lld\n", static_cast<long long>(counts.both),
              static_cast<long long>(counts.only_first));
  std::printf("  A wrong  %12lld %8lld\n\n", static_cast<long long>(counts.only_second),
              static_cast<long long>(counts.neither));
  print_accuracy("A", options.model, counts.both + counts.only_first, n);
  print_accuracy("B", options.other, counts.both + counts.only_second, n);
  const Interval interval = difference_interval(counts);
  std::printf("B minus A: %+.3f, 95 %% interval %+.3f to %+.3f (n=%lld)\n", counts.difference(),
              interval.low, interval.high, static_cast<long long>(n));
  const double p = mcnemar_p_value(counts);
  std::printf("McNemar's exact test: p = %.*g; %s\n", p < 0.001 ? 1 : 3, p,
              p < 0.05 ? "the models differ by more than chance (5 % level)"
                       : "the difference may be chance (5 % level)");
}

}  // namespace text_classifier
