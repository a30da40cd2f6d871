// Runs the programs of tests/golden/ in Debian's Python. Its packages (numpy, torch, onnx, opencv)
// need not be installed: a test that needs a missing one says so and passes.
#pragma once

#include <stdio.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace tapegrad::test {

struct Answer {
  int status = -1;   // 0 on success
  std::string text;  // standard output and standard error
};

inline Answer shell(const std::string& command) {
  Answer answer;
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return answer;
  std::array<char, 4096> block;
  while (const std::size_t count = fread(block.data(), 1, block.size(), pipe)) {
    answer.text.append(block.data(), count);
  }
  const int status = pclose(pipe);
  answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return answer;
}

// Arguments may contain spaces, but no other characters that need quoting.
inline Answer python(const std::string& script, const std::vector<std::string>& arguments) {
  std::string command =
      "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 "
      "/usr/bin/python3 '" TAPEGRAD_SOURCE_DIR "/tests/golden/" +
      script + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  return shell(command);
}

// Whether Python has all of these modules ("numpy, torch"). If not, prints that the test is
// skipped.
inline bool python_has(const std::string& modules) {
  if (shell("/usr/bin/python3 -c 'import " + modules + "'").status == 0) return true;
  std::cerr << "skipped: /usr/bin/python3 does not have all of " << modules << '\n';
  return false;
}

}  // namespace tapegrad::test
