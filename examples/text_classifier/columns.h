// Which columns of a table hold the texts and the labels. Read next: columns.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/table.h"

namespace text_classifier {

// What the user has said about a file; the rest is found out.
struct Reading {
  std::optional<Format> format = std::nullopt;
  // A name of the header, or a number from 1. Several columns of texts with commas between them.
  std::string text_column{};
  std::string label_column{};
  std::optional<bool> header = std::nullopt;  // whether the first row holds names
  std::vector<std::string> labels{};  // that a model knows: a column that holds them is the labels
  std::string weight_column{};        // of the weights of the texts; empty: all weigh the same
  bool needs_weights = false;         // whether the file must have this column
  bool multi_label = false;           // whether a text may have several labels, or none
  std::string label_separator{};      // between them; empty: found out
};

struct Columns {
  std::size_t count = 2;          // of most rows
  std::vector<std::size_t> text;  // their fields are joined, with a space between them
  std::size_t label = 0;
  bool header = false;
  std::vector<std::string> names;  // of the header or of JSON; empty if there is none
  std::optional<std::size_t> weight = std::nullopt;  // of the weights, if they are read
};

// Finds the columns by the names of a header (text, sentence, review, message, ...; label, class,
// category, sentiment, ...) and by counting: labels are short and repeat, texts have many words,
// ids and constants are neither. FormatError with `name` if there is no column that can be the
// labels or the texts, or if the columns that were asked for do not exist.
Columns find_columns(const Table& table, const Reading& reading, const std::string& name);

// The field of a row in a column. A text with separators in it makes more fields than the others
// have; they are counted to its column, and later columns keep their place from the end.
std::string field_of(const TableRow& row, const Columns& columns, std::size_t column,
                     Format format);

}  // namespace text_classifier
