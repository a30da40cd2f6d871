// Every draw has a generator of its own. Read next: autotune.h.
#include "text_classifier/splits.h"

#include <tapegrad/tapegrad.h>

#include <algorithm>

namespace text_classifier {

Corpus subset_of(const Corpus& corpus, tg::nn::Indices kept) {
  std::ranges::sort(kept);
  Corpus subset{.path = corpus.path,
                .format = corpus.format,
                .columns = corpus.columns,
                .without_text = corpus.without_text,
                .rows = {},
                .class_files = corpus.class_files,
                .multi_label = corpus.multi_label,
                .label_separator = corpus.label_separator};
  subset.rows.reserve(kept.size());
  for (const std::int64_t row : kept) {
    subset.rows.push_back(corpus.rows[static_cast<std::size_t>(row)]);
  }
  return subset;
}

tg::nn::Indices others(std::size_t rows, const std::vector<std::int64_t>& held_out) {
  std::vector<bool> is_held_out(rows, false);
  for (const std::int64_t row : held_out) is_held_out[static_cast<std::size_t>(row)] = true;
  tg::nn::Indices rest;
  for (std::size_t row = 0; row < rows; ++row) {
    if (!is_held_out[row]) rest.push_back(static_cast<std::int64_t>(row));
  }
  return rest;
}

Corpus some_of(const Corpus& corpus, std::int64_t count, std::uint64_t seed) {
  const std::int64_t rows = std::ssize(corpus.rows);
  tg::Generator generator(seed);
  return subset_of(corpus, tg::to_vector<std::int64_t>(
                               narrow(tg::randperm(rows, generator), 0, 0, std::min(count, rows))));
}

void hold_out_tenth(Texts& texts, std::uint64_t seed, const std::string& command) {
  const std::int64_t rows = std::ssize(texts.train.rows);
  if (rows < 2) {
    throw tg::ValueError(command +
                         ": --patience holds out a tenth of the texts, needed at least 2");
  }
  const std::int64_t held = (rows + 9) / 10;
  tg::Generator generator(seed);
  const auto [rest, tenth] =
      tg::nn::random_split(indices_of(texts.train), {rows - held, held}, generator);
  texts.dev = subset_of(texts.train, tenth.indices());
  texts.train = subset_of(texts.train, rest.indices());
}

tg::nn::TensorDataset<1> indices_of(const Corpus& corpus) {
  return tg::nn::TensorDataset(tg::arange(std::ssize(corpus.rows)));
}

}  // namespace text_classifier
