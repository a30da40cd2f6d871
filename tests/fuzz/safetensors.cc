// Fuzzes load_with_metadata(). Read next: tests/fuzz/npy.cc.
#include <tapegrad/tensor/io/safetensors.h>

#include <tapegrad/tensor/ops.h>

#include "fuzz/memory_files.h"
#include "fuzz/safetensors_file.h"

namespace tapegrad::test {

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const auto read = attempt(input.size(), [] { return load_with_metadata("/memory/in"); });
  if (!read) return;
  save("/memory/out", read->state, read->metadata);
  const Checkpoint again = load_with_metadata("/memory/out");
  check(same_bits(read->state, again.state), "the tensors differ after they were saved");
  check(read->metadata == again.metadata, "the metadata differ after they were saved");
  const std::string bytes = files["/memory/out"];
  save("/memory/out", again.state, again.metadata);
  check(files["/memory/out"] == bytes, "equal contents give different bytes");
}

std::string mutate(std::string input, Random& random) { return mutate_safetensors(input, random); }

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  const auto add = [&](const StateDict& state, const Metadata& metadata) {
    save("/memory/out", state, metadata);
    inputs.push_back(files["/memory/out"]);
  };
  add({}, {});
  add({{"w", tensor({{1.0f, 2.0f}, {3.0f, 4.0f}})}}, {});
  add({{"w", tensor({1.5f})},
       {"steps", tensor({1, 2})},
       {"on", tensor({true, false})},
       {"wide", tensor({0.1}, float64)},
       {"scalar", tensor(3)},
       {"none", zeros({0, 2})}},
      {{"note", "text"}, {"labels", "a b"}});
  add({{"\xC3\xA9\n", ones({1, 1, 2})}}, {{"", "\""}});
  for (const char* const type : {"F16", "BF16", "I8", "I16", "I32", "U8", "U16", "U32"}) {
    SafetensorsFile file;
    file.data = std::string("\x00\x3C\x00\xFC\x01\x7C\xFF\x80", 8);
    file.entries.push_back({.name = "t", .dtype = type, .shape = {"2"}, .begin = "0", .end = "0"});
    file.lay_out();
    inputs.push_back(safetensors_bytes(file.header(), file.data));
  }
  return inputs;
}

}  // namespace tapegrad::test
