// Counts words, and turns lines into ids. Read next: subwords.h.
#include "word2vec/corpus.h"

#include <tapegrad/nn/text/tokenizer.h>
#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <utility>

#include "common/stop_signals.h"

namespace word2vec {
namespace {

namespace tg = tapegrad;

// Longer ones are data rather than words.
constexpr std::size_t kLongestWord = 1000;  // bytes

// tokenize() returns punctuation marks as tokens of one ASCII character, too.
bool is_punctuation(std::string_view token) {
  const auto first = static_cast<unsigned char>(token[0]);
  return token.size() == 1 && first < 0x80 && std::isalnum(first) == 0;
}

template <class Visit>
void for_each_word(std::string_view line, Tokens tokens, const Visit& visit) {
  if (tokens == Tokens::words) {
    for (const std::string& token : tg::nn::tokenize(line)) {
      if (!is_punctuation(token) && token.size() <= kLongestWord) visit(std::string_view(token));
    }
    return;
  }
  constexpr std::string_view kSpaces = " \t\v\f\r";
  for (std::size_t begin = 0;;) {
    begin = line.find_first_not_of(kSpaces, begin);
    if (begin == std::string_view::npos) return;
    const std::size_t end = std::min(line.find_first_of(kSpaces, begin), line.size());
    if (end - begin <= kLongestWord) visit(line.substr(begin, end - begin));
    begin = end;
  }
}

}  // namespace

std::int64_t Words::kept() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

Corpus::Corpus(const Settings& settings, std::int64_t most_kept)
    : settings_(settings), most_kept_(most_kept) {
  count();
  keep_frequent();
}

bool Corpus::is_held_out(std::int64_t sentence) const {
  const auto number = static_cast<double>(sentence);
  return std::floor((number + 1) * settings_.held_out) > std::floor(number * settings_.held_out);
}

// ids_ holds the position of a word in words_ here.
void Corpus::count() {
  examples::TextStream text(settings_.input, "word2vec");
  std::int64_t sentence = 0;
  for (std::string_view line; text.next(line) && examples::StopSignals::received() == 0;
       ++sentence) {
    std::vector<std::string>* copy = nullptr;
    if (words_held_out_ < kMostHeldOut && is_held_out(sentence)) {
      copy = &held_out_.emplace_back();
      last_held_out_ = sentence;
    }
    for_each_word(line, settings_.tokens, [&](std::string_view word) {
      auto found = ids_.find(word);
      if (found == ids_.end()) {
        found = ids_.emplace(std::string(word), words_.size()).first;
        words_.words.emplace_back(word);
        words_.counts.push_back(0);
      }
      ++words_.counts[static_cast<std::size_t>(found->second)];
      ++words_.total;
      if (copy != nullptr) copy->emplace_back(word);
    });
    if (copy != nullptr) words_held_out_ += static_cast<std::int64_t>(copy->size());
  }
  words_.distinct = words_.size();
}

void Corpus::keep_frequent() {
  std::vector<std::size_t> order(words_.words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t i) { return words_.counts[i] < settings_.min_count; });
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return words_.counts[a] > words_.counts[b]; });
  std::vector<std::string> words;
  std::vector<std::int64_t> counts;
  ids_.clear();
  for (const std::size_t i : order) {
    ids_.emplace(words_.words[i], static_cast<std::int64_t>(words.size()));
    words.push_back(std::move(words_.words[i]));
    counts.push_back(words_.counts[i]);
  }
  words_.words = std::move(words);
  words_.counts = std::move(counts);
  if (words_.size() >= 2 || examples::StopSignals::received() != 0) return;
  std::string found = "no words";
  if (words_.total > 0) {
    found = std::to_string(words_.total) + " words, of which " + std::to_string(words_.size()) +
            " different ones occur at least " + std::to_string(settings_.min_count) + " times";
  }
  throw tg::ValueError(settings_.input + ": " + found + "; needed at least 2" +
                       (words_.distinct >= 2 ? ", so lower --min-count" : ""));
}

std::vector<Sentence> Corpus::held_out() const {
  std::vector<Sentence> sentences;
  for (const std::vector<std::string>& words : held_out_) {
    Sentence& sentence = sentences.emplace_back();
    for (const std::string& word : words) {
      if (const auto found = ids_.find(word); found != ids_.end()) {
        sentence.push_back(static_cast<std::int32_t>(found->second));
      }
    }
  }
  return sentences;
}

void Corpus::rewind() {
  position_ = 0;
  if (has_kept_) return;
  text_.emplace(settings_.input, "word2vec");
  sentence_ = 0;
  kept_.clear();
  keeps_ = words_.total <= most_kept_;
}

bool Corpus::next(Sentence& sentence, std::int64_t& read) {
  if (has_kept_) {
    if (position_ == kept_.size()) return false;
    const auto size = static_cast<std::size_t>(kept_[position_]);
    read = kept_[position_ + 1];
    const auto begin = kept_.begin() + static_cast<std::ptrdiff_t>(position_ + 2);
    sentence.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
    position_ += 2 + size;
    return true;
  }
  if (!next_from_file(sentence, read)) {
    has_kept_ = keeps_;
    if (has_kept_) position_ = kept_.size();
    return false;
  }
  if (keeps_) {
    kept_.push_back(static_cast<std::int32_t>(sentence.size()));
    kept_.push_back(static_cast<std::int32_t>(read));
    kept_.insert(kept_.end(), sentence.begin(), sentence.end());
  }
  return true;
}

bool Corpus::next_from_file(Sentence& sentence, std::int64_t& read) {
  std::string_view line;
  do {
    if (!text_->next(line)) return false;
    ++sentence_;
  } while (sentence_ - 1 <= last_held_out_ && is_held_out(sentence_ - 1));
  sentence.clear();
  read = 0;
  for_each_word(line, settings_.tokens, [&](std::string_view word) {
    ++read;
    if (const auto found = ids_.find(word); found != ids_.end()) {
      sentence.push_back(static_cast<std::int32_t>(found->second));
    }
  });
  return true;
}

}  // namespace word2vec
