// From a table to texts and labels. Read next: class_files.h.
#include "text_classifier/corpus.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/numbers.h"
#include "text_classifier/source.h"

namespace text_classifier {
namespace {

using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

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

// The labels in a field, sorted: between separators, or the strings of a JSON list.
std::vector<std::string> labels_in(std::string_view field, const std::string& separator) {
  std::set<std::string> labels;
  const nlohmann::json list =
      field.starts_with('[') ? nlohmann::json::parse(field, nullptr, false) : nlohmann::json();
  if (list.is_array()) {
    for (const nlohmann::json& each : list) {
      const std::string label = each.is_string() ? each.get<std::string>() : each.dump();
      if (!trim(label).empty()) labels.emplace(trim(label));
    }
    return {labels.begin(), labels.end()};
  }
  for (std::size_t begin = 0; begin <= field.size();) {
    const std::size_t end = std::min(field.find(separator, begin), field.size());
    const std::string_view label = trim(field.substr(begin, end - begin));
    if (!label.empty()) labels.emplace(label);
    begin = end + separator.size();
  }
  return {labels.begin(), labels.end()};
}

// What stands between the labels of a text: of comma, semicolon and bar the one with which most
// labels are known, or else the one in most fields.
std::string label_separator(const Table& table, const Columns& columns, const Reading& reading) {
  if (!reading.label_separator.empty()) return reading.label_separator;
  if (table.format == Format::kFastText) return " ";
  const std::set<std::string_view> known(reading.labels.begin(), reading.labels.end());
  std::string best = ",";
  std::size_t most = 0;
  for (const std::string separator : {",", ";", "|"}) {
    std::size_t found = 0;
    for (std::size_t i = columns.header ? 1 : 0; i < table.rows.size(); ++i) {
      const std::string field = field_of(table.rows[i], columns, columns.label, table.format);
      if (known.empty()) {
        found += field.find(separator) != std::string::npos ? 1 : 0;
        continue;
      }
      for (const std::string& label : labels_in(field, separator)) found += known.count(label);
    }
    if (found > most) {
      most = found;
      best = separator;
    }
  }
  return best;
}

double weight_of(const Corpus& corpus, const TableRow& row) {
  const std::string field = field_of(row, corpus.columns, *corpus.columns.weight, corpus.format);
  const std::string_view text = trim(field);
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error != std::errc() || end != text.data() + text.size() || !(weight >= 0) ||
      !std::isfinite(weight)) {
    throw_format_error(corpus.path, row.line,
                       "the weight is `" + shown(text) + "`, needed a number of 0 or more");
  }
  return weight;
}

void add_row(Corpus& corpus, const TableRow& row) {
  const Format format = corpus.format;
  if (format != Format::kJson && row.fields.size() < 2) {
    throw_format_error(corpus.path, row.line,
                       std::string("no label; expected ") + expected(format));
  }
  const std::string field = field_of(row, corpus.columns, corpus.columns.label, format);
  const std::string_view label = trim(field);
  if (label.empty() && !corpus.multi_label) {
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
  Row& added = corpus.rows.emplace_back(Row{text, std::string(label), row.line});
  if (corpus.columns.weight) added.weight = weight_of(corpus, row);
  if (corpus.multi_label) added.labels = labels_in(label, corpus.label_separator);
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
  for (const Row& row : corpus.rows) {
    if (!corpus.multi_label) ++counts[row.label];
    for (const std::string& label : row.labels) ++counts[label];
  }
  return counts;
}

// `; 1.8 labels for each text, 3 texts without a label`
std::string labels_text(const Corpus& corpus) {
  std::size_t labels = 0, without = 0;
  for (const Row& row : corpus.rows) {
    labels += row.labels.size();
    without += row.labels.empty() ? 1 : 0;
  }
  const double mean = static_cast<double>(labels) / static_cast<double>(corpus.rows.size());
  std::string text = "; " + examples::fixed(mean, 2) + " labels for each text";
  if (without > 0) text += ", " + counted(without, "text", "texts") + " without a label";
  return text;
}

constexpr const char* kRemedy = "; name the columns with --text-col and --label-col";

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string begin(text.substr(0, kMost));
  if (text.size() > kMost) {  // no part of a character stays
    while (!begin.empty() && (static_cast<unsigned char>(begin.back()) & 0xC0) == 0x80) {
      begin.pop_back();
    }
    if (!begin.empty() && static_cast<unsigned char>(begin.back()) >= 0xC0) begin.pop_back();
  }
  std::ranges::replace(begin, '\n', ' ');
  return text.size() > kMost ? begin + "..." : begin;
}

std::string place_of(const Corpus& corpus, const Row& row) {
  return (corpus.class_files.empty() ? corpus.path : corpus.class_files[row.file]) + ":" +
         std::to_string(row.line);
}

void clean_texts(Corpus& corpus) {
  const bool escapes = has_escapes(corpus.rows);
  const bool is_csv = corpus.format == Format::kCsv || corpus.format == Format::kSemicolon;
  for (Row& row : corpus.rows) {
    if (escapes) row.text = without_escapes(row.text);
    if (is_csv) row.text = plain_text(row.text);
  }
}

Corpus read_corpus(const std::string& path, const char* operation, const Reading& reading) {
  Corpus corpus;
  corpus.path = name_of_source(path);
  const Table table =
      read_table(read_source(path, operation), reading.format, corpus.path, reading.multi_label);
  if (table.rows.empty()) {
    throw_format_error(corpus.path, 1, "empty file; expected a labeled text on each line");
  }
  corpus.format = table.format;
  corpus.columns = find_columns(table, reading, corpus.path);
  corpus.multi_label = reading.multi_label;
  if (corpus.multi_label) corpus.label_separator = label_separator(table, corpus.columns, reading);
  for (std::size_t i = corpus.columns.header ? 1 : 0; i < table.rows.size(); ++i) {
    add_row(corpus, table.rows[i]);
  }
  if (corpus.rows.empty()) {
    throw_format_error(
        corpus.path, 1,
        corpus.without_text > 0 ? "no row has a text" : "no labeled text after the header");
  }
  clean_texts(corpus);
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
    if (corpus.multi_label) text += " (between `" + corpus.label_separator + "`)";
    if (corpus.columns.weight)
      text += ", weight: " + column_text(corpus.columns, *corpus.columns.weight);
    if (corpus.columns.header) text += ", header skipped";
  }
  if (corpus.multi_label) text += labels_text(corpus);
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
  const auto fail = [&](const std::string& problem) {
    const std::string place = place_of(corpus, corpus.rows.front());
    throw tapegrad::FormatError(place + ": " + problem);
  };
  if (counts.empty()) fail("no text has a label" + where + ", needed two or more different ones");
  if (counts.size() == 1 && corpus.multi_label) {
    fail("the only label is `" + shown(counts.begin()->first) + "`" + where +
         ", needed two or more" + (has_columns(corpus.format) ? kRemedy : ""));
  }
  if (counts.size() == 1) {
    fail("all " + counted(corpus.rows.size(), "text has", "texts have") + " the label `" +
         shown(corpus.rows.front().label) + "`" + where + ", needed two or more" +
         (has_columns(corpus.format) ? kRemedy : ""));
  }
  constexpr std::size_t kEnough = 10;
  if (reading.label_column.empty() && corpus.rows.size() >= kEnough &&
      counts.size() * 2 >= corpus.rows.size()) {
    fail(counted(counts.size(), "label", "different labels") + " for " +
         counted(corpus.rows.size(), "text", "texts") + where + ", such as `" +
         shown(corpus.rows.front().label) + "`: these look like texts or ids, not classes" +
         (has_columns(corpus.format) ? kRemedy : "; is it another format? see --format"));
  }
}

