// Classifies the lines that are there together, and writes their answers at once. Read next:
// input_lines.h.
#include "text_classifier/answers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/numbers.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/input_lines.h"
#include "text_classifier/source.h"

namespace text_classifier {
namespace {

// A string of JSON, quotes included.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The shortest decimal number that is this float; null if it is not finite.
void append_number(std::string& out, float value) {
  char text[32];
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  out.append(text, end);
}

// Writes the answers to texts.
class Answers {
 public:
  Answers(Trained trained, const PredictOptions& options)
      : trained_(std::move(trained)),
        options_(options),
        shown_(options.all
                   ? trained_.labels.size()
                   : std::min(static_cast<std::size_t>(options.top), trained_.labels.size())),
        order_(trained_.labels.size()) {
    for (const std::string& label : trained_.labels) {
      labels_.push_back(options.json ? json_string(label) : label);
    }
  }

  void write(const std::vector<InputLine>& lines) {
    std::vector<tg::Tensor> ids;
    for (const InputLine& line : lines) {
      if (line.error.empty()) ids.push_back(trained_.ids(line.text));
    }
    const tg::Tensor all = probabilities(trained_, ids);
    const std::span<const float> elements = all.span<float>();
    const std::size_t classes = labels_.size();
    std::size_t row = 0;
    out_.clear();
    for (const InputLine& line : lines) {
      if (!line.error.empty()) {
        append_error(line);
        ++errors_;
      } else if (options_.json) {
        append_json(line, elements.subspan(classes * row++, classes));
      } else {
        append_text(line, elements.subspan(classes * row++, classes));
      }
    }
    lines_ += std::ssize(lines);
    std::cout << out_ << std::flush;
    if (!std::cout) throw tg::IoError("predict: cannot write standard output");
  }

  void check_errors() const {
    if (errors_ == 0) return;
    throw tg::ValueError("predict: " + std::to_string(errors_) + " of " + std::to_string(lines_) +
                         " lines could not be read; their answers say why");
  }

 private:
  bool several() const { return trained_.answering.multi_label(); }
  bool ranks() const { return options_.all || options_.top > 1; }

  // Whether the label is an answer of a model with several labels.
  bool is_chosen(std::span<const float> p, std::size_t label) const {
    const auto probability = static_cast<double>(p[label]);
    return options_.threshold ? probability >= *options_.threshold
                              : is_answered(trained_, label, probability);
  }

  // The classes by decreasing probability: as many as are shown, or those that are chosen. Of equal
  // ones the first label wins.
  std::span<const std::size_t> best_of(std::span<const float> p) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const auto before = [&](std::size_t a, std::size_t b) {
      return p[a] != p[b] ? p[a] > p[b] : a < b;
    };
    if (several() && !ranks()) {
      const auto rest = std::stable_partition(
          order_.begin(), order_.end(), [&](std::size_t label) { return is_chosen(p, label); });
      const std::span<std::size_t> chosen(order_.begin(), rest);
      std::ranges::sort(chosen, before);
      return chosen;
    }
    if (shown_ == 1) {
      std::swap(order_[0], *std::ranges::min_element(order_, before));
    } else {
      std::ranges::partial_sort(order_, order_.begin() + static_cast<std::ptrdiff_t>(shown_),
                                before);
    }
    return std::span(order_).first(shown_);
  }

  bool unsure(float probability) const {
    return options_.threshold && !(static_cast<double>(probability) >= *options_.threshold);
  }

  void append_text(const InputLine& line, std::span<const float> p) {
    bool first = true;
    const std::span<const std::size_t> best = best_of(p);
    if (best.empty()) {
      out_ += "(none)  " + examples::fixed(static_cast<double>(std::ranges::max(p)), 3) + "  ";
    }
    for (const std::size_t label : best) {
      out_ += !several() && first && unsure(p[label]) ? "(unsure)" : labels_[label];
      out_ += "  ";
      out_ += examples::fixed(static_cast<double>(p[label]), 3);
      out_ += "  ";
      first = false;
    }
    // A text given as an argument may have several lines; an answer is one line.
    out_ += examples::one_line(line.text) + '\n';
  }

  void append_json(const InputLine& line, std::span<const float> p) {
    const std::span<const std::size_t> best = best_of(p);
    out_ += "{\"line\":" + std::to_string(line.number);
    if (several()) {
      out_ += ",\"labels\":[";
      for (const std::size_t label : best) {
        if (!is_chosen(p, label)) continue;
        out_ += (out_.ends_with('[') ? "" : ",") + labels_[label];
      }
      out_ += ']';
    } else {
      out_ += ",\"label\":";
      out_ += unsure(p[best[0]]) ? "null" : labels_[best[0]];
      out_ += ",\"probability\":";
      append_number(out_, p[best[0]]);
    }
    if (several() || ranks()) {
      out_ += ",\"top\":[";
      for (const std::size_t label : best) {
        out_ += out_.ends_with('[') ? "{\"label\":" : ",{\"label\":";
        out_ += labels_[label];
        out_ += ",\"probability\":";
        append_number(out_, p[label]);
        out_ += '}';
      }
      out_ += ']';
    }
    out_ += ",\"text\":" + json_string(line.text) + "}\n";
  }

  void append_error(const InputLine& line) {
    const std::string number = std::to_string(line.number);
    if (options_.json) {
      out_ += "{\"line\":" + number + ",\"error\":" + json_string(line.error) + "}\n";
    } else {
      out_ += "(error)  line " + number + ": " + line.error + '\n';
    }
  }

  Trained trained_;
  const PredictOptions& options_;
  const std::size_t shown_;
  std::vector<std::size_t> order_;
  std::vector<std::string> labels_;  // as they are printed
  std::string out_;
  std::int64_t lines_ = 0;
  std::int64_t errors_ = 0;
};

void warn_of_files(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    std::error_code ignored;
    if (text.empty() || !std::filesystem::is_regular_file(text, ignored)) continue;
    std::cerr << "predict: '" << text << "' is classified as a text, but it is also a file; "
              << "--file " << text << " classifies its lines\n";
  }
}

}  // namespace

void predict(const PredictOptions& options) {
  if (!options.texts.empty() && !options.file.empty()) {
    throw tg::ValueError("predict: got texts and --file " + options.file +
                         ", needed one of the two");
  }
  if (options.all && options.top != 1) {
    throw tg::ValueError(
        "predict: --all prints all labels, --top N the first N; needed one of the two");
  }
  if (!options.texts.empty()) {
    std::vector<InputLine> lines;
    for (const std::string& text : options.texts) {
      lines.push_back(input_line(text, std::ssize(lines) + 1));
    }
    Answers answers(load(options.model), options);
    warn_of_files(options.texts);
    answers.write(lines);
    answers.check_errors();
    return;
  }
  Answers answers(load(options.model), options);
  InputLines input(options.file.empty() ? "-" : options.file);
  for (std::vector<InputLine> lines = input.next(); !lines.empty(); lines = input.next()) {
    answers.write(lines);
  }
  answers.check_errors();
}

}  // namespace text_classifier
