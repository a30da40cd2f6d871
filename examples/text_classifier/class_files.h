// The files of a corpus as the command line names them: one file of labeled texts, or one file of
// texts for each class. Read next: class_files.cc.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text_classifier/corpus.h"

namespace text_classifier {

// A file whose lines are the texts of one class.
struct ClassFile {
  std::string label;
  std::string path;
};

// The parts of `LABEL=FILE`. Nothing if there is no `=`, or if a file has this whole name.
std::optional<ClassFile> class_file_of(const std::string& name);

// The same with an absolute path of the file; `-` stays, because it is standard input.
std::string with_absolute_path(const std::string& name);

// What messages call them: `pos.txt and neg.txt`.
std::string name_of(const Files& files);

// Reads one file as read_corpus(path) does, or the files of several classes: each line that is not
// blank is a text, and `\n`, written as two characters, becomes a space. ValueError, which begins
// with `operation`, for several files without labels, an empty label, or options of `reading` about
// columns; IoError and FormatError as read_corpus(path).
Corpus read_corpus(const Files& files, const char* operation, const Reading& reading = {});

}  // namespace text_classifier