std::vector<std::string> label_names(const Corpus& corpus) {
  const auto counts = counts_of(corpus);
  std::vector<std::string> names;
  for (const auto& [label, count] : counts) names.emplace_back(label);
  return names;
}

std::vector<std::vector<std::int64_t>> label_sets(const Corpus& corpus,
                                                  const std::vector<std::string>& labels) {
  std::map<std::string_view, std::int64_t> id_of;
  for (const std::string& label : labels) {
    id_of.emplace(label, static_cast<std::int64_t>(id_of.size()));
  }
  std::vector<std::vector<std::int64_t>> sets;
  sets.reserve(corpus.rows.size());
  for (const Row& row : corpus.rows) {
    std::vector<std::int64_t>& ids = sets.emplace_back();
    const auto add = [&](const std::string& label) {
      const auto found = id_of.find(label);
      if (found == id_of.end()) {
        throw tapegrad::FormatError(place_of(corpus, row) + ": label `" + shown(label) +
                                    "` is unknown; the known ones are " + listed(labels));
      }
      ids.push_back(found->second);
    };
    if (!corpus.multi_label) add(row.label);
    for (const std::string& label : row.labels) add(label);
  }
  return sets;
}

std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels) {
  std::vector<std::int64_t> ids;
  ids.reserve(corpus.rows.size());
  for (const std::vector<std::int64_t>& of_row : label_sets(corpus, labels)) {
    ids.push_back(of_row.front());
  }
  return ids;
}

}  // namespace text_classifier
