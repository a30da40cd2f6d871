// Runs the text classifier in a temporary folder. Read next: text_characters_test.cc.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "catch.h"
#include "tensor/temporary_folder.h"

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
    std::ifstream stream(file(name), std::ios::binary);
    REQUIRE(stream);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void write(const std::string& name, std::string_view content) const {
    std::ofstream stream(file(name), std::ios::binary);
    stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    REQUIRE(stream.flush());
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

  // Requires status 1 and an error that contains `expected`.
  void require_error(const std::string& arguments, const std::string& expected) const {
    const Output output = run(arguments);
    INFO(arguments << "\n" << output.error);
    CHECK(output.status == 1);
    // Lines about the files that were read may come first.
    CHECK(("\n" + output.error).find("\ntext_classifier: ") != std::string::npos);
    CHECK(output.error.find(expected) != std::string::npos);
  }

 private:
  tapegrad::test::TemporaryFolder folder_;
};
