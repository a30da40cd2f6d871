// The check of the three fuzzers of labeled texts. Read next: tests/fuzz/csv.cc.
#pragma once

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/utf8.h>

#include <algorithm>
#include <string>

#include "fuzz/fuzzer.h"
#include "fuzz/memory_files.h"
#include "text_classifier/corpus.h"

namespace tapegrad::test {

// Fields of a few bytes become strings of 32 bytes and more.
constexpr std::size_t kCorpusFactor = 160;

// Whether corpus_text() can write these rows so that they are read as they are.
inline bool is_writable(const text_classifier::Corpus& corpus) {
  using text_classifier::Format;
  if (corpus.format != Format::kTab && corpus.format != Format::kTrec &&
      corpus.format != Format::kFastText) {
    return false;
  }
  return std::ranges::all_of(corpus.rows, [](const text_classifier::Row& row) {
    return (row.text + row.label).find_first_of("\\\t") == std::string::npos;
  });
}

// A file of these rows in the format.
inline std::string corpus_text(const text_classifier::Corpus& corpus) {
  using text_classifier::Format;
  std::string text;
  for (const text_classifier::Row& row : corpus.rows) {
    if (corpus.format == Format::kTab) {
      text.append(" ").append(row.text).append("\t").append(row.label);
    } else if (corpus.format == Format::kTrec) {
      text.append(row.label).append(":x ").append(row.text);
    } else {
      text.append("__label__").append(row.label).append(" ").append(row.text);
    }
    text += '\n';
  }
  return text;
}

inline void check_corpus(const std::string& input) {
  using text_classifier::Corpus;
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const auto read = attempt(
      input.size(), [] { return text_classifier::read_corpus("/memory/in"); }, kCorpusFactor);
  if (!read) return;
  check(!read->rows.empty(), "a corpus has no rows");
  std::int64_t line = 0;
  for (const text_classifier::Row& row : read->rows) {
    check(!row.label.empty() && nn::trim(row.label) == row.label,
          "a label is empty or not trimmed");
    check(nn::is_utf8(row.label) && nn::is_utf8(row.text), "a text is not UTF-8");
    check(row.line > line, "the lines do not increase");
    line = row.line;
  }
  check(!text_classifier::label_names(*read).empty(), "a corpus has no labels");
  text_classifier::label_ids(*read, text_classifier::label_names(*read));
  text_classifier::description(*read);
  attempt(input.size(), [&] {
    text_classifier::check_trainable(*read);
    return 0;
  });
  if (!is_writable(*read)) return;
  files["/memory/in"] = corpus_text(*read);
  text_classifier::Reading reading;
  reading.format = read->format;
  if (read->format == text_classifier::Format::kTab) {
    reading.text_column = "1";
    reading.label_column = "2";
    reading.header = false;
  }
  const Corpus again = text_classifier::read_corpus("/memory/in", "read_text", reading);
  check(again.format == read->format && again.rows.size() == read->rows.size(),
        "the corpus has another format or size after it was written");
  for (std::size_t i = 0; i < again.rows.size(); ++i) {
    check(again.rows[i].label == read->rows[i].label && again.rows[i].text == read->rows[i].text,
          "a row differs after it was written");
  }
}

}  // namespace tapegrad::test
