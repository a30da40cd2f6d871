// Counts the texts of each class, or reads the weights. Read next: search.h.
#include "text_classifier/class_weights.h"

#include <tapegrad/nn/text/text_file.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "text_classifier/source.h"

namespace text_classifier {
namespace {

using tapegrad::nn::LineReader;
using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

std::vector<double> balanced(const Corpus& corpus, const std::vector<std::string>& labels) {
  std::vector<double> counts(labels.size(), 0);
  for (const auto& set : label_sets(corpus, labels)) {
    for (const std::int64_t label : set) ++counts[static_cast<std::size_t>(label)];
  }
  const auto texts = static_cast<double>(corpus.rows.size());
  std::vector<double> weights;
  for (const double count : counts) {
    const double weight = corpus.multi_label ? (texts - count) / count
                                             : texts / (static_cast<double>(labels.size()) * count);
    weights.push_back(count > 0 && weight > 0 ? weight : 1);
  }
  return weights;
}

// The position of the label of a line, and its weight.
struct LabelWeight {
  std::size_t label;
  double weight;
};
LabelWeight parsed(std::string_view line, const std::vector<std::string>& labels,
                   const std::string& name, std::int64_t number) {
  const std::size_t separator = line.find_last_of("\t,= ");
  if (separator == std::string_view::npos) {
    throw_format_error(name, number, "`" + shown(line) + "` is not a label and its weight");
  }
  const std::string_view text = line.substr(separator + 1);
  std::string_view label = trim(line.substr(0, separator));
  while (!label.empty() && (label.back() == ',' || label.back() == '=')) {
    label = trim(label.substr(0, label.size() - 1));
  }
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error != std::errc() || end != text.data() + text.size() || !(weight >= 0) ||
      !std::isfinite(weight)) {
    throw_format_error(name, number,
                       "the weight is `" + shown(text) + "`, needed a number of 0 or more");
  }
  const auto found = std::ranges::find(labels, label);
  if (found == labels.end()) {
    throw_format_error(name, number, "no text has the label `" + shown(label) + "`");
  }
  return {static_cast<std::size_t>(found - labels.begin()), weight};
}

}  // namespace

std::vector<double> class_weights(const std::string& how, const Corpus& corpus,
                                  const std::vector<std::string>& labels, const char* operation) {
  if (how == kBalanced) return balanced(corpus, labels);
  const std::string text = read_source(how, operation);
  const std::string name = name_of_source(how);
  std::vector<double> weights(labels.size(), 1);
  std::vector<bool> is_given(labels.size(), false);
  LineReader lines(text);
  for (std::string_view line; lines.next(line);) {
    if (trim(line).empty()) continue;
    const auto [label, weight] = parsed(trim(line), labels, name, lines.number());
    if (is_given[label]) {
      throw_format_error(name, lines.number(),
                         "the label `" + shown(labels[label]) + "` has a weight already");
    }
    is_given[label] = true;
    weights[label] = weight;
  }
  if (std::ranges::none_of(is_given, [](bool given) { return given; })) {
    throw_format_error(name, 1, "empty file; expected a label and its weight on each line");
  }
  return weights;
}

}  // namespace text_classifier
