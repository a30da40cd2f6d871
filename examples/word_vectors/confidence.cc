// Draws samples, learns vectors, and counts neighbors. Read next: picture.h.
#include "word_vectors/confidence.h"

#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <utility>

#include "common/alias_table.h"
#include "common/numbers.h"
#include "common/ppmi.h"
#include "common/progress.h"
#include "common/stop_signals.h"

namespace word_vectors {
namespace {

int stopped() { return examples::StopSignals::received(); }

// How often each of n sentences is drawn, in n draws.
std::vector<std::int32_t> draw_sample(std::int64_t sentences, tg::Generator& generator) {
  std::vector<std::int32_t> times(static_cast<std::size_t>(sentences), 0);
  for (std::int64_t i = 0; i < sentences; ++i) {
    ++times[static_cast<std::size_t>(examples::draw_below(sentences, generator))];
  }
  return times;
}

}  // namespace

WordConfidence Confidence::of(const std::string& word) const {
  const auto found = std::ranges::find(words, word, &WordConfidence::word);
  return found == words.end() ? WordConfidence{.word = word} : *found;
}

Bootstrap::Bootstrap(const ConfidenceSettings& settings)
    : settings_(settings), corpus_(settings.text, "word_vectors") {}

const tg::nn::WordVectors& Bootstrap::vectors() {
  if (!whole_) whole_ = vectors_of(nullptr);
  return *whole_;
}

// times: how often each sentence counts; null: once.
tg::nn::WordVectors Bootstrap::vectors_of(const std::vector<std::int32_t>* times) {
  examples::Cooccurrences pairs({.window = settings_.window, .program = "word_vectors"});
  examples::Sentence sentence;
  std::int64_t read = 0;
  corpus_.rewind();
  for (std::size_t i = 0; corpus_.next(sentence, read); ++i) {
    const std::int64_t weight = times == nullptr ? 1 : (*times)[i];
    if (weight > 0) pairs.add(sentence, weight);
  }
  pairs.finish();
  const std::int64_t words = corpus_.words().size();
  const examples::Ppmi ppmi = examples::ppmi(pairs, words, {});
  if (ppmi.matrix.elements() == 0) {
    return {corpus_.words().words, tg::zeros({words, settings_.dim})};
  }
  tg::Generator generator(static_cast<std::uint64_t>(settings_.seed));
  return {corpus_.words().words, examples::svd_vectors(ppmi, {.dim = settings_.dim}, generator)};
}

void Bootstrap::check(const std::vector<std::string>& words) const {
  const std::vector<std::string>& known = corpus_.words().words;
  for (const std::string& word : words) {
    if (std::ranges::find(known, word) != known.end()) continue;
    throw tg::ValueError(settings_.text.input + ": `" + word + "` occurs less than " +
                         std::to_string(settings_.text.min_count) +
                         " times; lower --min-count, or is its case the same?");
  }
}

std::int64_t Bootstrap::sentences() {
  std::int64_t count = 0, read = 0;
  corpus_.rewind();
  for (examples::Sentence sentence; corpus_.next(sentence, read);) ++count;
  return count;
}

std::vector<Confidence> Bootstrap::run(const std::vector<std::string>& words, std::int64_t k,
                                       int& signal) {
  check(words);
  const examples::Words& known = corpus_.words();
  std::vector<std::vector<WordConfidence>> tallies(words.size());
  for (auto& tally : tallies) {
    for (std::size_t row = 0; row < known.words.size(); ++row) {
      tally.push_back({.word = known.words[row], .count = known.counts[row]});
    }
  }
  // Calls visit(word of the text) for the neighbors of each of the words. A word that a sample does
  // not have is near nothing.
  const auto for_each_neighbor = [&](const tg::nn::WordVectors& vectors, const auto& visit) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      for (const auto& near : most_similar(vectors, words[i], k)) {
        if (near.score > 0) visit(tallies[i][static_cast<std::size_t>(near.row)]);
      }
    }
  };
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  progress.start("samples", settings_.samples);
  for_each_neighbor(vectors(), [](WordConfidence& word) { word.in_whole = true; });
  tg::Generator generator(static_cast<std::uint64_t>(settings_.seed));
  const std::int64_t size = sentences();
  std::int64_t drawn = 0;
  while (drawn < settings_.samples && stopped() == 0) {
    const std::vector<std::int32_t> times = draw_sample(size, generator);
    for_each_neighbor(vectors_of(&times), [](WordConfidence& word) { ++word.samples; });
    progress.update(++drawn);
  }
  signal = stopped();
  if (signal != 0) {
    progress.print("stopped by " + examples::name_of_signal(signal) + " after " +
                   std::to_string(drawn) + " of " + std::to_string(settings_.samples) + " samples");
  }
  std::vector<Confidence> result;
  for (auto& tally : tallies) {
    std::ranges::stable_sort(tally, std::greater<>(), &WordConfidence::samples);
    result.push_back({.samples = drawn, .words = std::move(tally)});
  }
  return result;
}

}  // namespace word_vectors
