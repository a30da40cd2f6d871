// Counting, and a strict reader of the file. A million tokens load in a fraction of a second,
// because the words stay where they were read. Read next: metrics.h.
#include "vocabulary.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/file_io.h>

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

Vocabulary::Vocabulary(Tokenizer tokenizer, std::string text, const std::string& path,
                       std::int64_t first_line)
    : tokenizer_(tokenizer), text_(std::make_shared<const std::string>(std::move(text))) {
  const auto count = static_cast<std::size_t>(std::count(text_->begin(), text_->end(), '\n'));
  words_.reserve(count);
  ids_.reserve(count);
  for (std::size_t begin = 0; begin < text_->size();) {
    const std::size_t end = text_->find('\n', begin);
    const std::string_view word = std::string_view(*text_).substr(begin, end - begin);
    const std::int64_t line = first_line + size();
    if (word.empty()) fail_at(path, line, "empty token");
    if (!ids_.emplace(word, size()).second) {
      fail_at(path, line, "token `" + std::string(word) + "` occurs twice");
    }
    words_.push_back(word);
    begin = end + 1;
  }
}

Vocabulary Vocabulary::build(std::span<const std::vector<std::string>> texts, Tokenizer tokenizer,
                             std::int64_t min_count, std::span<const std::string> also) {
  struct Entry {
    std::string_view token;
    std::int64_t count = 0;
    bool is_kept = false;
  };
  std::unordered_map<std::string_view, std::size_t> position;
  std::vector<Entry> entries;  // in order of first occurrence
  const auto meet = [&](const std::string& token, std::int64_t count, bool is_kept) {
    if (token == kPaddingWord || token == kUnknownWord) return;
    if (token.empty() || token.find('\n') != std::string::npos) {
      throw tapegrad::ValueError("vocabulary: a token must be one line and not empty");
    }
    const auto [found, is_new] = position.emplace(token, entries.size());
    if (is_new) entries.push_back({token});
    Entry& entry = entries[found->second];
    entry.count += count;
    entry.is_kept |= is_kept;
  };
  for (const std::vector<std::string>& tokens : texts) {
    for (const std::string& token : tokens) meet(token, 1, false);
  }
  for (const std::string& word : also) meet(word, 0, true);
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.count > b.count; });
  std::string text;
  text.append(kPaddingWord).append("\n").append(kUnknownWord).append("\n");
  for (const Entry& entry : entries) {
    if (entry.count >= min_count || entry.is_kept) text.append(entry.token).append("\n");
  }
  return Vocabulary(tokenizer, std::move(text), "vocabulary", 1);
}

std::string_view Vocabulary::word(std::int64_t id) const {
  if (id < 0 || id >= size()) {
    throw tapegrad::IndexError("vocabulary: id " + std::to_string(id) + " is out of range for " +
                               std::to_string(size()) + " tokens");
  }
  return words_[static_cast<std::size_t>(id)];
}

std::optional<std::int64_t> Vocabulary::find(std::string_view word) const {
  const auto found = ids_.find(word);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::int64_t> Vocabulary::ids(std::span<const std::string> tokens) const {
  std::vector<std::int64_t> ids;
  ids.reserve(tokens.size());
  for (const std::string& token : tokens) {
    const bool is_ngram = token.find(' ') != std::string::npos;
    const std::optional<std::int64_t> id = find(token);
    if (id || !is_ngram) ids.push_back(id.value_or(kUnknown));
  }
  return ids;
}

void Vocabulary::save(const std::string& path) const {
  std::string file(kMagic);
  file += tokenizer_.description() + "; " + std::to_string(size()) + std::string(kHeadEnd) + "\n";
  tapegrad::write_file_atomically(path, file += *text_, "vocabulary");
}

Vocabulary Vocabulary::load(const std::string& path) {
  std::string text = tapegrad::read_file(path, "vocabulary");
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
  text.erase(0, text.find('\n') + 1);
  Vocabulary vocabulary(head.tokenizer, std::move(text), path, 2);
  if (vocabulary.words_[0] != kPaddingWord || vocabulary.words_[1] != kUnknownWord) {
    fail_at(path, 2, "the first tokens must be <pad> and <unk>");
  }
  return vocabulary;
}

}  // namespace text_classifier
