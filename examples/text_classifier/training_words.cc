// Tokens become ids, and ids get weights. Read next: initial_model.h.
#include "text_classifier/training_words.h"

#include <tapegrad/nn/text/tokenizer.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "text_classifier/source.h"

namespace text_classifier {

using tg::nn::Vocabulary;

namespace {

// The words that the tokenizer can produce.
std::vector<std::string> tokens_among(const std::vector<std::string>& words) {
  std::vector<std::string> tokens;
  for (const std::string& word : words) {
    if (tg::nn::tokenize(word) == std::vector<std::string>{word}) tokens.push_back(word);
  }
  return tokens;
}

// The number of texts that contain each word.
std::vector<std::int64_t> document_counts(const TrainingWords& words) {
  const auto size = static_cast<std::size_t>(words.vocabulary.size());
  std::vector<std::int64_t> texts_with(size, 0), last(size, -1);
  for (std::size_t i = 0; i < words.ids.size(); ++i) {
    for (const std::int64_t id : words.ids[i]) {
      const auto word = static_cast<std::size_t>(id);
      if (last[word] != static_cast<std::int64_t>(i)) ++texts_with[word];
      last[word] = static_cast<std::int64_t>(i);
    }
  }
  return texts_with;
}

}  // namespace

Tokens tokens_of(const Corpus& corpus, std::int64_t max_length) {
  Tokens texts;
  texts.reserve(corpus.rows.size());
  for (const Row& row : corpus.rows) {
    std::vector<std::string>& words = texts.emplace_back(tg::nn::tokenize(row.text));
    if (std::ssize(words) > max_length) words.resize(static_cast<std::size_t>(max_length));
  }
  return texts;
}

std::vector<std::string> names_of(const Vocabulary& vocabulary) {
  std::vector<std::string> words = vocabulary.words();
  words[Vocabulary::kPadding].clear();
  return words;
}

TrainingWords read_words(Tokens texts, const TrainSettings& settings) {
  if (!settings.model.words) {
    std::vector<std::vector<std::int64_t>> none(texts.size());
    return {Vocabulary::build({}), std::move(texts), std::move(none), std::nullopt};
  }
  const auto read_vectors = [&](std::optional<std::vector<std::string>> only) {
    refuse_pipe(settings.vectors, settings.command.c_str(), ", and give the name of that file");
    return tg::nn::load_word_vectors(
        settings.vectors,
        {.vocabulary = std::move(only), .strict = true, .operation = settings.command});
  };
  std::optional<tg::nn::WordVectors> vectors;
  std::vector<std::string> more;
  if (settings.all_vectors) {
    vectors = read_vectors(std::nullopt);
    more = tokens_among(vectors->words());
  }
  auto [vocabulary, ids] = Vocabulary::build_and_encode(texts, {.longest_ngram = *settings.ngrams},
                                                        settings.min_count, more);
  if (!settings.vectors.empty() && !vectors) {
    vectors = read_vectors(names_of(vocabulary));
  }
  if (!settings.model.characters.used()) texts.clear();
  return {vocabulary, std::move(texts), std::move(ids), std::move(vectors)};
}

tg::Tensor word_weights(const TrainingWords& words, double power, std::int64_t buckets) {
  const auto texts = static_cast<double>(words.ids.size());
  std::vector<double> weights;
  for (const std::int64_t count : document_counts(words)) {
    const double frequency = (1 + texts) / (1 + static_cast<double>(count));
    weights.push_back(std::pow(std::log(frequency) + 1, power));
  }
  double sum = 0, count = 0;
  for (const std::vector<std::int64_t>& ids : words.ids) {
    for (const std::int64_t id : ids) {
      const double weight = weights[static_cast<std::size_t>(id)];
      sum += weight * weight;
      ++count;
    }
  }
  if (count == 0) return {};
  const tg::Tensor of_words = tg::tensor(weights).to(tg::float32) / std::sqrt(sum / count);
  return tg::cat({of_words, tg::ones({buckets})}, 0);
}

}  // namespace text_classifier
