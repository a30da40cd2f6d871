// The gradient of the score with respect to the word vectors gives the contributions. Read next:
// compare.h.
#include "text_classifier/explain.h"

#include <tapegrad/nn/text/tokenizer.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <utility>

#include "text_classifier/evaluation.h"
#include "text_classifier/input_lines.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

// The names of the ids of a text, in the same order: its words, then the n-grams that the model
// knows. A word that it does not know appears as in the text.
std::vector<std::string> names_of(const Trained& trained, std::string_view text, std::int64_t ids) {
  std::vector<std::string> names;
  const std::vector<std::string> words =
      trained.settings().words ? trained.words(text) : std::vector<std::string>();
  tg::nn::for_each_ngram(words, trained.vocabulary.tokenizer().longest_ngram,
                         [&](std::string_view token, int n) {
                           const bool known = trained.find(token).has_value();
                           if (known || n == 1)
                             names.push_back(std::string(token) + (known ? "" : " (unknown)"));
                         });
  names.resize(static_cast<std::size_t>(ids),
               trained.settings().characters.used() ? "(characters)" : "(other)");
  return names;
}

std::int64_t position_of(const std::vector<std::string>& labels, const std::string& label) {
  const auto found = std::ranges::find(labels, label);
  if (found == labels.end()) {
    std::string known;
    for (std::size_t i = 0; i < std::min<std::size_t>(labels.size(), 10); ++i) {
      known += (i > 0 ? ", " : "") + labels[i];
    }
    throw tg::ValueError("explain: --label is '" + label + "', needed a label of the model: " +
                         known + (labels.size() > 10 ? ", ..." : ""));
  }
  return found - labels.begin();
}

void print_contributions(const Explanation& explanation, std::int64_t count,
                         const Trained& trained) {
  std::vector<Contribution> tokens = explanation.tokens;
  std::ranges::stable_sort(tokens, std::ranges::greater(),
                           [](const Contribution& token) { return std::abs(token.value); });
  double others = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (static_cast<std::int64_t>(i) < count) {
      std::printf("  %+8.3f  %s\n", tokens[i].value, tokens[i].token.c_str());
    } else {
      others += tokens[i].value;
    }
  }
  const std::int64_t hidden = std::ssize(tokens) - count;
  if (hidden > 0) std::printf("  %+8.3f  (%lld more)\n", others, static_cast<long long>(hidden));
  std::printf("  %+8.3f  %s\n", explanation.rest,
              trained.settings().arch == "bag" ? "(bias)" : "(not explained by single words)");
  std::printf("  %+8.3f  = score: %s\n", explanation.score,
              trained.answering.multi_label() ? "the logit" : "logit minus the mean of all logits");
}

// The labels that are explained for a text with the probabilities p (1, classes): the one that was
// asked for, the predicted ones, or the most probable one.
std::vector<std::int64_t> explained_labels(const Trained& trained, const ExplainOptions& options,
                                           const tg::Tensor& p) {
  if (!options.label.empty()) return {position_of(trained.labels, options.label)};
  std::vector<std::int64_t> labels;
  for (std::int64_t k = 0; trained.answering.multi_label() && k < std::ssize(trained.labels); ++k) {
    if (is_answered(trained, static_cast<std::size_t>(k), p.item<double>({0, k}))) {
      labels.push_back(k);
    }
  }
  if (labels.empty()) labels.push_back(argmax(p).item<std::int64_t>());
  return labels;
}

void explain_texts(Trained& trained, const ExplainOptions& options) {
  std::vector<std::string> texts;
  for (const std::string& text : options.texts) {
    const InputLine line = input_line(text, 0);
    if (!line.error.empty()) {
      throw tg::FormatError("explain: text " + std::to_string(texts.size() + 1) + ": " +
                            line.error);
    }
    texts.push_back(line.text);
  }
  for (const std::string& text : texts) {
    const tg::Tensor p = probabilities(trained, {trained.ids(text)});
    for (const std::int64_t label : explained_labels(trained, options, p)) {
      std::printf("%s  %.3f  %s\n", trained.labels[static_cast<std::size_t>(label)].c_str(),
                  p.item<double>({0, label}), text.c_str());
      print_contributions(explanation_of(trained, text, label), options.count, trained);
    }
  }
}

