// Runs the program text_classifier in a folder of its own, for the tests of its commands.
// Read next: examples/text_classifier/main.cc.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "tensor/temporary_folder.h"

namespace text_classifier_test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  REQUIRE(file.flush());
}

inline std::vector<std::string> lines_in(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

struct ProgramOutput {
  int status = 0;  // after a crash, 128 plus the number of the signal
  std::string out;
  std::string error;
};

// Texts of two classes; one word is enough to separate them.
inline constexpr std::string_view kTrainTexts =
    "who wrote it\tHUM\nwho is the king\tHUM\nwho was that\tHUM\nwho sang\tHUM\n"
    "where is Paris\tLOC\nwhere is the city\tLOC\nwhere was that\tLOC\nwhere to\tLOC\n";
inline constexpr std::string_view kTestTexts =
    "who sang\tHUM\nwhere is Rome\tLOC\nwho was that\tHUM\n";

class ProgramSession {
 public:
  ProgramSession() {
    write_file(file("train.tsv"), kTrainTexts);
    write_file(file("test.tsv"), kTestTexts);
  }

  std::string file(const std::string& name) const { return folder_.file(name); }

  ProgramOutput run(const std::string& arguments, std::string_view input = "") const {
    write_file(file("stdin"), input);
    const std::string command = "cd '" + folder_.path() + "' && '" TEXT_CLASSIFIER "' " +
                                arguments + " <stdin >stdout 2>stderr";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            read_file(file("stdout")), read_file(file("stderr"))};
  }

  ProgramOutput run_well(const std::string& arguments, std::string_view input = "") const {
    const ProgramOutput output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    REQUIRE(output.status == 0);
    return output;
  }

  // A model that tells the two classes apart.
  ProgramOutput train(const std::string& more = "--arch bag", const std::string& out = "model") {
    return run_well(
        "train --train train.tsv --test test.tsv --dim 4 --hidden 8 --epochs 30 "
        "--lr 0.05 --dropout 0 --out " +
        out + " " + more);
  }

  // Status 1 and an error of the program that contains `expected`; nothing on standard output.
  void require_error(const std::string& arguments, const std::string& expected,
                     std::string_view input = "") const {
    const ProgramOutput output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    CHECK(output.status == 1);
    CHECK(output.out.empty());
    CHECK(output.error.find("text_classifier: ") != std::string::npos);
    CHECK(output.error.find(expected) != std::string::npos);
  }

 private:
  tapegrad::test::TemporaryFolder folder_;
};

}  // namespace text_classifier_test
