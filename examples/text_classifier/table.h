// A file of labeled texts as rows of fields, before anything is known about their meaning. Read
// next: table.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

enum class Format {
  kTab,         // Who wrote Hamlet?<TAB>HUM       columns between tabs
  kCsv,         // "HUM","Who wrote Hamlet?"       columns between commas (RFC 4180)
  kSemicolon,   // HUM;Who wrote Hamlet?
  kBar,         // HUM|Who wrote Hamlet?
  kJson,        // {"text": "Who wrote Hamlet?", "label": "HUM"}   one object on each line
  kTrec,        // HUM:ind Who wrote Hamlet ?      the label is the part before the colon
  kFastText,    // __label__HUM who wrote hamlet   the label may also stand at the end
  kSpace,       // HUM who wrote hamlet            the label is the first word
  kClassFiles,  // who wrote hamlet               a file for each class, so no label
};

// `CSV`, `text<TAB>label`, ... as in messages, and `csv`, `tab`, ... as on the command line.
const char* name(Format format);
const char* option(Format format);
// What a line of this format is, after `expected`: `label,text` in quotes, ...
const char* expected(Format format);
std::optional<Format> format_of_option(std::string_view option);

struct TableRow {
  std::vector<std::string> fields;
  std::int64_t line = 0;  // in the file, counted from 1
};

struct Table {
  Format format = Format::kTab;
  std::vector<std::string> names;  // the keys of JSON; empty for other formats
  std::vector<TableRow> rows;
};

// Whether rows have columns whose meaning must be found out. The rows of the other formats have two
// fields: the label and the text.
bool has_columns(Format format);

// The rows of a text. If no format is given, the content decides: most lines look like that format.
// Blank lines are skipped. FormatError with `name` and the line for a line that does not have the
// format. With `several_labels`, a line in fastText's format may have several labels, or none; they
// stand in the first field with spaces between them.
Table read_table(std::string_view text, std::optional<Format> format, const std::string& name,
                 bool several_labels = false);

}  // namespace text_classifier
