// Labelled texts, read from the formats in which such data is published.
// Read next: model.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

enum class Format {
  kTab,       // Who wrote Hamlet?<TAB>HUM
  kTrec,      // HUM:ind Who wrote Hamlet ?       the label is the part before the colon
  kFastText,  // __label__HUM who wrote hamlet
  kCsv,       // "HUM","Who wrote Hamlet?"        label first, the other fields joined by a space
};

const char* name(Format format);

struct Row {
  std::string text;
  std::string label;
  std::int64_t line = 0;  // where it stands in the file, counted from 1
};

struct Corpus {
  std::string path;
  Format format = Format::kTab;
  std::vector<Row> rows;
};

// Reads a file whose format is decided by what it holds, not by its name: every line votes for the
// format it looks like, and then every row must be of the format that won. Blank lines are
// skipped, and so is a CSV header whose first field says `label` or `class`. Texts of a CSV lose
// their scraps of HTML (see plain_text). Latin-1 is converted to UTF-8.
// Throws tapegrad::IoError, or tapegrad::FormatError with file and line.
Corpus read_corpus(const std::string& path);

// The labels that occur, sorted.
std::vector<std::string> label_names(const Corpus& corpus);

// Position of each row's label in `labels`. Throws tapegrad::FormatError with the line of a label
// that is not among them.
std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels);

// Undoes what was done to news wires on their way into AG News: entities, which there have lost
// their ampersand (`#39;s`, `quot;`), tags (`<b>`), and backslashes in place of line ends.
std::string plain_text(std::string_view text);

}  // namespace text_classifier
