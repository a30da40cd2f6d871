// fastText as a peer: its own program, which runs from start to end on one thread.
//
// Read next: text_classifier.cc.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "process.h"

namespace measure {

class FastText {
 public:
  // Looks for `fasttext` in PATH.
  FastText() {
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
      if (access((folder + "/fasttext").c_str(), X_OK) == 0) {
        program_ = folder + "/fasttext";
        std::puts("fastText: its program, one thread");
        return;
      }
    }
    std::puts("fasttext is not installed: its column stays empty (see scripts/bench)");
  }
  bool is_here() const { return !program_.empty(); }

  // Trains on `examples` (lines of "__label__NAME word word ...") and writes `model`.bin. Returns
  // the seconds of processor time, with reading and writing.
  double train(const std::string& examples, const std::string& model,
               const std::vector<std::string>& options) const {
    std::vector<std::string> words = {program_, "supervised", "-input", examples,   "-output",
                                      model,    "-thread",    "1",      "-verbose", "0"};
    words.insert(words.end(), options.begin(), options.end());
    return run_program(words).seconds;
  }

  // The accuracy in percent.
  double accuracy(const std::string& examples, const std::string& model) const {
    const std::string report = model + ".report";
    run_program({program_, "test", model + ".bin", examples}, report);
    std::ifstream file(report);
    for (std::string word; file >> word;) {  // "N 2000", "P@1 0.853", "R@1 0.853"
      double share = 0;
      if (word == "P@1" && file >> share) return 100.0 * share;
    }
    throw std::runtime_error("fastText's test printed no P@1");
  }

 private:
  std::string program_;
};

}  // namespace measure
