// The rules of nn/text/word_vectors_format.h. Read next: nn/text/block_reader.h.
#include <tapegrad/nn/text/word_vectors_format.h>

#include <charconv>
#include <cmath>
#include <utility>

#include <tapegrad/nn/text/utf8.h>

namespace tapegrad::nn::detail {

// Fields ------------------------------------------------------------------------------------------

namespace {

bool is_space_or_tab(char byte) { return byte == ' ' || byte == '\t'; }

std::string_view without_trailing_blanks(std::string_view text) {
  while (!text.empty() && is_space_or_tab(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  const bool cut = text.size() > kLongest;
  text = text.substr(0, kLongest);
  if (cut) text = text.substr(0, first_invalid_utf8(text));
  const bool readable = is_utf8(text);
  std::string shown = "`";
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    shown += value < 0x20 || value == 0x7F || (value > 0x7F && !readable) ? '?' : byte;
  }
  return shown + (cut ? "...`" : "`");
}

std::string_view trimmed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = without_trailing_blanks(line);
  while (!line.empty() && is_space_or_tab(line.front())) line.remove_prefix(1);
  return line;
}

std::string_view take_last_field(std::string_view& line) {
  const std::size_t begin = line.find_last_of(" \t") + 1;  // npos + 1 is 0
  const std::string_view field = line.substr(begin);
  line = without_trailing_blanks(line.substr(0, begin));
  return field;
}

std::optional<float> parse_number(std::string_view field) {
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  const char* const end = field.data() + field.size();
  float number = 0;
  const auto [stop, error] = std::from_chars(field.data(), end, number);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    double wide = 0;
    const auto again = std::from_chars(field.data(), end, wide);
    if (again.ec != std::errc() || std::abs(wide) > 1) return std::nullopt;
    return static_cast<float>(wide);
  }
  if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
  return number;
}

std::string advice_for_comma(std::string_view field) {
  std::string with_point(field);
  std::ranges::replace(with_point, ',', '.');
  if (with_point == field || !parse_number(with_point)) return "";
  return "; the decimal separator is a point: " + in_quotes(with_point);
}

std::optional<VectorsHeader> parse_vectors_header(std::string_view line) {
  line = trimmed(line);
  VectorsHeader header;
  for (std::uint64_t* const number : {&header.dim, &header.rows}) {
    const std::string_view field = take_last_field(line);
    const char* const end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(field.data(), end, *number);
    if (error != std::errc() || stop != end || *number > INT64_MAX) return std::nullopt;
  }
  return line.empty() ? std::optional(header) : std::nullopt;
}

// The format --------------------------------------------------------------------------------------

namespace {

constexpr std::size_t kLinesToJudge = 64;

// How many numbers a line ends with. The first field is the word and does not count.
std::size_t count_numbers(std::string_view line) {
  line = trimmed(line);
  std::size_t numbers = 0;
  while (parse_number(take_last_field(line)) && !line.empty()) ++numbers;
  return numbers;
}

// Whether `data` is exactly the content of a binary file after its header.
bool is_exactly_binary(std::string_view data, const VectorsHeader& header) {
  for (std::uint64_t row = 0; row < header.rows; ++row) {
    while (data.starts_with('\n')) data.remove_prefix(1);
    const std::size_t space = data.find(' ');
    if (space == std::string_view::npos || (data.size() - space - 1) / 4 < header.dim) return false;
    data.remove_prefix(space + 1 + 4 * header.dim);
  }
  return data.find_first_not_of('\n') == std::string_view::npos;
}

}  // namespace

std::vector<std::string_view> first_lines(std::string_view text, bool ends_file) {
  std::vector<std::string_view> lines;
  while (!text.empty() && lines.size() < kLinesToJudge) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && !ends_file) break;
    const std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty()) lines.push_back(line);
    text.remove_prefix(std::min(text.size(), end == std::string_view::npos ? end : end + 1));
  }
  return lines;
}

std::size_t judge_dim(const std::vector<std::string_view>& lines) {
  std::vector<std::pair<std::size_t, int>> votes;
  for (const std::string_view line : lines) {
    const std::size_t numbers = count_numbers(line);
    if (numbers == 0) continue;
    const auto same = std::ranges::find(votes, numbers, &std::pair<std::size_t, int>::first);
    if (same == votes.end()) {
      votes.emplace_back(numbers, 1);
    } else {
      ++same->second;
    }
  }
  if (votes.empty()) return 0;
  return std::ranges::max_element(votes, {}, &std::pair<std::size_t, int>::second)->first;
}

bool most_have(const std::vector<std::string_view>& lines, std::uint64_t dim) {
  const auto agreeing = std::ranges::count_if(
      lines, [dim](std::string_view line) { return count_numbers(line) == dim; });
  return 2 * static_cast<std::size_t>(agreeing) >= lines.size();
}

bool is_binary(std::string_view data, bool ends_file, const VectorsHeader& header) {
  const std::vector<std::string_view> lines = first_lines(data, ends_file);
  if (!lines.empty() && most_have(lines, header.dim)) return false;
  const bool controls = std::ranges::any_of(data, [](char byte) {
    return static_cast<unsigned char>(byte) < ' ' && byte != '\t' && byte != '\r' && byte != '\n';
  });
  const std::size_t invalid = first_invalid_utf8(data);  // the block may end inside a character
  if (controls || (invalid < data.size() && (ends_file || invalid + 4 < data.size()))) return true;
  const bool commas = std::ranges::any_of(lines, [](std::string_view line) {
    return !advice_for_comma(take_last_field(line)).empty();
  });
  return ends_file && header.rows > 0 && judge_dim(lines) == 0 && !commas &&
         is_exactly_binary(data, header);
}

const char* advice_for_other(std::string_view start) {
  static constexpr std::pair<std::string_view, const char*> kOthers[] = {
      {"\xBA\x16\x4F\x2F",  // 793712314
       "this is a whole fastText model, which has other parts besides the vectors; read the .vec "
       "file that fastText wrote beside it, or the output of `fasttext print-word-vectors "
       "model.bin < "
       "words.txt`"},
      {"\x1F\x8B", "this is compressed by gzip; unpack it with gunzip"},
      {"PK\x03\x04", "this is a zip archive; unpack it with unzip"},
  };
  for (const auto& [magic, advice] : kOthers) {
    if (start.starts_with(magic)) return advice;
  }
  return nullptr;
}

}  // namespace tapegrad::nn::detail
