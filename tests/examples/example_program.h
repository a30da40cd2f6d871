// Runs an example program in a temporary folder, for the tests of its command line. Read next:
// word2vec_test.cc.
#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "catch.h"
#include "tensor/temporary_folder.h"

namespace example_test {

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  REQUIRE(file.flush());
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

  // `arguments` as one types them in a shell; file names are relative to the folder.
  Output run(const std::string& arguments, std::string_view input = "") const {
    write(outputs_.file("in"), input);
    const std::string command = "cd '" + folder_.path() + "' && '" + path_ + "' " + arguments +
                                " <'" + outputs_.file("in") + "' >'" + outputs_.file("out") +
                                "' 2>'" + outputs_.file("err") + "'";
    return output_after(std::system(command.c_str()));
  }
  Output run_well(const std::string& arguments, std::string_view input = "") const {
    Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    REQUIRE(output.status == 0);
    return output;
  }

  // Requires one line of error, nothing else, and that no file appears.
  void require_error(const std::string& arguments, const std::string& expected,
                     std::string_view input = "") const {
    const std::size_t before = files();
    const Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    CHECK(output.status == 1);
    CHECK(output.out.empty());
    CHECK(output.error == name_ + ": " + expected + "\n");
    CHECK(files() == before);
  }

  // Starts the program, waits until its standard output contains `text` and 0.3 seconds more, sends
  // the signal, and waits for the end.
  Output interrupt(const std::string& arguments, const std::string& text, int signal) const {
    write(outputs_.file("out"), "");
    const std::string command = "cd '" + folder_.path() + "' && exec '" + path_ + "' " + arguments +
                                " >'" + outputs_.file("out") + "' 2>'" + outputs_.file("err") + "'";
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      alarm(120);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(4);
    }
    while (read(outputs_.file("out")).find(text) == std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      int status = 0;
      if (waitpid(child, &status, WNOHANG) == child) {
        FAIL("ended before the signal: " << output_after(status).error);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    kill(child, signal);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return output_after(status);
  }

 private:
  Output output_after(int status) const {
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
            read(outputs_.file("out")), read(outputs_.file("err"))};
  }

  std::string path_;
  std::string name_;
  tapegrad::test::TemporaryFolder folder_;
  tapegrad::test::TemporaryFolder outputs_;
};

}  // namespace example_test
