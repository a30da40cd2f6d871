// The names that the lines of docs/from_pytorch.md use; tests/docs/lines_of_table.cc writes the
// lines.
#pragma once

#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
namespace optim = tapegrad::optim;
namespace F = tapegrad::nn::functional;
using tg::Tensor;
using tg::Variable;

struct Names {
  Tensor x = tg::randn({2, 3});
  Tensor y = tg::tensor({0, 1});
  Variable w = tg::parameter(tg::randn({3, 3}));
  nn::Linear lin{3, 3};
  Variable loss = mean(square(lin(x)));
  std::string path = std::filesystem::temp_directory_path() / "tapegrad_from_pytorch";
};

struct Line {
  int number;  // in the document
  void (*run)();
};
extern const std::vector<Line> kLines;
extern const int kNames;  // of PyTorch in the document
