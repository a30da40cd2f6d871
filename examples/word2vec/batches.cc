// The draws of word2vec (Mikolov and others 2013, arXiv 1310.4546). Read next: model.h.
#include "word2vec/batches.h"

#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace word2vec {
namespace {

examples::AliasTable table_of_negatives(const Words& words) {
  std::vector<double> weights;
  for (const std::int64_t count : words.counts) {
    weights.push_back(std::pow(static_cast<double>(count), 0.75));
  }
  return examples::AliasTable(weights);
}

// word2vec.c's: sqrt(t / f) + t / f, where f is the share of the word in the text, and t is
// --sample.
std::vector<double> probabilities_to_keep(const Words& words, double sample) {
  std::vector<double> keep;
  const auto total = static_cast<double>(words.kept());
  for (const std::int64_t count : words.counts) {
    const double ratio = sample * total / static_cast<double>(count);
    keep.push_back(sample > 0 ? std::min(1.0, std::sqrt(ratio) + ratio) : 1.0);
  }
  return keep;
}

tg::Tensor tensor_of(const std::vector<std::int64_t>& values, const tg::Shape& shape) {
  return reshape(tg::tensor(values), shape);
}

}  // namespace

tg::Tensor Batch::groups() const {
  tg::Tensor begins =
      tg::zeros({inputs.size(0)}, tg::int64);  // 1 where a group but the first begins
  const auto at = begins.mutable_span<std::int64_t>();
  for (const std::int64_t offset : offsets.span<std::int64_t>().subspan(1)) {
    at[static_cast<std::size_t>(offset)] = 1;
  }
  return cumsum(begins, 0);
}

Batches::Batches(const Settings& settings, const Words& words, tg::Generator& generator)
    : settings_(settings),
      generator_(generator),
      negatives_(table_of_negatives(words)),
      keep_(probabilities_to_keep(words, settings.sample)) {}

void Batches::start(Source next_sentence) {
  next_sentence_ = std::move(next_sentence);
  sentence_.clear();
  middle_ = 0;
}

bool Batches::next(Batch& batch) {
  inputs_.clear();
  offsets_.clear();
  outputs_.clear();
  for (std::int64_t words = 0; words < settings_.batch; ++words) {
    if (middle_ == sentence_.size() && !read_sentence()) break;
    add_window(middle_++);
  }
  if (offsets_.empty()) return false;
  const auto groups = static_cast<std::int64_t>(offsets_.size());
  batch.inputs = tg::tensor(inputs_);
  batch.offsets = tg::tensor(offsets_);
  batch.outputs = tensor_of(outputs_, {groups, 1 + settings_.negative});
  batch.mean = settings_.arch == Architecture::cbow;
  return true;
}

// Reads until a sentence has two words that are not skipped: one word alone has no window.
bool Batches::read_sentence() {
  do {
    std::int64_t read = 0;
    if (!next_sentence_(sentence_, read)) {
      sentence_.clear();
      middle_ = 0;
      return false;
    }
    words_read_ += read;
    std::erase_if(sentence_, [&](std::int32_t word) {
      const double keep = keep_[static_cast<std::size_t>(word)];
      return keep < 1 && examples::draw_unit(generator_) >= keep;
    });
  } while (sentence_.size() < 2);
  middle_ = 0;
  return true;
}

// Words that are near count more, because the window is drawn from 1 to settings_.window.
void Batches::add_window(std::size_t middle) {
  const auto reach =
      static_cast<std::size_t>(1 + examples::draw_below(settings_.window, generator_));
  const std::size_t begin = middle - std::min(middle, reach);
  const std::size_t end = std::min(sentence_.size(), middle + reach + 1);
  const bool one_group =
      settings_.arch == Architecture::cbow || settings_.negatives == Negatives::shared;
  bool first = true;
  for (std::size_t i = begin; i < end; ++i) {
    if (i == middle) continue;
    if (first || !one_group) {
      offsets_.push_back(static_cast<std::int64_t>(inputs_.size()));
      add_outputs(sentence_[middle]);
    }
    first = false;
    inputs_.push_back(sentence_[i]);
  }
}

void Batches::add_outputs(std::int64_t word) {
  constexpr int kMostTries = 100;  // one word may be nearly the whole text
  outputs_.push_back(word);
  for (std::int64_t i = 0; i < settings_.negative; ++i) {
    std::int64_t drawn = word;
    for (int tries = 0; drawn == word && tries < kMostTries; ++tries) {
      drawn = negatives_.draw(generator_);
    }
    outputs_.push_back(drawn != word ? drawn : (word + 1) % negatives_.size());
  }
}

}  // namespace word2vec
