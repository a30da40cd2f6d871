// Read next: alias_table.h.
#include "common/state_parts.h"

namespace examples {

void insert_part(tapegrad::StateDict& state, const std::string& prefix,
                 const tapegrad::StateDict& part) {
  for (const auto& [name, tensor] : part) state.insert(prefix + name, tensor);
}

tapegrad::StateDict part_of(const tapegrad::StateDict& state, const std::string& prefix) {
  tapegrad::StateDict part;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) part.insert(name.substr(prefix.size()), tensor);
  }
  return part;
}

}  // namespace examples
