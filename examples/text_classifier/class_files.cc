// Splits `LABEL=FILE`, and reads the lines of each file. Read next: duplicates.h.
#include "text_classifier/class_files.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "text_classifier/source.h"

namespace text_classifier {
namespace {

namespace fs = std::filesystem;
using tapegrad::nn::LineReader;
using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

void add_texts(Corpus& corpus, const ClassFile& file, const char* operation) {
  const std::string name = name_of_source(file.path);
  const std::string bytes = read_source(file.path, operation);
  const std::size_t before = corpus.rows.size();
  LineReader lines(bytes);
  for (std::string_view line; lines.next(line);) {
    const std::string_view text = trim(line);
    if (text.empty()) continue;
    corpus.rows.push_back(
        {std::string(text), file.label, lines.number(), corpus.class_files.size()});
  }
  corpus.class_files.push_back(name);
  if (corpus.rows.size() == before) {
    throw_format_error(
        name, 1, "empty file; expected a text of the class `" + file.label + "` on each line");
  }
}

[[noreturn]] void refuse(const char* operation, const std::string& text) {
  throw tapegrad::ValueError(std::string(operation) + ": " + text);
}

void check_reading(const Reading& reading, const char* operation) {
  const auto check = [&](bool given, const char* option) {
    if (given) {
      refuse(operation, std::string(option) +
                            " is about columns, and a file of one class has none: each line is a "
                            "text; needed LABEL=FILE without it");
    }
  };
  check(!reading.text_column.empty(), "--text-col");
  check(!reading.label_column.empty(), "--label-col");
  check(!reading.weight_column.empty() && reading.needs_weights, "--weight-col");
  check(reading.header.has_value(), "--header");
  check(reading.format.has_value(), "--format");
}

}  // namespace

std::optional<ClassFile> class_file_of(const std::string& name) {
  const std::size_t equals = name.find('=');
  std::error_code ignored;
  if (equals == std::string::npos || fs::exists(name, ignored)) return std::nullopt;
  return ClassFile{std::string(trim(std::string_view(name).substr(0, equals))),
                   name.substr(equals + 1)};
}

std::string with_absolute_path(const std::string& name) {
  const auto absolute = [](const std::string& path) {
    return path.empty() || path == "-" ? path : fs::absolute(path).string();
  };
  const std::optional<ClassFile> file = class_file_of(name);
  return file ? file->label + "=" + absolute(file->path) : absolute(name);
}

std::string name_of(const Files& files) {
  constexpr std::size_t kMost = 3;
  std::string text;
  const std::size_t shown = files.size() > kMost ? kMost - 1 : files.size();
  for (std::size_t i = 0; i < shown; ++i) {
    const std::optional<ClassFile> file = class_file_of(files[i]);
    text += i == 0 ? "" : i + 1 == files.size() ? " and " : ", ";
    text += name_of_source(file ? file->path : files[i]);
  }
  if (shown < files.size()) text += " and " + std::to_string(files.size() - shown) + " more files";
  return text;
}

Corpus read_corpus(const Files& files, const char* operation, const Reading& reading) {
  std::vector<ClassFile> of_classes;
  for (const std::string& name : files) {
    if (std::optional<ClassFile> file = class_file_of(name)) of_classes.push_back(*file);
  }
  if (of_classes.empty() && files.size() == 1) return read_corpus(files[0], operation, reading);
  if (of_classes.size() != files.size()) {
    refuse(operation, "got " + std::to_string(files.size()) + " files, " + name_of(files) +
                          "; needed one file of labeled texts, or LABEL=FILE for each class");
  }
  check_reading(reading, operation);
  Corpus corpus;
  corpus.path = name_of(files);
  corpus.format = Format::kClassFiles;
  corpus.multi_label = reading.multi_label;
  for (const ClassFile& file : of_classes) {
    if (file.label.empty()) {
      refuse(operation, "a file has no label: `=" + file.path + "`; needed LABEL=FILE");
    }
    if (file.path.empty()) {
      refuse(operation, "the label `" + file.label + "` has no file; needed LABEL=FILE");
    }
    add_texts(corpus, file, operation);
  }
  clean_texts(corpus);
  for (Row& row : corpus.rows) {
    if (corpus.multi_label) row.labels = {row.label};
  }
  return corpus;
}

}  // namespace text_classifier
