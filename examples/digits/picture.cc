// Mistakes as text and as SVG.
#include "digits/picture.h"

#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <sstream>

namespace digits {
namespace {

constexpr std::int64_t kSide = 28;

float ink(const Images& images, const Mistake& mistake, std::int64_t row, std::int64_t column) {
  return images.pixels.data<float>()[(mistake.image * kSide + row) * kSide + column];
}

}  // namespace

std::vector<Mistake> mistakes_in(const Images& images, const tapegrad::Tensor& predicted) {
  std::vector<Mistake> mistakes;
  for (std::int64_t i = 0; i < images.count(); ++i) {
    const std::int64_t label = images.labels.data<std::int64_t>()[i];
    const std::int64_t guess = predicted.data<std::int64_t>()[i];
    if (label != guess) mistakes.push_back({i, label, guess});
  }
  return mistakes;
}

std::string as_text(const Images& images, const Mistake& mistake) {
  static constexpr char kShades[] = " .:+*#@";
  std::string text = "image " + std::to_string(mistake.image) + " is a " +
                     std::to_string(mistake.label) + ", predicted " +
                     std::to_string(mistake.predicted) + ":\n";
  for (std::int64_t row = 0; row < kSide; ++row) {
    std::string line;
    for (std::int64_t column = 0; column < kSide; ++column) {
      const float shade = ink(images, mistake, row, column) * 6.99f;
      line.append(2, kShades[static_cast<std::size_t>(shade)]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

void write_svg(const std::string& path, const Images& images,
               const std::vector<Mistake>& mistakes) {
  constexpr std::int64_t kColumns = 10, kMost = 60, kCell = 64, kText = 16;
  const std::int64_t count = std::min(kMost, static_cast<std::int64_t>(mistakes.size()));
  const std::int64_t rows = std::max<std::int64_t>((count + kColumns - 1) / kColumns, 1);
  std::ostringstream svg;
  svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << kColumns * kCell << "\" height=\""
      << rows * (kCell + kText)
      << "\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n"
      << "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  for (std::int64_t i = 0; i < count; ++i) {
    const Mistake& mistake = mistakes[static_cast<std::size_t>(i)];
    svg << "<g transform=\"translate(" << i % kColumns * kCell + 4 << ' '
        << i / kColumns * (kCell + kText) + 4 << ")\">\n";
    for (std::int64_t p = 0; p < kSide * kSide; ++p) {
      const int gray = static_cast<int>(255 - 255 * ink(images, mistake, p / kSide, p % kSide));
      if (gray > 240) continue;
      svg << "<path d=\"M" << p % kSide * 2 << ' ' << p / kSide * 2 << "h2v2h-2z\" fill=\"rgb("
          << gray << ',' << gray << ',' << gray << ")\"/>";
    }
    svg << "\n<text x=\"" << kSide << "\" y=\"68\">" << mistake.label << " → " << mistake.predicted
        << "</text></g>\n";
  }
  svg << "</svg>\n";
  tapegrad::write_file_atomically(path, svg.str(), "digits");
}

}  // namespace digits
