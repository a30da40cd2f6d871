// The draws of word2vec (Mikolov and others 2013, arXiv 1310.4546). Read next: model.h.
#include "word2vec/batches.h"

#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/parallel.h>

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

Batch part_of(const Batch& batch, int rank, int ranks) {
  const std::int64_t groups = batch.outputs.size(0);
  const auto [first, count] = tg::distributed::detail::part_of_batch(groups, rank, ranks);
  const auto input_of = [&](std::int64_t group) {
    return group < groups ? batch.offsets.item<std::int64_t>({group}) : batch.inputs.size(0);
  };
  const std::int64_t begin = input_of(first), end = input_of(first + count);
  Batch part = batch;
  part.inputs = narrow(batch.inputs, 0, begin, end - begin);
  part.offsets = narrow(batch.offsets, 0, first, count) - begin;
  part.outputs = narrow(batch.outputs, 0, first, count);
  return part;
}

Batches::Batches(const Settings& settings, const Words& words, tg::Generator& generator)
    : settings_(settings),
      generator_(generator),
      subwords_(settings, words.words),
      negatives_(table_of_negatives(words)),
      keep_(probabilities_to_keep(words, settings.sample)) {}

void Batches::start(Source next_sentence) {
  next_sentence_ = std::move(next_sentence);
  count_ = returned_ = 0;
  if (!std::exchange(continues_, false)) {
    sentence_.clear();
    middle_ = 0;
  }
}

tg::StateDict Batches::state_dict() const {
  const std::vector<std::int64_t> sentence(sentence_.begin(), sentence_.end());
  return {{"words_read", tg::tensor({words_read_})},
          {"middle", tg::tensor({static_cast<std::int64_t>(middle_)})},
          {"sentence", tg::tensor(sentence)}};
}

void Batches::load_state_dict(const tg::StateDict& saved) {
  const auto integers = [&](const char* name) {
    const tg::Tensor& tensor = saved.at(name);
    if (tensor.dtype() != tg::int64 || tensor.dim() != 1) {
      throw tg::FormatError(std::string(name) + " is not a list of integers");
    }
    const auto all = tensor.span<std::int64_t>();
    return std::vector<std::int64_t>(all.begin(), all.end());
  };
  const std::vector<std::int64_t> read = integers("words_read"), middle = integers("middle"),
                                  sentence = integers("sentence");
  const auto is_word = [&](std::int64_t id) { return id >= 0 && id < negatives_.size(); };
  if (read.size() != 1 || middle.size() != 1 || read[0] < 0 || middle[0] < 0 ||
      middle[0] > static_cast<std::int64_t>(sentence.size()) ||
      !std::ranges::all_of(sentence, is_word)) {
    throw tg::FormatError("the position in the text is damaged");
  }
  words_read_ = read[0];
  middle_ = static_cast<std::size_t>(middle[0]);
  sentence_.assign(sentence.begin(), sentence.end());
  continues_ = true;
}

bool Batches::next(Batch& batch) {
  const Drawn* drawn = nullptr;
  do {  // all words of a batch may be alone
    if (returned_ == count_) draw_some();
    if (count_ == 0) return false;
    drawn = &drawn_[returned_++];
  } while (drawn->offsets.empty());
  const auto groups = static_cast<std::int64_t>(drawn->offsets.size());
  batch.inputs = tg::tensor(drawn->inputs);
  batch.offsets = tg::tensor(drawn->offsets);
  batch.outputs = tensor_of(drawn->outputs, {groups, 1 + settings_.negative});
  batch.mean = settings_.arch == Architecture::cbow || settings_.subwords.used();
  batch.sum_gradient = settings_.gradient_of_sum();
  return true;
}

std::vector<Batch> Batches::next_some() {
  std::vector<Batch> some;
  for (Batch batch; (some.empty() || !between_draws()) && next(batch);) some.push_back(batch);
  return some;
}

// Reads the words of up to kBatches batches, then draws their windows and negatives.
void Batches::draw_some() {
  constexpr std::size_t kBatches = 16;
  drawn_.resize(kBatches);
  count_ = returned_ = 0;
  text_ = sentence_;
  std::size_t begin = 0;  // of sentence_ in text_
  for (bool more = true; more && count_ < kBatches; ++count_) {
    Drawn& batch = drawn_[count_];
    batch.middles.clear();
    for (std::int64_t words = 0; words < settings_.batch; ++words) {
      if (middle_ == sentence_.size()) {
        more = read_sentence();
        if (!more) break;
        begin = text_.size();
        text_.insert(text_.end(), sentence_.begin(), sentence_.end());
      }
      batch.middles.push_back({begin + middle_++, begin, begin + sentence_.size()});
    }
    if (batch.middles.empty()) break;
    batch.seed = generator_.random64();
  }
  tg::parallel_for(static_cast<std::int64_t>(count_), 1, 1,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t i = first; i < last; ++i) {
                       draw(drawn_[static_cast<std::size_t>(i)]);
                     }
                   });
}

void Batches::draw(Drawn& batch) const {
  examples::SmallGenerator generator(batch.seed);
  batch.inputs.clear();
  batch.offsets.clear();
  batch.outputs.clear();
  for (const Middle& word : batch.middles) add_window(word, batch, generator);
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
void Batches::add_window(const Middle& word, Drawn& batch,
                         examples::SmallGenerator& generator) const {
  const auto reach =
      static_cast<std::size_t>(1 + examples::draw_below(settings_.window, generator));
  const std::size_t begin = std::max(word.begin + reach, word.middle) - reach;
  const std::size_t end = std::min(word.end, word.middle + reach + 1);
  const bool one_group =
      settings_.arch == Architecture::cbow || settings_.negatives == Negatives::shared;
  bool first = true;
  for (std::size_t i = begin; i < end; ++i) {
    if (i == word.middle) continue;
    if (first || !one_group) {
      batch.offsets.push_back(static_cast<std::int64_t>(batch.inputs.size()));
      add_outputs(text_[word.middle], batch, generator);
    }
    first = false;
    subwords_.append(text_[i], batch.inputs);
  }
}

void Batches::add_outputs(std::int64_t word, Drawn& batch,
                          examples::SmallGenerator& generator) const {
  constexpr int kMostTries = 100;  // one word may be nearly the whole text
  batch.outputs.push_back(word);
  for (std::int64_t i = 0; i < settings_.negative; ++i) {
    std::int64_t drawn = word;
    for (int tries = 0; drawn == word && tries < kMostTries; ++tries) {
      drawn = negatives_.draw(generator);
    }
    batch.outputs.push_back(drawn != word ? drawn : (word + 1) % negatives_.size());
  }
}

}  // namespace word2vec
