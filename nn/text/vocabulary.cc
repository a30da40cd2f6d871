// Building a vocabulary by counting tokens, and its file, which is read strictly. Read next:
// nn/text/word_index.cc.
#include <tapegrad/nn/text/vocabulary.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/nn/text/word_index.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>

namespace tapegrad::nn {
namespace {

using detail::WordIndex;

constexpr std::string_view kPaddingWord = "<pad>";
constexpr std::string_view kUnknownWord = "<unk>";
constexpr std::string_view kVocabularyMagic = "tapegrad vocabulary 1; ";
constexpr std::string_view kHeaderEnd = " tokens";

struct Header {
  Tokenizer tokenizer;
  std::int64_t tokens = 0;
};

Header parse_header(std::string_view line, const std::string& path) {
  if (!line.starts_with("tapegrad vocabulary "))
    throw_format_error(path, 1, "not a vocabulary file");
  if (!line.starts_with(kVocabularyMagic))
    throw_format_error(path, 1, "vocabulary of a version other than 1");
  line.remove_prefix(kVocabularyMagic.size());
  const std::size_t semicolon = line.find("; ");
  Header header;
  if (semicolon == std::string_view::npos || !line.ends_with(kHeaderEnd)) {
    throw_format_error(path, 1, "the header must end with `; N tokens`");
  }
  const char* begin = line.data() + semicolon + 2;
  const char* end = line.data() + line.size() - kHeaderEnd.size();
  const auto [stop, error] = std::from_chars(begin, std::max(begin, end), header.tokens);
  if (error != std::errc() || stop != end || header.tokens < 2) {
    throw_format_error(path, 1, "the header must end with `; N tokens`");
  }
  try {
    header.tokenizer = Tokenizer::from_description(line.substr(0, semicolon));
  } catch (const ValueError& error_in_description) {
    throw_format_error(path, 1, error_in_description.what());
  }
  return header;
}

// The tokens in the order of their first occurrence, and their counts.
class Counts {
 public:
  struct Entry {
    std::int64_t number;  // in the order of first occurrence
    std::int64_t count = 0;
    bool is_kept = false;  // independent of its count
    bool is_word = false;  // not only an n-gram
  };

  Entry& operator[](std::string_view token) {
    const auto [number, is_new] = tokens_.insert(token);
    if (is_new) {
      check_token(token);
      entries_.push_back({number});
    }
    return entries_[static_cast<std::size_t>(number)];
  }

  std::string_view token(const Entry& entry) const { return tokens_.word(entry.number); }
  std::size_t size() const { return entries_.size(); }

  // Moves the entries out, by decreasing count; equal counts stay in the order of first occurrence.
  std::vector<Entry> take_by_decreasing_count() {
    std::ranges::stable_sort(entries_, std::ranges::greater(), &Entry::count);
    return std::move(entries_);
  }

 private:
  static void check_token(std::string_view token) {
    if (token.empty() || token.find('\n') != std::string_view::npos) {
      throw ValueError("vocabulary: a token must be one line and not empty");
    }
    if (!is_utf8(token)) throw ValueError("vocabulary: a token must be UTF-8");
  }

  WordIndex tokens_;
  std::vector<Entry> entries_;
};

}  // namespace

Vocabulary::Vocabulary(Tokenizer tokenizer, std::shared_ptr<const WordIndex> words)
    : tokenizer_(tokenizer), words_(std::move(words)) {}

Vocabulary Vocabulary::build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer,
                             std::int64_t min_count, std::span<const std::string> also) {
  return build_and_encode(texts, tokenizer, min_count, also).vocabulary;
}

