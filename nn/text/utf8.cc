// Decoding and encoding, by the table of well-formed byte sequences in section 3.9 of the Unicode
// standard. Read next: nn/text/text_file.h.
#include <tapegrad/nn/text/utf8.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace tapegrad::nn {
namespace {

bool between(char32_t value, char32_t first, char32_t last) {
  return first <= value && value <= last;
}

}  // namespace

CodePoint decode_utf8(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[position + i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};

  std::size_t length = 0;
  char32_t value = 0;
  char32_t smallest = 0;  // a smaller value has a shorter encoding
  if (between(lead, 0xC0, 0xDF)) {
    length = 2, value = lead & 0x1F, smallest = 0x80;
  } else if (between(lead, 0xE0, 0xEF)) {
    length = 3, value = lead & 0x0F, smallest = 0x800;
  } else if (between(lead, 0xF0, 0xF7)) {
    length = 4, value = lead & 0x07, smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() - position < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const bool surrogate = between(value, 0xD800, 0xDFFF);
  if (value < smallest || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

std::size_t first_invalid_utf8(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    std::uint64_t bytes = 0;  // checks eight bytes at once for ASCII
    if (text.size() - position >= sizeof bytes) {
      std::memcpy(&bytes, text.data() + position, sizeof bytes);
      if ((bytes & 0x8080808080808080U) == 0) {
        position += sizeof bytes;
        continue;
      }
    }
    const CodePoint point = decode_utf8(text, position);
    if (point.malformed()) return position;
    position += point.length;
  }
  return std::string_view::npos;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  const bool surrogate = between(code_point, 0xD800, 0xDFFF);
  if (surrogate || code_point > 0x10FFFF) code_point = kReplacementCharacter;
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

namespace {
// The code points of the bytes 0x80 to 0x9F (https://encoding.spec.whatwg.org/#index-windows-1252);
// 0 for those without a meaning.
constexpr std::array<char16_t, 32> kWindows1252 = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

char32_t windows1252(char byte) {
  const auto value = static_cast<unsigned char>(byte);
  if (value < 0x80 || value > 0x9F) return value;
  return kWindows1252[value - 0x80U];
}
}  // namespace

bool is_windows1252(char byte) { return byte == '\0' || windows1252(byte) != 0; }

std::string windows1252_to_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 16);
  for (const char byte : bytes) {
    append_utf8(text, is_windows1252(byte) ? windows1252(byte) : kReplacementCharacter);
  }
  return text;
}

std::string utf16_to_utf8(std::string_view bytes, bool big_endian) {
  std::string text;
  text.reserve(bytes.size() / 2 + bytes.size() / 8);
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<char32_t>(big_endian ? first << 8U | second : second << 8U | first);
  };
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    char32_t c = unit(i);
    if (between(c, 0xD800, 0xDBFF) && i + 3 < bytes.size() &&
        between(unit(i + 2), 0xDC00, 0xDFFF)) {
      c = 0x10000 + ((c - 0xD800) << 10U) + (unit(i + 2) - 0xDC00);
      i += 2;
    }
    append_utf8(text, c);
  }
  if (bytes.size() % 2 != 0) append_utf8(text, kReplacementCharacter);
  return text;
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return between(c, 'A', 'Z') ? c + 32 : c;
  if (between(c, 0xC0, 0xDE)) return c == 0xD7 ? c : c + 32;  // all but the multiplication sign
  switch (c) {                                                // Greek capitals with an accent
    case 0x386:
      return 0x3AC;
    case 0x388:
    case 0x389:
    case 0x38A:
      return c + 37;
    case 0x38C:
      return 0x3CC;
    case 0x38E:
    case 0x38F:
      return c + 63;
    default:
      break;
  }
  if (between(c, 0x391, 0x3AB) && c != 0x3A2) return c + 32;  // 3A2 is not assigned
  if (between(c, 0x400, 0x40F)) return c + 80;
  if (between(c, 0x410, 0x42F)) return c + 32;
  return c;
}

bool is_cjk(char32_t c) {
  return between(c, 0x4E00, 0x9FFF) || between(c, 0x3041, 0x3096) ||  // common Han, Hiragana
         between(c, 0x30A1, 0x30FA) || between(c, 0x30FC, 0x30FF) ||  // Katakana, its long mark
         c == 0x3005 || c == 0x3007 ||                                // iteration mark, zero
         between(c, 0x3400, 0x4DBF) || between(c, 0xF900, 0xFAFF) ||  // rare and compatible Han
         between(c, 0x31F0, 0x31FF) || between(c, 0xFF66, 0xFF9D) ||  // small, half-width Katakana
         between(c, 0x309D, 0x309F) || between(c, 0x20000, 0x3FFFD);  // marks, rarest Han
}

}  // namespace tapegrad::nn
