// Read next: ngram_lm.h.
#include "ngram_lm/words.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/tokenizer.h>
#include <tapegrad/tensor/error.h>

namespace ngram_lm {
namespace {

// One list for all lines. A last line without an end gets none.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    for (std::string& token : tg::nn::tokenize(text.substr(0, end))) {
      tokens.push_back(std::move(token));
    }
    if (end == std::string_view::npos) break;
    tokens.emplace_back(Words::kLineEnd);
    text.remove_prefix(end + 1);
  }
  return tokens;
}

}  // namespace

std::unique_ptr<Words> Words::of(std::string_view text, std::int64_t min_count) {
  const std::vector<std::vector<std::string>> texts = {tokens_of(text)};
  const std::vector<std::string> also = {kLineEnd};
  return std::make_unique<Words>(tg::nn::Vocabulary::build(texts, {}, min_count, also));
}

std::unique_ptr<Words> Words::from_text(std::string_view text, const std::string& name) {
  auto words = std::make_unique<Words>(tg::nn::Vocabulary::from_text(text, name));
  if (words->words_.find(kLineEnd)) return words;
  throw tg::FormatError(name + ": the vocabulary has no " + kLineEnd);
}

std::vector<std::int64_t> Words::encode(std::string_view text) const {
  return words_.encode(tokens_of(text));
}

std::vector<std::int64_t> Words::encode_prompt(std::string_view text) const {
  const std::vector<std::string> tokens = tokens_of(text);
  for (const std::string& token : tokens) {
    if (words_.find(token)) continue;
    throw tg::ValueError("--prompt: the model has not learned the word '" + token + "'");
  }
  return words_.encode(tokens);
}

std::string Words::decode(std::span<const std::int64_t> ids) const {
  constexpr std::string_view kWithoutSpace = ",.;:?!)'";
  std::string text;
  bool apostrophe = false;  // what follows it belongs to the same word: it's
  for (const std::int64_t id : ids) {
    const std::string_view word = words_.word(id);
    if (word == kLineEnd) {
      text += '\n';
      continue;
    }
    const bool mark = word.size() == 1 && kWithoutSpace.find(word[0]) != std::string_view::npos;
    if (!text.empty() && text.back() != '\n' && !mark && !apostrophe) text += ' ';
    text += word;
    apostrophe = word == "'";
  }
  return text;
}

}  // namespace ngram_lm
