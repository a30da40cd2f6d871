// Counting, and a strict reader of the file. Read next: metrics.h.
#include "vocabulary.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>

#include "text_file.h"
#include "utf8.h"

namespace text_classifier {
namespace {

constexpr std::string_view kPaddingWord = "<pad>";
constexpr std::string_view kUnknownWord = "<unk>";
constexpr std::string_view kMagic = "tapegrad vocabulary 1; ";
constexpr std::string_view kHeadEnd = " tokens";

struct Head {
  Tokenizer tokenizer;
  std::int64_t tokens = 0;
};

Head parse_head(std::string_view line, const std::string& path) {
  if (!line.starts_with("tapegrad vocabulary ")) fail_at(path, 1, "not a vocabulary file");
  if (!line.starts_with(kMagic)) fail_at(path, 1, "vocabulary of a version other than 1");
  line.remove_prefix(kMagic.size());
  const std::size_t semicolon = line.find("; ");
  Head head;
  if (semicolon == std::string_view::npos || !line.ends_with(kHeadEnd)) {
    fail_at(path, 1, "the head must end with `; N tokens`");
  }
  const char* begin = line.data() + semicolon + 2;
  const char* end = line.data() + line.size() - kHeadEnd.size();
  const auto [stop, error] = std::from_chars(begin, std::max(begin, end), head.tokens);
  if (error != std::errc() || stop != end || head.tokens < 2) {
    fail_at(path, 1, "the head must end with `; N tokens`");
  }
  try {
    head.tokenizer = Tokenizer::from_description(line.substr(0, semicolon));
  } catch (const tapegrad::ValueError& error_in_description) {
    fail_at(path, 1, error_in_description.what());
  }
  return head;
}

}  // namespace

Vocabulary Vocabulary::build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer,
                             std::int64_t min_count, std::span<const std::string> also) {
  return number(texts, tokenizer, min_count, also).vocabulary;
}

Vocabulary::Numbered Vocabulary::number(std::span<const std::vector<std::string>> texts,
                                        Tokenizer tokenizer, std::int64_t min_count,
                                        std::span<const std::string> also) {
  struct Entry {
    std::int64_t number;  // by first occurrence
    std::int64_t count = 0;
    bool is_kept = false;
    bool is_word = false;  // not an n-gram
  };
  WordIndex met;
  std::vector<Entry> entries;
  const auto entry_of = [&](std::string_view token) -> Entry& {
    const auto [id, is_new] = met.insert(token);
    if (is_new) {
      if (token.empty() || token.find('\n') != std::string_view::npos) {
        throw tapegrad::ValueError("vocabulary: a token must be one line and not empty");
      }
      entries.push_back({id});
    }
    return entries[static_cast<std::size_t>(id)];
  };
  std::vector<std::vector<std::int64_t>> ids;  // numbers at first
  for (const std::vector<std::string>& words : texts) {
    std::vector<std::int64_t>& own = ids.emplace_back();
    for_each_ngram(words, tokenizer.longest_ngram, [&](std::string_view token, int n) {
      Entry& entry = entry_of(token);
      ++entry.count;
      entry.is_word |= n == 1;
      own.push_back(entry.number);
    });
  }
  for (const std::string& word : also) entry_of(word).is_kept = true;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.count > b.count; });
  WordIndex kept;
  kept.insert(kPaddingWord);
  kept.insert(kUnknownWord);
  constexpr std::int64_t kLeftOut = -1;
  std::vector<std::int64_t> id_of(entries.size());
  for (const Entry& entry : entries) {
    const std::string_view token = met.word(entry.number);
    std::int64_t& id = id_of[static_cast<std::size_t>(entry.number)];
    if (entry.count >= min_count || entry.is_kept) {
      id = kept.insert(token).first;
    } else {
      id = kept.find(token).value_or(entry.is_word ? kUnknown : kLeftOut);
    }
  }
  for (std::vector<std::int64_t>& own : ids) {
    for (std::int64_t& id : own) id = id_of[static_cast<std::size_t>(id)];
    std::erase(own, kLeftOut);
  }
  return {Vocabulary(tokenizer, std::move(kept)), std::move(ids)};
}

std::string_view Vocabulary::word(std::int64_t id) const {
  if (id < 0 || id >= size()) {
    throw tapegrad::IndexError("vocabulary: id " + std::to_string(id) + " is out of range for " +
                               std::to_string(size()) + " tokens");
  }
  return words_->word(id);
}

std::vector<std::int64_t> Vocabulary::ids(std::span<const std::string> words) const {
  std::vector<std::int64_t> ids;
  ids.reserve(words.size());
  for_each_ngram(words, tokenizer_.longest_ngram, [&](std::string_view token, int n) {
    const std::optional<std::int64_t> id = find(token);
    if (id || n == 1) ids.push_back(id.value_or(kUnknown));
  });
  return ids;
}

void Vocabulary::save(const std::string& path) const {
  std::string file(kMagic);
  file += tokenizer_.description() + "; " + std::to_string(size()) + std::string(kHeadEnd) + "\n";
  for (std::int64_t id = 0; id < size(); ++id) file.append(words_->word(id)).append("\n");
  tapegrad::write_file_atomically(path, file, "vocabulary");
}

Vocabulary Vocabulary::load(const std::string& path) {
  const std::string text = tapegrad::read_file(path, "vocabulary");
  if (text.empty()) fail_at(path, 1, "empty file; expected a vocabulary");
  const Head head = parse_head(std::string_view(text).substr(0, text.find('\n')), path);
  const auto lines = std::count(text.begin(), text.end(), '\n') - 1;
  if (lines < head.tokens || !text.ends_with('\n')) {
    fail_at(path, std::max<std::int64_t>(lines, 0) + 1,
            "the file ends here, but its head promises " + std::to_string(head.tokens) +
                " tokens; was it cut short?");
  }
  if (lines > head.tokens) {
    fail_at(path, head.tokens + 2,
            "more tokens than the " + std::to_string(head.tokens) + " that the head promises");
  }
  if (const std::size_t bad = first_invalid_utf8(text); bad != std::string::npos) {
    const auto before = text.begin() + static_cast<std::ptrdiff_t>(bad);
    fail_at(path, 1 + std::count(text.begin(), before, '\n'), "token is not UTF-8");
  }
  WordIndex words;
  for (std::size_t begin = text.find('\n') + 1; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    const std::int64_t line = 2 + words.size();
    if (word.empty()) fail_at(path, line, "empty token");
    if (!words.insert(word).second) {
      fail_at(path, line, "token `" + std::string(word) + "` occurs twice");
    }
    begin = end + 1;
  }
  if (words.word(kPadding) != kPaddingWord || words.word(kUnknown) != kUnknownWord) {
    fail_at(path, 2, "the first tokens must be <pad> and <unk>");
  }
  return Vocabulary(head.tokenizer, std::move(words));
}

}  // namespace text_classifier
