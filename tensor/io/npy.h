// NumPy's files: one array (.npy), or several arrays with names (.npz):
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Read next:
// tensor/io/state_dict.h.
//
//   save_npz("model.npz", model.state_dict());     // numpy.load("model.npz")["head.weight"]
//   model.load_state_dict(load_npz("model.npz"));
//   Tensor vectors = load_npy("vectors.npy");
#pragma once

#include <string>

#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {

// Both replace the file at `path` atomically, as save() does. An .npz file contains the tensors in
// the order of the state dict, uncompressed, as numpy.savez writes them; equal contents give equal
// bytes. ValueError for names that are not UTF-8 or longer than 65,531 bytes; IoError if the file
// cannot be written.
void save_npy(const std::string& path, const Tensor& tensor);
void save_npz(const std::string& path, const StateDict& state);

// Both read either byte order, and C or Fortran order of the dimensions. Bool, int64, float32 and
// float64 keep their type; float16 becomes float32, narrower integers become int64. The file is not
// trusted: if it breaks any rule of the format, a FormatError names the file, the array and the
// rule, and no more memory is allocated than the size of the file justifies. Python objects
// (reading them could run code), records, and files of numpy.savez_compressed are rejected. IoError
// if the file cannot be read.
Tensor load_npy(const std::string& path);
StateDict load_npz(const std::string& path);

}  // namespace tapegrad
