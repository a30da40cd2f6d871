// Internal. Formats numbers for printed tables. Read next: nn/data/dataset.h.
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

}  // namespace tapegrad::nn
