// Runs the text classifier in a temporary folder. Read next: tests/examples/program_session.h.
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

}  // namespace text_classifier_test

// A folder with files, in which the program runs.
class Program {
 public:
  struct Output {
    int status = 0;  // after a crash, 128 plus the number of the signal
    std::string out;
    std::string error;
  };

  std::string file(const std::string& name) const { return folder_.file(name); }

  std::string read(const std::string& name) const {
    return text_classifier_test::read_file(file(name));
  }
  void write(const std::string& name, std::string_view content) const {
    text_classifier_test::write_file(file(name), content);
  }

  // Runs a shell command in the folder.
  Output shell(const std::string& command, std::string_view input = "") const {
    write("stdin", input);
    const std::string whole =
        "cd '" + folder_.path() + "' && " + command + " <stdin >stdout 2>stderr";
    const int status = std::system(whole.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read("stdout"),
            read("stderr")};
  }
  Output run(const std::string& arguments, std::string_view input = "") const {
    return shell("'" TEXT_CLASSIFIER "' " + arguments, input);
  }
  Output run_well(const std::string& arguments, std::string_view input = "") const {
    Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    REQUIRE(output.status == 0);
    return output;
  }

  // Requires status 1, nothing on standard output, and an error that contains `expected`.
  void require_error(const std::string& arguments, const std::string& expected,
                     std::string_view input = "") const {
    const Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    CHECK(output.status == 1);
    CHECK(output.out.empty());
    // Lines about the files that were read may come first.
    CHECK(("\n" + output.error).find("\ntext_classifier: ") != std::string::npos);
    CHECK(output.error.find(expected) != std::string::npos);
  }

 private:
  tapegrad::test::TemporaryFolder folder_;
};
