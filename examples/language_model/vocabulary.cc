// Read next: batches.h.
#include "language_model/vocabulary.h"

#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cstdio>
#include <set>

namespace language_model {
namespace {

namespace tg = tapegrad;

// `'e' (U+0065)`, or only `U+0009`
std::string described(char32_t character) {
  char code[16];
  std::snprintf(code, sizeof code, "U+%04X", static_cast<unsigned>(character));
  if (character < U' ') return code;
  std::string text = "'";
  tg::nn::append_utf8(text, character);
  return text + "' (" + code + ")";
}

}  // namespace

std::unique_ptr<Characters> Characters::of(std::string_view text) {
  std::set<char32_t> different;
  for (std::size_t at = 0; at < text.size();) {
    const tg::nn::CodePoint point = tg::nn::decode_utf8(text, at);
    different.insert(point.value);
    at += point.length;
  }
  auto result = std::make_unique<Characters>();
  result->characters_.assign(different.begin(), different.end());
  return result;
}

std::unique_ptr<Characters> Characters::from_text(std::string_view text, const std::string& name) {
  std::unique_ptr<Characters> result = of(text);
  if (text.empty() || !tg::nn::is_utf8(text) || result->text() != text) {
    throw tg::FormatError(name +
                          ": the vocabulary is damaged: needed different characters in increasing "
                          "order");
  }
  return result;
}

std::vector<std::int64_t> Characters::encode_prompt(std::string_view text) const {
  std::vector<std::int64_t> ids;
  ids.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const tg::nn::CodePoint point = tg::nn::decode_utf8(text, at);
    if (point.malformed()) {
      throw tg::ValueError("--prompt: byte " + std::to_string(at + 1) + " is not UTF-8");
    }
    const auto found = std::ranges::lower_bound(characters_, point.value);
    if (found == characters_.end() || *found != point.value) {
      throw tg::ValueError("--prompt: the model has not learned the character " +
                           described(point.value) + ", because its text does not have it");
    }
    ids.push_back(found - characters_.begin());
    at += point.length;
  }
  return ids;
}

std::string Characters::decode(std::span<const std::int64_t> ids) const {
  std::string text;
  for (const std::int64_t id : ids) {
    tg::nn::append_utf8(text, characters_.at(static_cast<std::size_t>(id)));
  }
  return text;
}

std::int64_t Characters::start() const {
  const auto found = std::ranges::find(characters_, U'\n');
  return found == characters_.end() ? 0 : found - characters_.begin();
}

std::string Characters::text() const {
  std::string text;
  for (const char32_t character : characters_) tg::nn::append_utf8(text, character);
  return text;
}

}  // namespace language_model
