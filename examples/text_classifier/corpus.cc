// From a table to texts and labels. Read next: plain_text.cc.
#include "text_classifier/corpus.h"

#include <tapegrad/nn/text/text_file.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "text_classifier/source.h"

namespace text_classifier {
namespace {

using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

// A label as messages show it: the beginning, in one line.
std::string shown(std::string_view label) {
  constexpr std::size_t kMost = 60;
  std::string text(label.substr(0, kMost));
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return label.size() > kMost ? text + "..." : text;
}

std::string listed(const std::vector<std::string>& labels) {
  constexpr std::size_t kMost = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(labels.size(), kMost); ++i) {
    text += (i > 0 ? ", " : "") + shown(labels[i]);
  }
  return labels.size() > kMost ? text + " and " + std::to_string(labels.size() - kMost) + " more"
                               : text;
}

// Whether backslashes in this file begin escapes: `\n` and the like, and hardly anything else.
bool has_escapes(const std::vector<Row>& rows) {
  std::size_t escapes = 0, others = 0;
  for (const Row& row : rows) {
    for (std::size_t at = row.text.find('\\'); at != std::string::npos;
         at = row.text.find('\\', at + 2)) {
      const char next = at + 1 < row.text.size() ? row.text[at + 1] : '\0';
      ++(next == 'n' || next == 'r' || next == 't' || next == '"' || next == '\'' ? escapes
                                                                                  : others);
    }
  }
  return escapes > 0 && escapes >= 9 * others;
}

std::string without_escapes(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == 'r' || next == 't') {
      result += ' ';
      ++i;
    } else if (next != '"' && next != '\'') {
      result += text[i];
    }
  }
  return std::string(trim(result));
}

std::string text_of(const TableRow& row, const Columns& columns, Format format) {
  std::string joined;
  for (const std::size_t column : columns.text) {
    const std::string field = field_of(row, columns, column, format);
    if (trim(field).empty()) continue;
    if (!joined.empty()) joined += ' ';
    joined += trim(field);
  }
  return joined;
}

void add_row(Corpus& corpus, const TableRow& row) {
  const Format format = corpus.format;
  if (format != Format::kJson && row.fields.size() < 2) {
    throw_format_error(corpus.path, row.line,
                       std::string("no label; expected ") + expected(format));
  }
  const std::string field = field_of(row, corpus.columns, corpus.columns.label, format);
  const std::string_view label = trim(field);
  if (label.empty()) {
    throw_format_error(corpus.path, row.line,
                       std::string("no label; expected ") + expected(format));
  }
  if (label.find('\n') != std::string_view::npos) {
    throw_format_error(corpus.path, row.line, "a label has several lines; is a quote missing?");
  }
  const std::string text = text_of(row, corpus.columns, format);
  if (text.empty()) {
    ++corpus.without_text;
    return;
  }
  corpus.rows.push_back({text, std::string(label), row.line});
}

std::string column_text(const Columns& columns, std::size_t column) {
  std::string text = "column " + std::to_string(column + 1);
  if (column < columns.names.size() && !columns.names[column].empty()) {
    text += " `" + shown(columns.names[column]) + "`";
  }
  return text;
}

std::string counted(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + ' ' + (count == 1 ? one : many);
}

// How often each label occurs.
std::map<std::string_view, std::size_t> counts_of(const Corpus& corpus) {
  std::map<std::string_view, std::size_t> counts;
  for (const Row& row : corpus.rows) ++counts[row.label];
  return counts;
}

constexpr const char* kRemedy = "; name the columns with --text-col and --label-col";

}  // namespace

Corpus read_corpus(const std::string& path, const char* operation, const Reading& reading) {
  Corpus corpus;
  corpus.path = name_of_source(path);
  const Table table = read_table(read_source(path, operation), reading.format, corpus.path);
  if (table.rows.empty()) {
    throw_format_error(corpus.path, 1, "empty file; expected a labeled text on each line");
  }
  corpus.format = table.format;
  corpus.columns = find_columns(table, reading, corpus.path);
  for (std::size_t i = corpus.columns.header ? 1 : 0; i < table.rows.size(); ++i) {
    add_row(corpus, table.rows[i]);
  }
  if (corpus.rows.empty()) {
    throw_format_error(
        corpus.path, 1,
        corpus.without_text > 0 ? "no row has a text" : "no labeled text after the header");
  }
  const bool escapes = has_escapes(corpus.rows);
  const bool is_csv = corpus.format == Format::kCsv || corpus.format == Format::kSemicolon;
  for (Row& row : corpus.rows) {
    if (escapes) row.text = without_escapes(row.text);
    if (is_csv) row.text = plain_text(row.text);
  }
  return corpus;
}

std::string description(const Corpus& corpus) {
  std::string text = counted(corpus.rows.size(), "text", "texts") + ", " +
                     counted(counts_of(corpus).size(), "class", "classes") + "; ";
  if (!has_columns(corpus.format)) {
    text += name(corpus.format);
  } else {
    text += "text: ";
    for (std::size_t i = 0; i < corpus.columns.text.size(); ++i) {
      text += (i > 0 ? " and " : "") + column_text(corpus.columns, corpus.columns.text[i]);
    }
    text += ", label: " + column_text(corpus.columns, corpus.columns.label);
    if (corpus.columns.header) text += ", header skipped";
  }
  if (corpus.without_text > 0) {
    text += "; " + counted(static_cast<std::size_t>(corpus.without_text), "row", "rows") +
            " without text skipped";
  }
  return text;
}

void check_trainable(const Corpus& corpus, const Reading& reading) {
  const auto counts = counts_of(corpus);
  const std::string where = has_columns(corpus.format)
                                ? " in " + column_text(corpus.columns, corpus.columns.label)
                                : std::string();
  if (counts.size() == 1) {
    throw_format_error(corpus.path, corpus.rows.front().line,
                       "all " + counted(corpus.rows.size(), "text has", "texts have") +
                           " the label `" + shown(corpus.rows.front().label) + "`" + where +
                           ", needed two or more" + (has_columns(corpus.format) ? kRemedy : ""));
  }
  constexpr std::size_t kEnough = 10;
  if (reading.label_column.empty() && corpus.rows.size() >= kEnough &&
      counts.size() * 2 >= corpus.rows.size()) {
    throw_format_error(
        corpus.path, corpus.rows.front().line,
        counted(counts.size(), "label", "different labels") + " for " +
            counted(corpus.rows.size(), "text", "texts") + where + ", such as `" +
            shown(corpus.rows.front().label) + "`: these look like texts or ids, not classes" +
            (has_columns(corpus.format) ? kRemedy : "; is it another format? see --format"));
  }
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
      throw_format_error(
          corpus.path, row.line,
          "label `" + shown(row.label) + "` is unknown; the known ones are " + listed(labels));
    }
    ids.push_back(found->second);
  }
  return ids;
}

}  // namespace text_classifier
