// Labeled texts, from files as people have them: source.h finds the encoding, table.h the format,
// columns.h which columns hold texts and labels. Read next: corpus.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_classifier/columns.h"
#include "text_classifier/table.h"

namespace text_classifier {

struct Row {
  std::string text;
  std::string label;
  std::int64_t line = 0;  // its line in the file, counted from 1
};

struct Corpus {
  std::string path;
  Format format = Format::kTab;
  Columns columns;
  std::int64_t without_text = 0;  // rows that were skipped
  std::vector<Row> rows;
};

// Reads a file, or standard input if the path is `-`. Its content decides the format and the
// columns, not its name; `reading` may say them. Blank lines, a header and rows without a text are
// skipped. plain_text() cleans the texts of a CSV; `\n`, written as two characters, becomes a
// space. Throws tapegrad::IoError, which begins with `operation`, or tapegrad::FormatError with
// file and line.
Corpus read_corpus(const std::string& path, const char* operation = "read_text",
                   const Reading& reading = {});

// One line about what was taken: `12 texts, 2 classes; text: column 2 "message", label: column 1
// "category", header skipped`.
std::string description(const Corpus& corpus);

// FormatError with the reason and the remedy if the labels cannot be learned: if there is only one,
// or if they are so many that they are probably texts or ids. What `reading` names is trusted.
void check_trainable(const Corpus& corpus, const Reading& reading = {});

// The labels that occur, sorted.
std::vector<std::string> label_names(const Corpus& corpus);

// The position of each row's label in `labels`. Throws tapegrad::FormatError with the line of a
// label that is not in `labels`.
std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels);

// Removes the remains of HTML in AG News: entities, most of which lack their ampersand (`#39;s`,
// `quot;`), tags (`<b>`), and backslashes where lines ended.
std::string plain_text(std::string_view text);

}  // namespace text_classifier
