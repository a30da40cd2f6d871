// The page with the contents of a Trace in it. The page is built from autograd/trace/page/ and lies
// in the repository as page/tape.html; CMake makes the array below of it. Read next:
// autograd/trace/check_tape.h.
#include <string_view>

#include <tapegrad/autograd/trace/recording.h>
#include <tapegrad/tensor/error.h>

namespace tapegrad::trace {

extern const unsigned char kPage[];
extern const std::size_t kPageSize;

// In a script element, `<` could begin `</script>` or `<!--`. JSON has it only in strings, where it
// may be escaped.
std::string to_html(const std::string& json) {
  constexpr std::string_view kPlace = "/*TAPE*/";
  const std::string_view page(reinterpret_cast<const char*>(kPage), kPageSize);
  const std::size_t place = page.find(kPlace);
  if (place == std::string_view::npos) throw FormatError("Trace: the page has no place for a tape");
  std::string html(page.substr(0, place));
  for (const char byte : json) {
    if (byte == '<') {
      html += "\\u003c";
    } else {
      html += byte;
    }
  }
  return html.append(page.substr(place + kPlace.size()));
}

}  // namespace tapegrad::trace
