// plain_text() of corpus.h: removes the remains of HTML in AG News. Read next: source.h.
#include <array>
#include <charconv>
#include <utility>

#include <tapegrad/nn/text/utf8.h>

#include "corpus.h"

namespace text_classifier {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kEntities{{
    {"quot", "\""},
    {"amp", "&"},
    {"lt", "<"},
    {"gt", ">"},
    {"apos", "'"},
    {"nbsp", " "},
    {"hellip", " "},
    {"ndash", " "},
    {"mdash", " "},
    {"lsquo", "'"},
    {"rsquo", "'"},
}};

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Appends the character that `#39` or `quot` stands for; returns false if it is not an entity.
bool append_entity(std::string& out, std::string_view entity) {
  if (entity.starts_with('#')) {
    unsigned number = 0;
    const char* end = entity.data() + entity.size();
    const auto [stop, error] = std::from_chars(entity.data() + 1, end, number);
    if (error != std::errc() || stop != end || number < ' ' || number > 0xFFFF) return false;
    if (number >= 0x80 && number < 0xA0) number = ' ';  // quotes and dashes of Windows-1252
    if (number >= 0xD800 && number <= 0xDFFF) return false;
    tapegrad::nn::append_utf8(out, number);
    return true;
  }
  for (const auto& [name, meaning] : kEntities) {
    if (entity == name) {
      out += meaning;
      return true;
    }
  }
  return false;
}

// Replaces entities: anywhere if they have their ampersand, else only where a word could begin.
std::string without_entities(std::string_view text) {
  constexpr std::size_t kLongest = 7;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool possible = text[i] == '&' || i == 0 || !is_alphanumeric(text[i - 1]);
    const std::size_t begin = text[i] == '&' ? i + 1 : i;
    const std::size_t semicolon = text.substr(begin, kLongest).find(';');
    if (possible && semicolon != std::string_view::npos &&
        append_entity(out, text.substr(begin, semicolon))) {
      i = begin + semicolon;
    } else {
      out += text[i] == '\\' ? ' ' : text[i];
    }
  }
  return out;
}

// Replaces each tag by a space. A `<` without a letter, digit or slash after it begins no tag.
std::string without_tags(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool tag_begins = text[i] == '<' && i + 1 < text.size() &&
                            (text[i + 1] == '/' || is_alphanumeric(text[i + 1]));
    const std::size_t end = tag_begins ? text.find('>', i) : std::string_view::npos;
    if (end != std::string_view::npos) {
      out += ' ';
      i = end;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::string plain_text(std::string_view text) { return without_tags(without_entities(text)); }

}  // namespace text_classifier
