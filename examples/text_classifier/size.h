// Sizes of files as text. Read next: size.cc.
#pragma once

#include <cstdint>
#include <string>

namespace text_classifier {

// Parses a size such as `100kB`, `1MB` or `50000` (bytes; 1 kB = 1000 bytes). ValueError, which
// begins with `option`, for anything else.
std::int64_t parse_size(const std::string& text, const std::string& option);

}  // namespace text_classifier
