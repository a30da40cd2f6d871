// Files of tensors in the safetensors format, readable from Python and by other frameworks:
// https://github.com/huggingface/safetensors. Read next: tensor/io/npy.h.
#pragma once

#include <map>
#include <string>

#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {

// What else a file says, as text: the names of the classes, say, or the version of a tokenizer.
using Metadata = std::map<std::string, std::string>;

// Replaces the file at `path` atomically: an interrupted save leaves the old file as it was. The
// order of the entries is not kept: they are sorted by element type, then by name, so that equal
// contents give equal bytes. ValueError for names and texts that are not UTF-8; IoError.
void save(const std::string& path, const StateDict& state, const Metadata& metadata = {});

// The tensors in the order of the file's header. Reads BOOL, I64, F32 and F64 as they are, and
// converts F16 and BF16 to float32, I8 to I32 and U8 to U32 to int64. Believes nothing: any file
// that breaks a rule of the format gives a FormatError with the file, the tensor and the rule, and
// nothing is allocated that the file's size does not warrant. IoError if it cannot be read.
StateDict load(const std::string& path);

// The same, and the metadata.
struct Checkpoint {
  StateDict state;
  Metadata metadata;
};
Checkpoint load_with_metadata(const std::string& path);

}  // namespace tapegrad
