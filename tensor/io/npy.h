// Files of NumPy: one array (.npy), and several by name (.npz):
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Read next:
// tensor/io/file_io.h.
//
//   save_npz("model.npz", model.state_dict());     // numpy.load("model.npz")["head.weight"]
//   model.load_state_dict(load_npz("model.npz"));
//   Tensor vectors = load_npy("vectors.npy");
#pragma once

#include <string>

#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {

// Replace the file at `path` atomically, as save() does. An .npz holds the tensors in the order of
// the state dict, uncompressed, as numpy.savez writes them; equal contents give equal bytes.
// ValueError for names that are not UTF-8 or have more than 65,531 bytes; IoError.
void save_npy(const std::string& path, const Tensor& tensor);
void save_npz(const std::string& path, const StateDict& state);

// Of either order of bytes, in C's or Fortran's order of dimensions. Bool, int64, float32 and
// float64 stay what they are; float16 becomes float32, narrower integers become int64. Believe
// nothing: any file that breaks a rule of the format gives a FormatError with the file, the array
// and the rule, and nothing is allocated that the file's size does not warrant. Python objects,
// which run code when they are read, records, and what numpy.savez_compressed writes are refused.
// IoError if the file cannot be read.
Tensor load_npy(const std::string& path);
StateDict load_npz(const std::string& path);

}  // namespace tapegrad
