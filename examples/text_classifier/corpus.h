// Labeled texts, from files as people have them: source.h finds the encoding, table.h the format,
// columns.h which columns hold texts and labels, class_files.h reads one file for each class. Read
// next: corpus.cc.
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
  std::int64_t line = 0;                 // its line in the file, counted from 1
  std::size_t file = 0;                  // the position of this file in Corpus::class_files
  double weight = 1;                     // of a column of weights
  std::vector<std::string> labels = {};  // of a corpus with several labels: sorted, may be empty
};

// A file of labeled texts, or `LABEL=FILE` for each class.
using Files = std::vector<std::string>;

struct Corpus {
  std::string path;
  Format format = Format::kTab;
  Columns columns{};
  std::int64_t without_text = 0;  // rows that were skipped
  std::vector<Row> rows{};
  std::vector<std::string> class_files = {};  // one for each class; empty: all rows are of `path`
  bool multi_label = false;                   // whether a text may have several labels, or none
  std::string label_separator = {};           // between the labels of a text, if it was looked for
};

// Reads a file, or standard input if the path is `-`. Its content decides the format and the
// columns, not its name; `reading` may say them. Blank lines, a header and rows without a text are
// skipped. plain_text() cleans the texts of a CSV; `\n`, written as two characters, becomes a
// space. Throws tapegrad::IoError, which begins with `operation`, or tapegrad::FormatError with
// file and line.
Corpus read_corpus(const std::string& path, const char* operation = "read_text",
                   const Reading& reading = {});

// What read_corpus() does with all texts at the end: escapes and the remains of HTML are removed.
void clean_texts(Corpus& corpus);

// `FILE:LINE` of a row, as errors name it.
std::string place_of(const Corpus& corpus, const Row& row);

// A label or a text as messages show it: its beginning, in one line.
std::string shown(std::string_view text);

// One line about what was taken: `12 texts, 2 classes; text: column 2 "message", label: column 1
// "category", header skipped`.
std::string description(const Corpus& corpus);

// FormatError with the reason and the remedy if the labels cannot be learned: if there is only one,
// or if they are so many that they are probably texts or ids. What `reading` names is trusted.
void check_trainable(const Corpus& corpus, const Reading& reading = {});

// The labels that occur, sorted.
std::vector<std::string> label_names(const Corpus& corpus);

// The positions of each row's labels in `labels`, one for each row unless corpus.multi_label.
// Throws tapegrad::FormatError with the line of a label that is not in `labels`.
std::vector<std::vector<std::int64_t>> label_sets(const Corpus& corpus,
                                                  const std::vector<std::string>& labels);
// The same for a corpus whose rows have one label each.
std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels);

// Removes the remains of HTML in AG News: entities, most of which lack their ampersand (`#39;s`,
// `quot;`), tags (`<b>`), and backslashes where lines ended.
std::string plain_text(std::string_view text);

}  // namespace text_classifier
