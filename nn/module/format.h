// Internal. Texts that several files make: numbers in tables, names of modules. Read next:
// nn/linear.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tapegrad::nn {

// 1234567 as 1,234,567.
inline std::string with_separators(std::int64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t i = text.size(); i > 3;) {
    i -= 3;
    text.insert(i, ",");
  }
  return text;
}

// "head.linear" for "head" and "linear"; the name alone without a prefix.
inline std::string dotted(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + '.' + name;
}

}  // namespace tapegrad::nn
