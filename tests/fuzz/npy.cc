// Fuzzes load_npy(). Read next: tests/fuzz/npz.cc.
#include <tapegrad/tensor/io/npy.h>

#include <tapegrad/tensor/ops.h>

#include "fuzz/memory_files.h"
#include "fuzz/npy_file.h"

namespace tapegrad::test {

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const auto read = attempt(input.size(), [] { return load_npy("/memory/in"); });
  if (!read) return;
  save_npy("/memory/out", *read);
  check(same_bits(*read, load_npy("/memory/out")), "the array differs after it was saved");
}

std::string mutate(std::string input, Random& random) { return mutate_npy(input, random); }

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  for (const Tensor& t : {tensor({{1.0f, 2.0f, 3.0f}}), tensor(0.5, float64), tensor({1, 2, 3}),
                          tensor({true, false}), zeros({0, 2}), ones({2, 1, 2})}) {
    save_npy("/memory/out", t);
    inputs.push_back(files["/memory/out"]);
  }
  for (const char* const type : {"<f2", ">f4", ">i8", "|i1", "<i2", ">u4", "|u1", "|b1"}) {
    inputs.push_back(npy_bytes(
        1, std::string("{'descr': '") + type + "', 'fortran_order': True, 'shape': (2, 1), }",
        std::string(static_cast<std::size_t>(2 * (type[2] - '0')), '\1')));
  }
  inputs.push_back(npy_bytes(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
                             std::string(4, '\0')));
  return inputs;
}

}  // namespace tapegrad::test
