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

constexpr std::int64_t kFolds = 5;

// `line 7`, or `pos.txt:7` if there is a file for each class.
std::string shown_place(const Corpus& corpus, const Row& row) {
  return corpus.class_files.empty() ? "line " + std::to_string(row.line) : place_of(corpus, row);
}

nlohmann::ordered_json json_of(const Corpus& corpus, const Row& row) {
  nlohmann::ordered_json line{{"line", row.line}};
  if (!corpus.class_files.empty()) line["file"] = corpus.class_files[row.file];
  return line;
}

void print_json(const nlohmann::ordered_json& line) {
  std::cout << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

void print(const LabelSuspect& suspect, const Texts& texts, bool json) {
  const Row& row = texts.train.rows[suspect.row];
  const std::string& label = texts.labels[suspect.label];
  if (json) {
    nlohmann::ordered_json line = json_of(texts.train, row);
    line["label"] = label;
    line["given"] = suspect.given;
    line["probability"] = suspect.probability;
    line["text"] = row.text;
    print_json(line);
    return;
  }
  std::cout << shown_place(texts.train, row) << "  " << label << ' '
            << fixed(suspect.probability, 3) << (suspect.given ? " given" : " not given") << "  "
            << one_line(row.text) << '\n';
}

void print(const Suspect& suspect, const Texts& texts, bool json) {
  const Row& row = texts.train.rows[suspect.row];
  const std::string& predicted = texts.labels[static_cast<std::size_t>(suspect.predicted)];
  if (json) {
    nlohmann::ordered_json line = json_of(texts.train, row);
    line["label"] = row.label;
    line["label_probability"] = suspect.given;
    line["predicted"] = predicted;
    line["predicted_probability"] = suspect.probability;
    line["text"] = row.text;
    print_json(line);
    return;
  }
  std::cout << shown_place(texts.train, row) << "  " << row.label << ' ' << fixed(suspect.given, 3)
            << "  " << predicted << ' ' << fixed(suspect.probability, 3) << "  "
            << one_line(row.text) << '\n';
}

template <class Found>
void print_all(const std::vector<Found>& found, const Texts& texts, const SuspectsOptions& options,
               const std::string& what) {
  const std::int64_t shown = std::min(options.count, std::ssize(found));
  for (std::int64_t i = 0; i < shown; ++i) {
    print(found[static_cast<std::size_t>(i)], texts, options.json);
  }
  std::cerr << "suspects: the models contradict " << what << " ("
            << options.training.folds.value_or(kFolds) << " folds); " << shown
            << (shown < std::ssize(found) ? " are shown, see --count\n" : " are shown\n");
}

}  // namespace

std::vector<LabelSuspect> suspects_among_labels(const tg::Tensor& targets,
                                                const tg::Tensor& probabilities) {
  const auto classes = static_cast<std::size_t>(targets.size(1));
  const std::vector<double> given = tg::to_vector<double>(targets.to(tg::float64));
  const std::vector<double> p = tg::to_vector<double>(probabilities.to(tg::float64));
  std::vector<LabelSuspect> suspects;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const bool is_given = given[i] > 0;
    if (is_given == (p[i] >= 0.5)) continue;
    suspects.push_back({i / classes, i % classes, is_given, p[i]});
  }
  std::ranges::stable_sort(suspects, {}, [](const LabelSuspect& suspect) {
    return suspect.given ? suspect.probability : 1 - suspect.probability;
  });
  return suspects;
}

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
  settings.folds = settings.folds.value_or(kFolds);
  settings = checked(settings);
  const Texts texts = read_training_texts(settings);
  const tg::Tensor p = cross_validated_probabilities(settings, texts);
  if (settings.multi_label) {
    const auto found = suspects_among_labels(targets_of(texts.train, texts.labels), p);
    print_all(found, texts, options,
              std::to_string(found.size()) + " times what labels a text has or lacks");
  } else {
    const auto found = suspects_among(label_ids(texts.train, texts.labels), p);
    print_all(found, texts, options,
              "the labels of " + std::to_string(found.size()) + " of " +
                  std::to_string(texts.train.rows.size()) + " texts");
  }
}

}  // namespace text_classifier
