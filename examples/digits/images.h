// Labeled images of digits, and their files: IDX, the format of MNIST. Read next: idx.cc.
#pragma once

#include <tapegrad/tensor/tensor.h>

#include <string>

namespace digits {

struct Images {
  tapegrad::Tensor pixels;  // (count, 1, 28, 28) float32 from 0 (paper) to 1 (ink)
  tapegrad::Tensor labels;  // (count) int64 from 0 to 9
  std::int64_t count() const { return pixels.size(0); }
};

struct Data {
  Images train;
  Images test;
};

// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, each also with .gz. IoError if a file is missing, FormatError with its
// name if it is damaged.
Data read_idx(const std::string& folder);

// Writes the four files; the folder is created if it does not exist.
void write_idx(const std::string& folder, const Data& data);

}  // namespace digits