void explain_classes(const Trained& trained, const ExplainOptions& options) {
  const auto strongest = strongest_tokens(trained, options.count);
  for (std::size_t label = 0; label < strongest.size(); ++label) {
    if (!options.label.empty() && trained.labels[label] != options.label) continue;
    std::printf("%s\n", trained.labels[label].c_str());
    for (const auto& [token, value] : strongest[label]) {
      std::printf("  %+8.3f  %s\n", value, token.c_str());
    }
  }
}

}  // namespace

Explanation explanation_of(const Trained& trained, std::string_view text, std::int64_t label) {
  const tg::Tensor ids = trained.ids(text);
  const tg::Tensor batch = unsqueeze(ids, 0);  // (1, steps)
  // A parameter of its own has a gradient also if the word vectors are frozen.
  const tg::Variable vectors = tg::parameter(trained.model.embedding(batch).value());
  const tg::Variable logits =
      trained.model.from_vectors(vectors, batch) / trained.answering.temperature;  // (1, classes)
  const tg::Variable own = select(logits, 1, label);
  const tg::Variable score = trained.answering.multi_label() ? own : own - mean(logits, 1);
  const tg::Variable gradient = tg::grad(sum(score), {vectors})[0];
  const tg::Tensor values = sum(gradient.value() * vectors.value(), 2);  // (1, steps)
  Explanation explanation;
  explanation.score = score.value().item<double>({0});
  explanation.rest = explanation.score;
  const std::vector<std::string> names = names_of(trained, text, ids.size(0));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (ids.item<std::int64_t>({static_cast<std::int64_t>(i)}) == Vocabulary::kPadding) continue;
    const double value = values.item<double>({0, static_cast<std::int64_t>(i)});
    explanation.tokens.push_back({names[i], value});
    explanation.rest -= value;
  }
  return explanation;
}

std::vector<std::vector<Contribution>> strongest_tokens(const Trained& trained,
                                                        std::int64_t count) {
  if (trained.compressed != nullptr) {
    throw tg::ValueError(
        "explain: a compressed model does not keep its words; needed a TEXT to explain, or the "
        "model that was compressed");
  }
  if (!trained.settings().words) {
    throw tg::ValueError(
        "explain: the model reads no words, only characters; needed a TEXT to explain");
  }
  const std::int64_t words = trained.vocabulary.size();
  const std::int64_t classes = std::ssize(trained.labels);
  // One text for each id; padding gives the text without words.
  tg::Tensor scores = tg::zeros({words, classes});
  constexpr std::int64_t kBatch = 1024;
  for (std::int64_t begin = 0; begin < words; begin += kBatch) {
    const std::int64_t size = std::min(kBatch, words - begin);
    const tg::Tensor logits = trained.logits(reshape(tg::arange(begin, begin + size), {-1, 1}));
    narrow(scores, 0, begin, size)
        .copy_(trained.answering.multi_label() ? logits : logits - mean(logits, 1, true));
  }
  const tg::Tensor empty = narrow(scores, 0, Vocabulary::kPadding, 1).clone();
  scores = scores - empty;
  for (const std::int64_t id : {Vocabulary::kPadding, Vocabulary::kUnknown}) {
    select(scores, 0, id).fill_(-1e30);  // never among the strongest
  }
  const std::int64_t k = std::min(count, words - 2);
  std::vector<std::vector<Contribution>> result(static_cast<std::size_t>(classes));
  if (k < 1) return result;
  for (std::int64_t label = 0; label < classes; ++label) {
    const tg::ValuesAndIndices best = topk(select(scores, 1, label).contiguous(), k);
    for (std::int64_t i = 0; i < k; ++i) {
      const auto id = best.indices.item<std::int64_t>({i});
      result[static_cast<std::size_t>(label)].push_back(
          {std::string(trained.vocabulary.word(id)), best.values.item<double>({i})});
    }
  }
  return result;
}

void explain(const ExplainOptions& options) {
  Trained trained = load(options.model);
  if (!options.label.empty()) position_of(trained.labels, options.label);
  if (options.texts.empty()) {
    explain_classes(trained, options);
  } else {
    explain_texts(trained, options);
  }
}

}  // namespace text_classifier
