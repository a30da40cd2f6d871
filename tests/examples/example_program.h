// Runs an example program in a temporary folder, for the tests of its command line. Read next:
// word2vec_test.cc.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "examples/process.h"
#include "tensor/temporary_folder.h"

namespace example_test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path);
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

// The names of what a folder holds, sorted.
inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

struct Output {
  int status = 0;  // after a crash, 128 plus the number of the signal
  std::string out;
  std::string error;
};

// A folder with files, in which the program runs. Its output is kept in another one, so that
// files() counts what the program wrote and the test.
class ExampleProgram {
 public:
  // `path` is a macro with the name of the program: WORD2VEC.
  explicit ExampleProgram(std::string path)
      : path_(std::move(path)), name_(path_.substr(path_.rfind('/') + 1)) {}

  std::string file(const std::string& name) const { return folder_.file(name); }
  std::string folder() const { return folder_.path(); }
  std::size_t files() const { return folder_.files(); }

  std::string read(const std::string& name) const { return read_file(file(name)); }
  void write(const std::string& name, std::string_view content) const {
    write_file(file(name), content);
  }

  // Runs a command of the shell in the folder. It may redirect its standard input again.
  Output shell(const std::string& command, std::string_view input = "") const {
    write_file(outputs_.file("in"), input);
    const int status = std::system(in_folder(command, " <'" + outputs_.file("in") + "'").c_str());
    return output_after(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }

  // `arguments` as one types them in a shell; file names are relative to the folder.
  Output run(const std::string& arguments, std::string_view input = "") const {
    return shell(command_of(arguments), input);
  }
  Output run_well(const std::string& arguments, std::string_view input = "") const {
    Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    REQUIRE(output.status == 0);
    return output;
  }

  // Requires that the program refuses the arguments: it prints nothing on standard output, and no
  // file appears. Returns the error.
  std::string refusal(const std::string& arguments, std::string_view input = "") const {
    const std::size_t before = files();
    const Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    CHECK(output.status == 1);
    CHECK(output.out.empty());
    CHECK(files() == before);
    return output.error;
  }
  // Requires a refusal that is one line and nothing else.
  void require_error(const std::string& arguments, const std::string& expected,
                     std::string_view input = "") const {
    INFO(arguments);
    CHECK(refusal(arguments, input) == name_ + ": " + expected + "\n");
  }

  // The command that runs the program in the folder, for a Process.
  std::string command(const std::string& arguments) const {
    return "cd '" + folder_.path() + "' && exec " + command_of(arguments);
  }

  // Starts the program, waits until its standard output contains `text` and 0.3 seconds more, sends
  // the signal, and waits for the end.
  Output interrupt(const std::string& arguments, const std::string& text, int signal) const {
    write_file(outputs_.file("out"), "");
    Process process(in_folder("exec " + command_of(arguments)));
    while (read_file(outputs_.file("out")).find(text) == std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (process.has_ended()) {
        FAIL("ended before the signal: " << read_file(outputs_.file("err")));
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    process.send(signal);
    const int status = process.wait();
    return output_after(status >= 0 ? status : 128 - status);
  }

 private:
  std::string command_of(const std::string& arguments) const {
    return "'" + path_ + "' " + arguments;
  }
  std::string in_folder(const std::string& command, const std::string& input = "") const {
    return "cd '" + folder_.path() + "' && { " + command + "; }" + input + " >'" +
           outputs_.file("out") + "' 2>'" + outputs_.file("err") + "'";
  }
  Output output_after(int status) const {
    return {status, read_file(outputs_.file("out")), read_file(outputs_.file("err"))};
  }

  std::string path_;
  std::string name_;
  tapegrad::test::TemporaryFolder folder_;
  tapegrad::test::TemporaryFolder outputs_;
};

}  // namespace example_test
