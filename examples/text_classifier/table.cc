// Detects the format, and splits each of them into fields. Read next: columns.h.
#include "text_classifier/table.h"

#include <tapegrad/nn/text/csv.h>
#include <tapegrad/nn/text/text_file.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace text_classifier {
namespace {

using tapegrad::nn::CsvRow;
using tapegrad::nn::LineReader;
using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

constexpr std::string_view kFastTextPrefix = "__label__";

struct FormatNames {
  Format format;
  const char* name;
  const char* option;
  const char* expected;
};
constexpr std::array<FormatNames, 9> kFormats{{
    {Format::kTab, "text<TAB>label", "tab", "`text<TAB>label`"},
    {Format::kCsv, "CSV", "csv", "`label,text`"},
    {Format::kSemicolon, "CSV with semicolons", "semicolon", "`label;text`"},
    {Format::kBar, "columns between bars", "bar", "`label|text`"},
    {Format::kJson, "JSON lines", "jsonl", "an object such as `{\"text\": ..., \"label\": ...}`"},
    {Format::kTrec, "TREC", "trec", "`LABEL:sub text`"},
    {Format::kFastText, "fastText", "fasttext", "`__label__X text`"},
    {Format::kSpace, "label and text", "space", "`label text`"},
    {Format::kClassFiles, "a file for each class", "", "a text"},
}};

const FormatNames& names_of(Format format) {
  return *std::ranges::find(kFormats, format, &FormatNames::format);
}

// Detection ---------------------------------------------------------------------------------------

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// `HUM:ind Who ...`: uppercase letters, a colon, a word, a space.
bool looks_like_trec(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const bool capitals =
      std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(colon), is_upper);
  const std::size_t space = line.find(' ', colon);
  return capitals && space != std::string_view::npos && space > colon + 1;
}

// The first field is in quotes, and the separator follows.
bool looks_quoted(std::string_view line, char separator) {
  if (!line.starts_with('"')) return false;
  const std::size_t quote = line.find('"', 1);
  return quote != std::string_view::npos && line.substr(quote + 1).starts_with(separator);
}

std::string_view last_word(std::string_view line) {
  line = trim(line);
  return line.substr(line.find_last_of(" \t") + 1);
}

bool looks_like_fast_text(std::string_view line) {
  return line.starts_with(kFastTextPrefix) || last_word(line).starts_with(kFastTextPrefix);
}

std::optional<Format> looks_like(std::string_view line) {
  if (looks_like_fast_text(line)) return Format::kFastText;
  if (line.starts_with('{') && trim(line).ends_with('}')) return Format::kJson;
  if (looks_quoted(line, ',')) return Format::kCsv;
  if (looks_quoted(line, ';')) return Format::kSemicolon;
  if (line.find('\t') != std::string_view::npos) return Format::kTab;
  if (looks_like_trec(line)) return Format::kTrec;
  if (line.find(',') != std::string_view::npos) return Format::kCsv;
  return std::nullopt;
}

