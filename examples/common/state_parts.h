// The states of several objects in one state dict. Read next: state_parts.cc.
#pragma once

#include <tapegrad/tensor/io/state_dict.h>

#include <string>

namespace examples {

// Adds the entries of `part`, with `prefix` before each name. ValueError if a name exists already.
void insert_part(tapegrad::StateDict& state, const std::string& prefix,
                 const tapegrad::StateDict& part);

// The entries with this prefix, without it.
tapegrad::StateDict part_of(const tapegrad::StateDict& state, const std::string& prefix);

}  // namespace examples
