// Sorts the texts by the probability that was given to their label. Read next: compress.h.
#include "text_classifier/suspects.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/numbers.h"
#include "text_classifier/cross_validation.h"
#include "text_classifier/training.h"

namespace text_classifier {
namespace {

using examples::fixed;
using examples::one_line;

void print(const Suspect& suspect, const Texts& texts, bool json) {
  const Row& row = texts.train.rows[suspect.row];
  const std::string& predicted = texts.labels[static_cast<std::size_t>(suspect.predicted)];
  if (json) {
    const nlohmann::ordered_json line{{"line", row.line},
                                      {"label", row.label},
                                      {"label_probability", suspect.given},
                                      {"predicted", predicted},
                                      {"predicted_probability", suspect.probability},
                                      {"text", row.text}};
    std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return;
  }
  std::cout << "line " << row.line << "  " << row.label << ' ' << fixed(suspect.given, 3) << "  "
            << predicted << ' ' << fixed(suspect.probability, 3) << "  " << one_line(row.text)
            << '\n';
}

}  // namespace

std::vector<Suspect> suspects_among(const std::vector<std::int64_t>& labels,
                                    const tg::Tensor& probabilities) {
  const std::int64_t classes = probabilities.size(1);
  const tg::Tensor contiguous = probabilities.contiguous();
  const std::span<const float> elements = contiguous.span<float>();
  std::vector<Suspect> suspects;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto p = elements.subspan(row * static_cast<std::size_t>(classes),
                                    static_cast<std::size_t>(classes));
    const auto best = std::ranges::max_element(p) - p.begin();
    if (best == labels[row]) continue;
    suspects.push_back({row, static_cast<double>(p[static_cast<std::size_t>(labels[row])]), best,
                        static_cast<double>(p[static_cast<std::size_t>(best)])});
  }
  std::ranges::stable_sort(suspects, {}, &Suspect::given);
  return suspects;
}

void suspects(const SuspectsOptions& options) {
  TrainSettings settings = options.training;
  settings.command = "suspects";
  settings.folds = settings.folds.value_or(5);
  settings = checked(settings);
  const Texts texts = read_training_texts(settings);
  const std::vector<Suspect> found = suspects_among(label_ids(texts.train, texts.labels),
                                                    cross_validated_probabilities(settings, texts));
  const std::int64_t shown = std::min(options.count, std::ssize(found));
  for (std::int64_t i = 0; i < shown; ++i) {
    print(found[static_cast<std::size_t>(i)], texts, options.json);
  }
  std::cerr << "suspects: the models contradict the labels of " << found.size() << " of "
            << texts.train.rows.size() << " texts (" << *settings.folds << " folds); " << shown
            << (shown < std::ssize(found) ? " are shown, see --count\n" : " are shown\n");
}

}  // namespace text_classifier