// Whether most lines have the same number of the separator, and one of the fields between them
// repeats as labels do.
bool has_columns_between(const std::vector<std::string_view>& lines, char separator) {
  std::map<std::ptrdiff_t, std::vector<std::string_view>> by_count;
  for (const std::string_view line : lines) {
    by_count[std::ranges::count(line, separator)].push_back(line);
  }
  by_count.erase(0);
  std::vector<std::string_view> most;
  for (const auto& [count, of_count] : by_count) {
    if (of_count.size() > most.size()) most = of_count;
  }
  if (most.size() * 5 < lines.size() * 4) return false;
  std::map<std::size_t, std::set<std::string_view>> values;  // of each field
  for (const std::string_view line : most) {
    std::size_t begin = 0;
    for (std::size_t field = 0; begin <= line.size(); ++field) {
      const std::size_t end = std::min(line.find(separator, begin), line.size());
      values[field].insert(line.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return std::ranges::any_of(values, [&](const auto& of_field) {
    const std::size_t different = of_field.second.size();
    return most.size() < 4 || (different >= 2 && different * 2 <= most.size());
  });
}

// Whether the first words of the lines are few different ones, as labels are.
bool starts_with_labels(const std::vector<std::string_view>& lines) {
  std::set<std::string_view> first;
  for (const std::string_view line : lines) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || trim(line.substr(space)).empty()) return false;
    first.insert(line.substr(0, space));
  }
  return lines.size() >= 4 && first.size() >= 2 && first.size() * 2 <= lines.size();
}

// Of formats without a sign of their own: commas, semicolons and bars also occur in texts.
std::optional<Format> weak_format(const std::vector<std::string_view>& lines) {
  if (has_columns_between(lines, ',')) return Format::kCsv;
  if (has_columns_between(lines, ';')) return Format::kSemicolon;
  if (has_columns_between(lines, '|')) return Format::kBar;
  if (starts_with_labels(lines)) return Format::kSpace;
  return std::nullopt;
}

Format decide_format(std::string_view text, const std::string& name) {
  std::map<Format, std::int64_t> votes;
  std::vector<std::string_view> lines;
  LineReader reader(text);
  std::int64_t first = 0;
  for (std::string_view line; reader.next(line);) {
    if (trim(line).empty()) continue;
    if (first == 0) first = reader.number();
    lines.push_back(line);
    if (const std::optional<Format> format = looks_like(line)) ++votes[*format];
  }
  if (first == 0) throw_format_error(name, 1, "empty file; expected a labeled text on each line");
  if (text.starts_with("[") && trim(lines.back()).ends_with(']') &&
      (lines.front() == "[" || lines.front().starts_with("[{"))) {
    return Format::kJson;
  }
  const auto most = std::ranges::max_element(
      votes, [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool weak = most == votes.end() ||
                    (most->first == Format::kCsv && std::ranges::none_of(lines, [](auto line) {
                       return looks_quoted(line, ',');
                     }));
  if (weak) {
    if (const std::optional<Format> format = weak_format(lines)) return *format;
  }
  if (most != votes.end()) return most->first;
  throw_format_error(
      name, first,
      "no label; expected `text<TAB>label`, `LABEL:sub text`, `__label__X text` or CSV");
}

// Splitting ---------------------------------------------------------------------------------------

[[noreturn]] void fail(const std::string& name, std::int64_t line, const std::string& problem,
                       Format format) {
  throw_format_error(name, line, problem + "; expected " + expected(format));
}

std::vector<std::string> split(std::string_view line, char separator) {
  std::vector<std::string> fields;
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(line.find(separator, begin), line.size());
    fields.emplace_back(line.substr(begin, end - begin));
    if (end == line.size()) return fields;
    begin = end + 1;
  }
}

// {label, text}
std::vector<std::string> split_trec(std::string_view line, const std::string& name,
                                    std::int64_t number) {
  if (!looks_like_trec(line)) fail(name, number, "no label", Format::kTrec);
  return {std::string(line.substr(0, line.find(':'))), std::string(line.substr(line.find(' ')))};
}

std::vector<std::string> split_space(std::string_view line, const std::string& name,
                                     std::int64_t number) {
  const std::size_t space = line.find_first_of(" \t");
  if (space == 0) fail(name, number, "no label", Format::kSpace);
  const std::size_t end = std::min(space, line.size());
  return {std::string(line.substr(0, end)), std::string(line.substr(end))};
}

constexpr std::string_view kBlanks = " \t\r\v\f";

// The label may stand anywhere, most often first or last.
std::vector<std::string> split_fast_text(std::string_view line, const std::string& name,
                                         std::int64_t number, bool several_labels) {
  std::string label;
  std::string text;
  std::size_t labels = 0;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    const std::size_t next = std::min(end + 1, line.size());
    if (word.starts_with(kFastTextPrefix)) {
      label += labels++ > 0 ? " " : "";
      label += word.substr(kFastTextPrefix.size());
    } else {
      text += line.substr(begin, next - begin);
    }
    begin = next;
  }
  if (several_labels) return {label, text};
  if (labels > 1) {
    throw_format_error(name, number,
                       "two labels; needed one label for each text, or --multi-label");
  }
  if (label.empty()) fail(name, number, "no label", Format::kFastText);
  return {label, text};
}

std::vector<TableRow> read_lines(std::string_view text, Format format, const std::string& name,
                                 bool several_labels) {
  std::vector<TableRow> rows;
  LineReader lines(text);
  for (std::string_view line; lines.next(line);) {
    if (trim(line).empty()) continue;
    const std::int64_t number = lines.number();
    switch (format) {
      case Format::kTrec:
        rows.push_back({split_trec(line, name, number), number});
        break;
      case Format::kFastText:
        rows.push_back({split_fast_text(line, name, number, several_labels), number});
        break;
      case Format::kSpace:
        rows.push_back({split_space(line, name, number), number});
        break;
      default:
        rows.push_back({split(line, format == Format::kBar ? '|' : '\t'), number});
    }
  }
  return rows;
}

std::vector<TableRow> read_csv(std::string_view text, char separator, const std::string& name) {
  std::vector<TableRow> rows;
  for (CsvRow& row : tapegrad::nn::parse_csv(text, name, separator)) {
    if (row.fields.size() == 1 && trim(row.fields[0]).empty()) continue;  // only spaces
    // Excel's first line, which names the separator.
    if (rows.empty() && row.line == 1 && row.fields[0] == "sep=") continue;
    rows.push_back({std::move(row.fields), row.line});
  }
  return rows;
}

using nlohmann::ordered_json;

std::string field_of(const ordered_json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

constexpr int kDeepest = 8;
constexpr std::size_t kMostKeys = 32;  // each row has a field for each key

ordered_json parsed(std::string_view text, const std::string& name, std::int64_t line) {
  bool too_deep = false;
  ordered_json value = ordered_json::parse(
      text,
      [&](int depth, ordered_json::parse_event_t, ordered_json&) {
        too_deep = too_deep || depth > kDeepest;
        return depth <= kDeepest;
      },
      false);
  if (too_deep) fail(name, line, "lists in lists in lists", Format::kJson);
  if (value.is_discarded()) fail(name, line, "not valid JSON", Format::kJson);
  return value;
}

// Objects become rows whose fields are in the order in which the keys were first seen.
class JsonTable {
 public:
  explicit JsonTable(const std::string& name) : name_(name) {}

  void add(const ordered_json& object, std::int64_t line) {
    if (!object.is_object()) fail(name_, line, "not an object", Format::kJson);
    TableRow row{std::vector<std::string>(table_.names.size()), line};
    for (const auto& [key, value] : object.items()) {
      const auto [place, is_new] = position_of_.emplace(key, table_.names.size());
      if (is_new) table_.names.push_back(key);
      if (table_.names.size() > kMostKeys) {
        fail(name_, line, "more than 32 different keys in the file", Format::kJson);
      }
      row.fields.resize(table_.names.size());
      row.fields[place->second] = field_of(value);
    }
    table_.rows.push_back(std::move(row));
  }

  Table finish() && {
    table_.format = Format::kJson;
    for (TableRow& row : table_.rows) row.fields.resize(table_.names.size());
    return std::move(table_);
  }

 private:
  const std::string& name_;
  Table table_;
  std::map<std::string, std::size_t> position_of_;
};

// One object on each line, or a list of objects.
Table read_json(std::string_view text, const std::string& name) {
  JsonTable table(name);
  if (text.starts_with('[')) {
    for (const ordered_json& object : parsed(text, name, 1)) table.add(object, 1);
    return std::move(table).finish();
  }
  LineReader lines(text);
  for (std::string_view line; lines.next(line);) {
    if (!trim(line).empty()) table.add(parsed(line, name, lines.number()), lines.number());
  }
  return std::move(table).finish();
}

}  // namespace

const char* name(Format format) { return names_of(format).name; }
const char* option(Format format) { return names_of(format).option; }
const char* expected(Format format) { return names_of(format).expected; }

std::optional<Format> format_of_option(std::string_view option) {
  for (const FormatNames& each : kFormats) {
    if (!option.empty() && option == each.option) return each.format;
  }
  return std::nullopt;
}

bool has_columns(Format format) {
  return format != Format::kTrec && format != Format::kFastText && format != Format::kSpace &&
         format != Format::kClassFiles;
}

Table read_table(std::string_view text, std::optional<Format> format, const std::string& name,
                 bool several_labels) {
  // Excel's first line names the separator.
  if (!format && text.starts_with("sep=;")) format = Format::kSemicolon;
  const Format decided = format ? *format : decide_format(text, name);
  switch (decided) {
    case Format::kJson:
      return read_json(text, name);
    case Format::kCsv:
      return {decided, {}, read_csv(text, ',', name)};
    case Format::kSemicolon:
      return {decided, {}, read_csv(text, ';', name)};
    default:
      return {decided, {}, read_lines(text, decided, name, several_labels)};
  }
}

}  // namespace text_classifier
