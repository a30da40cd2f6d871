// Decides which format a file has, and reads each of the four formats. Read next: model.h.
#include "corpus.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <tapegrad/nn/text/csv.h>
#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>

namespace text_classifier {
namespace {

using tapegrad::nn::CsvRow;
using tapegrad::nn::LineReader;
using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

constexpr std::string_view kFastTextPrefix = "__label__";

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

// The first field is in quotes, and a comma follows.
bool looks_like_quoted_csv(std::string_view line) {
  if (!line.starts_with('"')) return false;
  const std::size_t quote = line.find('"', 1);
  return quote != std::string_view::npos && line.substr(quote + 1).starts_with(',');
}

std::optional<Format> looks_like(std::string_view line) {
  if (line.starts_with(kFastTextPrefix)) return Format::kFastText;
  if (looks_like_quoted_csv(line)) return Format::kCsv;
  if (line.find('\t') != std::string_view::npos) return Format::kTab;
  if (looks_like_trec(line)) return Format::kTrec;
  if (line.find(',') != std::string_view::npos) return Format::kCsv;
  return std::nullopt;
}

Format decide_format(std::string_view text, const std::string& path) {
  std::map<Format, std::int64_t> votes;
  LineReader lines(text);
  std::int64_t first = 0;
  for (std::string_view line; lines.next(line);) {
    if (trim(line).empty()) continue;
    if (first == 0) first = lines.number();
    if (const std::optional<Format> format = looks_like(line)) ++votes[*format];
  }
  if (first == 0) throw_format_error(path, 1, "empty file; expected a labeled text on each line");
  if (votes.empty()) {
    throw_format_error(
        path, first,
        "no label; expected `text<TAB>label`, `LABEL:sub text`, `__label__X text` or CSV");
  }
  return std::max_element(votes.begin(), votes.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

struct Pieces {
  std::string_view text;
  std::string_view label;
};

// The caller reports an empty label or text.
Pieces split_line(Format format, std::string_view line) {
  switch (format) {
    case Format::kTab: {
      const std::size_t tab = line.rfind('\t');
      if (tab == std::string_view::npos) return {line, {}};
      return {line.substr(0, tab), line.substr(tab + 1)};
    }
    case Format::kTrec: {
      if (!looks_like_trec(line)) return {line, {}};
      return {line.substr(line.find(' ')), line.substr(0, line.find(':'))};
    }
    case Format::kFastText: {
      if (!line.starts_with(kFastTextPrefix)) return {line, {}};
      line.remove_prefix(kFastTextPrefix.size());
      const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
      return {line.substr(end), line.substr(0, end)};
    }
    case Format::kCsv:
      break;  // rows of a CSV are not lines
  }
  return {};
}

const char* expected(Format format) {
  switch (format) {
    case Format::kTab:
      return "expected `text<TAB>label`";
    case Format::kTrec:
      return "expected `LABEL:sub text`";
    case Format::kFastText:
      return "expected `__label__X text`";
    case Format::kCsv:
      break;
  }
  return "expected `label,text`";
}

std::vector<Row> read_lines(Format format, std::string_view text, const std::string& path) {
  std::vector<Row> rows;
  LineReader lines(text);
  for (std::string_view line; lines.next(line);) {
    if (trim(line).empty()) continue;
    const Pieces pieces = split_line(format, line);
    const std::string_view label = trim(pieces.label);
    const std::string_view content = trim(pieces.text);
    if (label.empty())
      throw_format_error(path, lines.number(), std::string("no label; ") + expected(format));
    if (content.empty())
      throw_format_error(path, lines.number(), std::string("no text; ") + expected(format));
    if (format == Format::kFastText && content.starts_with(kFastTextPrefix)) {
      throw_format_error(path, lines.number(), "two labels; needed one label for each text");
    }
    rows.push_back(Row{std::string(content), std::string(label), lines.number()});
  }
  return rows;
}

bool is_header(const CsvRow& row) {
  std::string first(trim(row.fields.front()));
  for (char& c : first) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return first == "label" || first == "class" || first == "class index";
}

std::vector<Row> read_csv(std::string_view text, const std::string& path) {
  std::vector<Row> rows;
  bool first = true;
  for (const CsvRow& csv : tapegrad::nn::parse_csv(text, path)) {
    if (std::exchange(first, false) && is_header(csv)) continue;
    if (csv.fields.size() == 1 && trim(csv.fields[0]).empty()) continue;  // only spaces
    const std::string_view label = trim(csv.fields[0]);
    std::string joined;
    for (std::size_t i = 1; i < csv.fields.size(); ++i) {
      if (i > 1) joined += ' ';
      joined += csv.fields[i];
    }
    if (csv.fields.size() < 2) {
      throw_format_error(path, csv.line, std::string("no label; ") + expected(Format::kCsv));
    }
    if (label.empty()) throw_format_error(path, csv.line, "no label; expected `label,text`");
    if (label.find('\n') != std::string_view::npos) {
      throw_format_error(path, csv.line, "a label has several lines; is a quote missing?");
    }
    if (trim(joined).empty()) throw_format_error(path, csv.line, "no text; expected `label,text`");
    rows.push_back(Row{plain_text(joined), std::string(label), csv.line});
  }
  return rows;
}

}  // namespace

const char* name(Format format) {
  switch (format) {
    case Format::kTab:
      return "text<TAB>label";
    case Format::kTrec:
      return "TREC";
    case Format::kFastText:
      return "fastText";
    case Format::kCsv:
      break;
  }
  return "CSV";
}

void refuse_pipe(const std::string& path, const char* operation) {
  std::error_code ignored;
  const auto type = std::filesystem::status(path, ignored).type();
  if (type != std::filesystem::file_type::fifo && type != std::filesystem::file_type::socket &&
      type != std::filesystem::file_type::character) {
    return;
  }
  throw tapegrad::IoError(std::string(operation) + ": cannot read " + path +
                          ": it is a pipe or a device; write its output into a file first, and "
                          "give the name of that file");
}

Corpus read_corpus(const std::string& path, const char* operation) {
  refuse_pipe(path, operation);
  const std::string text = tapegrad::nn::read_text(path, operation);
  Corpus corpus;
  corpus.path = path;
  corpus.format = decide_format(text, path);
  corpus.rows =
      corpus.format == Format::kCsv ? read_csv(text, path) : read_lines(corpus.format, text, path);
  if (corpus.rows.empty()) throw_format_error(path, 1, "no labeled text after the header");
  return corpus;
}

std::vector<std::string> label_names(const Corpus& corpus) {
  std::set<std::string> names;
  for (const Row& row : corpus.rows) names.insert(row.label);
  return {names.begin(), names.end()};
}

std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels) {
  std::map<std::string_view, std::int64_t> id_of;
  for (const std::string& label : labels) {
    id_of.emplace(label, static_cast<std::int64_t>(id_of.size()));
  }
  std::vector<std::int64_t> ids;
  ids.reserve(corpus.rows.size());
  for (const Row& row : corpus.rows) {
    const auto found = id_of.find(row.label);
    if (found == id_of.end()) {
      std::string known;
      for (const std::string& label : labels) known += (known.empty() ? "" : ", ") + label;
      throw_format_error(corpus.path, row.line,
                         "label `" + row.label + "` is unknown; the known ones are " + known);
    }
    ids.push_back(found->second);
  }
  return ids;
}

}  // namespace text_classifier
