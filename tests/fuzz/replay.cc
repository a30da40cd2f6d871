// The main program of a fuzzer without libFuzzer, for the ordinary tests:
//
//   tapegrad_replay_npy FOLDER                 runs all files of the folder, and mutations of them
//   tapegrad_replay_npy --write-seeds FOLDER   writes the seeds that the library's writers make
//
// Read next: tests/nn/files_test.cc.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/fuzzer.h"

namespace fs = std::filesystem;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed);

// Takes the place of libFuzzer's: changes, removes or inserts one byte.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most) {
  static tapegrad::test::Random random(1);
  const std::size_t at = random.below(size);
  const auto byte = static_cast<std::uint8_t>(random.bits());
  if (size > 1 && random.one_in(4)) {
    std::copy(data + at + 1, data + size, data + at);
    return size - 1;
  }
  if (size < most && random.one_in(4)) {
    std::copy_backward(data + at, data + size, data + size + 1);
    ++size;
  }
  if (size > 0) data[at] = byte;
  return size;
}

namespace {

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A finding ends the program with SIGABRT. Then the input is kept, to be run again.
std::string current;

void keep_input(int) {
  std::ofstream("replay_finding", std::ios::binary) << current;
  std::fprintf(stderr, "the input is in %s/replay_finding\n", fs::current_path().c_str());
}

void run(const std::string& input) {
  current = input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

int write_seeds(const fs::path& folder) {
  fs::create_directories(folder);
  int number = 0;
  for (const std::string& input : tapegrad::test::good_inputs()) {
    std::ofstream(folder / ("good_" + std::to_string(number++)), std::ios::binary) << input;
  }
  std::printf("%d seeds\n", number);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 3 && std::string(arguments[1]) == "--write-seeds") return write_seeds(arguments[2]);
  if (count != 2) {
    std::fprintf(stderr, "usage: %s [--write-seeds] FOLDER\n", arguments[0]);
    return 2;
  }
  std::vector<fs::path> seeds;
  for (const auto& entry : fs::directory_iterator(arguments[1])) seeds.push_back(entry.path());
  std::sort(seeds.begin(), seeds.end());
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds in %s\n", arguments[1]);
    return 1;
  }
  std::signal(SIGABRT, keep_input);
  constexpr unsigned kMutations = 100;
  constexpr std::size_t kMost = 8192;
  for (const fs::path& seed : seeds) {
    const std::string input = content_of(seed);
    std::printf("%s\n", seed.filename().c_str());  // the last line names the seed that failed
    std::fflush(stdout);
    run(input);
    std::string changed = input;
    for (unsigned i = 0; i < kMutations; ++i) {
      if (i % 5 == 0) changed = input;  // otherwise changes the result of the last change again
      const std::size_t size = changed.size();
      changed.resize(std::max(size, kMost));
      changed.resize(LLVMFuzzerCustomMutator(reinterpret_cast<std::uint8_t*>(changed.data()), size,
                                             changed.size(), i));
      run(changed);
    }
  }
  std::printf("%zu seeds with %u mutations of each\n", seeds.size(), kMutations);
  return 0;
}
