// The program text_classifier in a folder with small training and test texts. Read next:
// program_test.cc.
#pragma once

#include <tapegrad/tensor/io/safetensors.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <string_view>

#include "examples/example_program.h"

namespace text_classifier_test {

using namespace example_test;

// Texts of two classes; one word is enough to separate them.
inline constexpr std::string_view kTrainTexts =
    "who wrote it\tHUM\nwho is the king\tHUM\nwho was that\tHUM\nwho sang\tHUM\n"
    "where is Paris\tLOC\nwhere is the city\tLOC\nwhere was that\tLOC\nwhere to\tLOC\n";
inline constexpr std::string_view kTestTexts =
    "who sang\tHUM\nwhere is Rome\tLOC\nwho was that\tHUM\n";

// 60 texts, of which 45 are HAM.
inline std::string many_texts() {
  std::string texts;
  for (int i = 0; i < 60; ++i) {
    const std::string end = " number" + std::to_string(i) + " word" + std::to_string(i % 7);
    texts += (i % 4 == 0 ? "buy this now" : "see you at home") + end +
             (i % 4 == 0 ? "\tSPAM\n" : "\tHAM\n");
  }
  return texts;
}

// A file of the questions that come with the program: `train` or `test`.
inline std::string bundled_questions(const std::string& part) {
  return TAPEGRAD_SOURCE_DIR "/examples/text_classifier/data/questions_" + part + ".tsv";
}

// The text with its first `old` replaced.
inline std::string replaced(std::string text, const std::string& old, const std::string& by) {
  const std::size_t at = text.find(old);
  INFO(old << " in\n" << text);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old.size(), by);
}

// The accuracy in the last line of a report.
inline double accuracy_in(const std::string& report) {
  const std::size_t at = report.rfind("accuracy ");
  REQUIRE(at != std::string::npos);
  return std::stod(report.substr(at + 9));
}

// What the program writes to standard error without its lines about the files it has read, such as
// `train.tsv: 8 texts, 2 classes; text: column 1, label: column 2`.
inline std::string without_descriptions(const std::string& text) {
  std::string rest;
  for (const std::string& line : lines_in(text)) {
    const bool is_description =
        line.find(" class") != std::string::npos && line.find(" text") != std::string::npos &&
        line.find("; ") != std::string::npos && !line.starts_with("text_classifier: ");
    if (!is_description) rest += line + "\n";
  }
  return rest;
}

// The options that a help text describes.
inline std::set<std::string> options_in(const std::string& help) {
  static const std::regex option("\n  (?:-h,)?(--[a-z-]+)");
  std::set<std::string> names;
  for (std::sregex_iterator i(help.begin(), help.end(), option), end; i != end; ++i) {
    names.insert((*i)[1]);
  }
  return names;
}

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(TEXT_CLASSIFIER) {
    write("train.tsv", kTrainTexts);
    write("test.tsv", kTestTexts);
  }

  // A model that tells the two classes apart.
  Output train(const std::string& more = "--arch bag", const std::string& out = "model") const {
    return run_well(
        "train --train train.tsv --test test.tsv --dim 4 --hidden 8 --epochs 30 "
        "--lr 0.05 --dropout 0 --out " +
        out + " " + more);
  }

  // A small model with the usual learning rate; `epochs` may be followed by more options.
  Output train_epochs(const std::string& epochs) const {
    const std::string hidden = epochs.find("--hidden") == std::string::npos ? " --hidden 5" : "";
    return run_well("train --train train.tsv --test test.tsv --dim 4 --out model" + hidden +
                    " --epochs " + epochs);
  }

  // Waits until a running program has written a file.
  void await(const std::string& name) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!std::filesystem::exists(file(name))) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // A text in the file of the model: `vocabulary` or `settings`.
  std::string text_in_model(const std::string& key) const {
    return tapegrad::load_with_metadata(file("model/model.safetensors")).metadata.at(key);
  }

  // Requires a refusal whose error has one line after the descriptions of the files. It begins with
  // the program's name and contains `expected`.
  void require_error(const std::string& arguments, const std::string& expected,
                     std::string_view input = "") const {
    const std::string error = without_descriptions(refusal(arguments, input));
    INFO(arguments << "\n" << error);
    CHECK(std::ranges::count(error, '\n') == 1);
    CHECK(error.starts_with("text_classifier: "));
    // The user knows commands and files, but no functions of the libraries.
    for (const char* internal : {"read_text", "read_file", "write_file", "filesystem", "[json",
                                 "std::", "basic_string", "vector::", "OnnxGraph::save"}) {
      CAPTURE(internal);
      CHECK_FALSE(error.starts_with(std::string("text_classifier: ") + internal));
    }
    CHECK(error.find("json.exception") == std::string::npos);
    CHECK(error.find(expected) != std::string::npos);
  }
};

}  // namespace text_classifier_test