Vocabulary::Encoded Vocabulary::build_and_encode(std::span<const std::vector<std::string>> texts,
                                                 Tokenizer tokenizer, std::int64_t min_count,
                                                 std::span<const std::string> also) {
  if (tokenizer.longest_ngram < 1 || tokenizer.longest_ngram > Tokenizer::kLongestNgram) {
    throw ValueError("vocabulary: longest_ngram is " + std::to_string(tokenizer.longest_ngram) +
                     ", needed 1 to " + std::to_string(Tokenizer::kLongestNgram));
  }
  Counts counts;
  std::vector<std::vector<std::int64_t>> ids;  // until the end, numbers of Counts instead of ids
  for (const std::vector<std::string>& words : texts) {
    std::vector<std::int64_t>& own = ids.emplace_back();
    for_each_ngram(words, tokenizer.longest_ngram, [&](std::string_view token, int n) {
      Counts::Entry& entry = counts[token];
      ++entry.count;
      entry.is_word |= n == 1;
      own.push_back(entry.number);
    });
  }
  for (const std::string& word : also) counts[word].is_kept = true;

  const auto kept = std::make_shared<WordIndex>();
  kept->insert(kPaddingWord);
  kept->insert(kUnknownWord);
  constexpr std::int64_t kLeftOut = -1;
  std::vector<std::int64_t> id_of(counts.size());
  for (const Counts::Entry& entry : counts.take_by_decreasing_count()) {
    const std::string_view token = counts.token(entry);
    std::int64_t& id = id_of[static_cast<std::size_t>(entry.number)];
    if (entry.count >= min_count || entry.is_kept) {
      id = kept->insert(token).first;
    } else {
      id = kept->find(token).value_or(entry.is_word ? kUnknown : kLeftOut);
    }
  }
  for (std::vector<std::int64_t>& own : ids) {
    for (std::int64_t& id : own) id = id_of[static_cast<std::size_t>(id)];
    std::erase(own, kLeftOut);
  }
  return {Vocabulary(tokenizer, kept), std::move(ids)};
}

std::int64_t Vocabulary::size() const { return words_->size(); }

std::string_view Vocabulary::word(std::int64_t id) const& {
  if (id < 0 || id >= size()) {
    throw IndexError("vocabulary: id " + std::to_string(id) + " is out of range for " +
                     std::to_string(size()) + " tokens");
  }
  return words_->word(id);
}

std::vector<std::string> Vocabulary::words() const {
  std::vector<std::string> words;
  words.reserve(static_cast<std::size_t>(size()));
  for (std::int64_t id = 0; id < size(); ++id) words.emplace_back(words_->word(id));
  return words;
}

std::optional<std::int64_t> Vocabulary::find(std::string_view word) const {
  return words_->find(word);
}

std::vector<std::int64_t> Vocabulary::encode(std::span<const std::string> words) const {
  std::vector<std::int64_t> ids;
  ids.reserve(words.size());
  for_each_ngram(words, tokenizer_.longest_ngram, [&](std::string_view token, int n) {
    const std::optional<std::int64_t> id = words_->find(token);
    if (id || n == 1) ids.push_back(id.value_or(kUnknown));
  });
  return ids;
}

void Vocabulary::save(const std::string& path) const {
  write_file_atomically(path, text(), "vocabulary");
}

Vocabulary Vocabulary::load(const std::string& path) {
  return from_text(read_file(path, "vocabulary"), path);
}

std::string Vocabulary::text() const {
  std::string text(kVocabularyMagic);
  text += tokenizer_.description() + "; " + std::to_string(size()) + std::string(kHeaderEnd) + "\n";
  for (std::int64_t id = 0; id < size(); ++id) text.append(words_->word(id)).append("\n");
  return text;
}

Vocabulary Vocabulary::from_text(std::string_view text, const std::string& name) {
  if (text.empty()) throw_format_error(name, 1, "empty file; needed a vocabulary");
  const Header header = parse_header(text.substr(0, text.find('\n')), name);
  const auto lines = std::count(text.begin(), text.end(), '\n') - 1;
  if (lines < header.tokens || !text.ends_with('\n')) {
    throw_format_error(name, std::max<std::int64_t>(lines, 0) + 1,
                       "the file ends here, but its header announces " +
                           std::to_string(header.tokens) + " tokens; was it cut off?");
  }
  if (lines > header.tokens) {
    throw_format_error(
        name, header.tokens + 2,
        "more tokens than the " + std::to_string(header.tokens) + " that the header announces");
  }
  if (const std::size_t bad = first_invalid_utf8(text); bad != std::string::npos) {
    const auto before = text.begin() + static_cast<std::ptrdiff_t>(bad);
    throw_format_error(name, 1 + std::count(text.begin(), before, '\n'), "token is not UTF-8");
  }
  const auto words = std::make_shared<WordIndex>();
  for (std::size_t begin = text.find('\n') + 1; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    const std::string_view word = text.substr(begin, end - begin);
    const std::int64_t line = 2 + words->size();
    if (word.empty()) throw_format_error(name, line, "empty token");
    if (!words->insert(word).second) {
      throw_format_error(name, line, "token `" + std::string(word) + "` occurs twice");
    }
    begin = end + 1;
  }
  if (words->word(kPadding) != kPaddingWord || words->word(kUnknown) != kUnknownWord) {
    throw_format_error(name, 2, "the first tokens must be <pad> and <unk>");
  }
  return Vocabulary(header.tokenizer, words);
}

}  // namespace tapegrad::nn
