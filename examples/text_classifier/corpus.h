// Labeled texts, read from four formats in which such data is published.
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
  std::int64_t line = 0;  // its line in the file, counted from 1
};

struct Corpus {
  std::string path;
  Format format = Format::kTab;
  std::vector<Row> rows;
};

// Reads a file. Its content decides the format, not its name: most lines look like that format, and
// every line must have it. Blank lines are skipped, and so is a CSV header whose first field is
// `label`, `class` or `class index`. plain_text() cleans the texts of a CSV. Latin-1 is converted
// to UTF-8. Throws tapegrad::IoError, which begins with `operation`, or tapegrad::FormatError with
// file and line.
Corpus read_corpus(const std::string& path, const char* operation = "read_text");

// IoError if the file is a pipe or a device. The library reads only regular files, because a pipe
// could make it wait forever; this error says what to do.
void refuse_pipe(const std::string& path, const char* operation);

// The labels that occur, sorted.
std::vector<std::string> label_names(const Corpus& corpus);

// The position of each row's label in `labels`. Throws tapegrad::FormatError with the line of a
// label that is not in `labels`.
std::vector<std::int64_t> label_ids(const Corpus& corpus, const std::vector<std::string>& labels);

// Removes the remains of HTML in AG News: entities, most of which lack their ampersand (`#39;s`,
// `quot;`), tags (`<b>`), and backslashes where lines ended.
std::string plain_text(std::string_view text);

}  // namespace text_classifier
