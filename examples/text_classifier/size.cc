// A number and its unit. Read next: compressed.h.
#include "text_classifier/size.h"

#include <tapegrad/tensor/error.h>

#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

namespace text_classifier {

std::int64_t parse_size(const std::string& text, const std::string& option) {
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1},     {"B", 1},   {"kB", 1e3},
                                                       {"KB", 1e3}, {"k", 1e3}, {"K", 1e3},
                                                       {"MB", 1e6}, {"M", 1e6}, {"GB", 1e9}};
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  for (const auto& [name, factor] : kUnits) {
    if (error != std::errc() || std::string_view(stop, end) != name) continue;
    if (number * factor >= 1 && number * factor <= 1e12) {
      return static_cast<std::int64_t>(number * factor);
    }
  }
  throw tapegrad::ValueError(option + " is '" + text + "', needed a size such as 100kB or 1MB");
}

}  // namespace text_classifier
