// Saves and loads tensors in the safetensors format, which Python and other frameworks can read:
// https://github.com/huggingface/safetensors. Read next:
// tensor/io/checkpoint.h.
#pragma once

#include <concepts>
#include <map>
#include <string>

#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {

// Other information in a file, as text: for example the names of the classes, or the version of a
// tokenizer.
using Metadata = std::map<std::string, std::string>;

// Replaces the file at `path` atomically: an interrupted save leaves the old file as it was. The
// entries are sorted by element type and then by name, so that equal contents give equal bytes; the
// order of the state dict is not kept. ValueError for names and texts that are not UTF-8; IoError
// if the file cannot be written.
void save(const std::string& path, const StateDict& state, const Metadata& metadata = {});

// Returns the tensors in the order of the file's header. BOOL, I64, F32 and F64 keep their type;
// F16 and BF16 are converted to float32, and I8, I16, I32, U8, U16 and U32 to int64. The file is
// not trusted: if it breaks any rule of the format, a FormatError names the file, the tensor and
// the rule, and no more memory is allocated than the size of the file justifies. IoError if the
// file cannot be read.
StateDict load(const std::string& path);

// The same, with the metadata.
struct Checkpoint {
  StateDict state;
  Metadata metadata;
};
Checkpoint load_with_metadata(const std::string& path);

// In torch.save's order.
inline void save(const StateDict& state, const std::string& path) { save(path, state); }

// The same for the state of a module, an optimizer or anything else with state_dict(): save(model,
// path) is save(path, model.state_dict()), and load(model, path) is
// model.load_state_dict(load(path)).
template <class T>
concept HasStateDict = requires(const T& object) {
  { object.state_dict() } -> std::same_as<StateDict>;
};
template <HasStateDict T>
void save(const T& object, const std::string& path) {
  save(path, object.state_dict());
}
template <HasStateDict T>
void save(const std::string& path, const T& object) {
  save(path, object.state_dict());
}
template <HasStateDict T>
void load(T& object, const std::string& path) {
  object.load_state_dict(load(path));
}

}  // namespace tapegrad
