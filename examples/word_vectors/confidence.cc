// Draws samples, learns vectors, and counts neighbors. Read next: projection.h.
#include "word_vectors/confidence.h"

#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <iostream>

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

Stays Confidence::of(const std::string& word) const {
  for (const auto* list : {&nearest, &others}) {
    for (const auto& [listed, stays] : *list) {
      if (listed == word) return stays;
    }
  }
  return {};
}

Bootstrap::Bootstrap(const ConfidenceSettings& settings)
    : settings_(settings), corpus_(settings.text, "word_vectors") {}

tg::nn::WordVectors Bootstrap::vectors() { return vectors_of(nullptr); }

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
  return {corpus_.words().words,
          examples::svd_vectors(ppmi, {.dim = settings_.dim}, generator)};
}

std::vector<Confidence> Bootstrap::run(const std::vector<std::string>& words, std::int64_t k,
                                       int& signal) {
  const examples::Words& known = corpus_.words();
  for (const std::string& word : words) {
    if (std::ranges::find(known.words, word) != known.words.end()) continue;
    throw tg::ValueError(settings_.text.input + ": `" + word + "` occurs less than " +
                         std::to_string(settings_.text.min_count) +
                         " times; lower --min-count, or is its case the same?");
  }
  std::int64_t sentences = 0, read = 0;
  corpus_.rewind();
  for (examples::Sentence sentence; corpus_.next(sentence, read);) ++sentences;

  const auto size = static_cast<std::size_t>(known.size());
  std::vector<std::vector<std::int64_t>> counts(words.size(), std::vector<std::int64_t>(size, 0));
  tg::Generator generator(static_cast<std::uint64_t>(settings_.seed));
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  progress.start("samples", settings_.samples);
  std::int64_t drawn = 0;
  for (; drawn < settings_.samples && stopped() == 0; ++drawn) {
    const std::vector<std::int32_t> times = draw_sample(sentences, generator);
    const tg::nn::WordVectors vectors = vectors_of(&times);
    for (std::size_t i = 0; i < words.size(); ++i) {
      for (const auto& near : most_similar(vectors, words[i], k)) {
        // A word that the sample does not have is near nothing.
        if (near.score > 0) ++counts[i][static_cast<std::size_t>(near.row)];
      }
    }
    progress.update(drawn + 1);
  }
  signal = stopped();
  std::vector<Confidence> result;
  for (const auto& count : counts) {
    Confidence& confidence = result.emplace_back();
    confidence.samples = drawn;
    for (std::size_t row = 0; row < size; ++row) {
      (count[row] > 0 ? confidence.nearest : confidence.others)
          .push_back({known.words[row], {count[row], known.counts[row]}});
    }
    std::ranges::stable_sort(confidence.nearest, [](const auto& a, const auto& b) {
      return a.second.samples > b.second.samples;
    });
  }
  return result;
}

}  // namespace word_vectors
