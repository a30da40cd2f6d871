// The library's functions, which use the same functions as the commands. Read next: library/ask.cc.
#include "text_classifier/text_classifier.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "text_classifier/evaluation.h"
#include "text_classifier/input_lines.h"
#include "text_classifier/trained.h"

namespace text_classifier {
namespace {

tg::Tensor ids_of(const Trained& trained, std::string_view text, std::size_t number) {
  const InputLine line = input_line(text, 0);
  if (!line.error.empty()) {
    throw tg::FormatError("predict: text " + std::to_string(number) + ": " + line.error);
  }
  return trained.ids(line.text);
}

Prediction prediction_of(const std::vector<std::string>& labels, std::span<const float> row) {
  const auto best = std::ranges::max_element(row);
  return {labels[static_cast<std::size_t>(best - row.begin())], static_cast<double>(*best),
          std::vector<double>(row.begin(), row.end())};
}

}  // namespace

TextClassifier::TextClassifier(const std::string& folder)
    : trained_(std::make_shared<Trained>(load(folder))) {}

const std::vector<std::string>& TextClassifier::labels() const { return trained_->labels; }

bool TextClassifier::is_multi_label() const { return trained_->answering.multi_label(); }

std::vector<std::string> TextClassifier::answers(const Prediction& prediction) const {
  if (!is_multi_label()) return {prediction.label};
  std::vector<std::string> answers;
  for (std::size_t k = 0; k < labels().size(); ++k) {
    if (is_answered(*trained_, k, prediction.probabilities.at(k))) answers.push_back(labels()[k]);
  }
  return answers;
}

Prediction TextClassifier::predict(std::string_view text) const {
  const tg::Tensor p = probabilities(*trained_, {ids_of(*trained_, text, 1)});
  return prediction_of(labels(), p.span<float>());
}

std::vector<Prediction> TextClassifier::predict(std::span<const std::string> texts) const {
  std::vector<tg::Tensor> ids;
  for (const std::string& text : texts) ids.push_back(ids_of(*trained_, text, ids.size() + 1));
  const tg::Tensor p = probabilities(*trained_, ids);
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    predictions.push_back(
        prediction_of(labels(), p.span<float>().subspan(i * labels().size(), labels().size())));
  }
  return predictions;
}

}  // namespace text_classifier
