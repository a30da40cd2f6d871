// What the text classifier writes to standard error without its lines about the files it has read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

// Removes lines such as `train.tsv: 8 texts, 2 classes; text: column 1, label: column 2`.
inline std::string without_descriptions(const std::string& text) {
  std::string rest;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string line = text.substr(at, end - at);
    const bool is_description =
        line.find(" class") != std::string::npos && line.find(" text") != std::string::npos &&
        line.find("; ") != std::string::npos && !line.starts_with("text_classifier: ");
    if (!is_description) rest += line;
    at = end;
  }
  return rest;
}
