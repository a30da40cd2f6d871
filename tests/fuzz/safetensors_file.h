// A safetensors file taken apart, so that the mutators can change one part and keep the others
// valid. Read next: tests/fuzz/safetensors.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/fuzzer.h"

namespace tapegrad::test {

struct SafetensorsFile {
  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<std::string> shape;  // decimal
    std::string begin;
    std::string end;
  };
  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string data;

  // Nullopt if the header is not what a writer writes.
  static std::optional<SafetensorsFile> parse(const std::string& bytes);

  void change(Random& random);
  // Sets the offsets and the size of the data as types and shapes need them, if that is small.
  void lay_out();
  std::string header() const;
};

// The length of the header, the header, and the data.
std::string safetensors_bytes(const std::string& header, const std::string& data);

// A mutation of a whole file. `change_metadata` may change the value for a key.
using ChangeText = std::string (*)(const std::string& key, std::string value, Random& random);
std::string mutate_safetensors(const std::string& input, Random& random,
                               ChangeText change_metadata = nullptr);

}  // namespace tapegrad::test
