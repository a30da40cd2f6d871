// Chooses words, projects their vectors, and writes the SVG.
#include "word_vectors/picture.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "common/numbers.h"
#include "word_vectors/labels.h"
#include "word_vectors/projection.h"

namespace word_vectors {
namespace {

using examples::fixed;
using tg::nn::WordVectors;

constexpr double kFontSize = 12;
constexpr double kCharacter = 0.6 * kFontSize;  // the width of one in a monospace font
constexpr double kBorder = 40;
constexpr double kCaption = 24;  // height of the line of text at the bottom

std::vector<std::string> chosen_words(const WordVectors& vectors, const PictureSettings& settings) {
  std::vector<std::string> words = settings.words;
  if (!settings.words_file.empty()) {
    const std::string text = tg::nn::read_text(settings.words_file, "picture");
    tg::nn::LineReader lines(text);
    for (std::string_view line; lines.next(line);) {
      const std::string_view word = tg::nn::trim(line);
      if (word.empty()) continue;
      if (!vectors.find(word)) {
        tg::nn::throw_format_error(
            settings.words_file, lines.number(),
            "there is no vector of `" + std::string(word) + "`; is its case the same?");
      }
      words.emplace_back(word);
    }
  }
  if (words.empty() && settings.words_file.empty()) {
    words = vectors.words();
    words.resize(std::min(words.size(), static_cast<std::size_t>(settings.most)));
  }
  std::set<std::string_view> seen;
  for (const std::string& word : words) {
    if (!seen.insert(word).second) {
      throw tg::ValueError("picture: `" + word + "` is named twice");
    }
  }
  if (words.size() < 3) {
    throw tg::ValueError("picture: " + std::to_string(words.size()) + " words, needed 3 or more");
  }
  return words;
}

// In the picture, with the same scale in both directions; y grows downward.
std::vector<Point> scaled(const tg::Tensor& plane, double width, double height) {
  const auto [low, unused_low] = min(plane, 0);
  const auto [high, unused_high] = max(plane, 0);
  const auto at = [](const tg::Tensor& x, std::int64_t i) {
    return static_cast<double>(x.item<float>({i}));
  };
  const double spread_x = std::max(at(high, 0) - at(low, 0), 1e-12);
  const double spread_y = std::max(at(high, 1) - at(low, 1), 1e-12);
  const double scale =
      std::min((width - 2 * kBorder) / spread_x, (height - 2 * kBorder) / spread_y);
  std::vector<Point> points;
  for (std::int64_t i = 0; i < plane.size(0); ++i) {
    const double x = plane.item<float>({i, 0}), y = plane.item<float>({i, 1});
    points.push_back({width / 2 + scale * (x - (at(low, 0) + at(high, 0)) / 2),
                      height / 2 - scale * (y - (at(low, 1) + at(high, 1)) / 2)});
  }
  return points;
}

// Chinese, Japanese and Korean characters, and emoji, are twice as wide as others.
double text_width(std::string_view text) {
  double width = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) width += byte >= 0xE3 ? 2 * kCharacter : kCharacter;
  }
  return width;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char byte : text) {
    switch (byte) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:  // XML has no other control characters
        result += static_cast<unsigned char>(byte) < ' ' ? ' ' : byte;
    }
  }
  return result;
}

std::string number(double x) { return fixed(x, 1); }

// A label of exactly the width of its box, whatever the font, and a line to its point unless it is
// beside it.
std::string label_text(const std::string& word, const Point& point, const Box& box) {
  const Point near{std::clamp(point.x, box.left, box.right),
                   std::clamp(point.y, box.top, box.bottom)};
  std::string svg;
  if (std::hypot(near.x - point.x, near.y - point.y) > 10) {
    svg += "<line x1=\"" + number(point.x) + "\" y1=\"" + number(point.y) + "\" x2=\"" +
           number(near.x) + "\" y2=\"" + number(near.y) + "\"/>\n";
  }
  return svg + "<text x=\"" + number(box.left) + "\" y=\"" + number(box.bottom - 0.25 * kFontSize) +
         "\" textLength=\"" + number(box.right - box.left) +
         "\" lengthAdjust=\"spacingAndGlyphs\">" + escaped(word) + "</text>\n";
}

std::string svg_of(const std::vector<std::string>& words, const std::vector<Point>& points,
                   const std::vector<std::optional<Box>>& labels, const std::string& caption,
                   const PictureSettings& settings) {
  const std::string width = std::to_string(settings.width);
  const std::string height = std::to_string(settings.height);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width + "\" height=\"" +
                    height + "\" viewBox=\"0 0 " + width + " " + height +
                    "\" font-family=\"monospace\" font-size=\"" + fixed(kFontSize, 0) +
                    "\">\n<style>line { stroke: #bbb; stroke-width: 0.8 } circle { fill: #0b62a4 "
                    "} text { fill: #222 }</style>\n<rect width=\"100%\" height=\"100%\" "
                    "fill=\"white\"/>\n";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (labels[i]) svg += label_text(words[i], points[i], *labels[i]);
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    svg += "<circle cx=\"" + number(points[i].x) + "\" cy=\"" + number(points[i].y) +
           "\" r=\"2.5\"><title>" + escaped(words[i]) + "</title></circle>\n";
  }
  return svg + "<text x=\"8\" y=\"" + fixed(static_cast<double>(settings.height) - 8, 0) +
         "\" style=\"fill:#777\">" + escaped(caption) + "</text>\n</svg>\n";
}

}  // namespace

std::string save_picture(const std::string& path, const WordVectors& vectors,
                         const PictureSettings& settings) {
  const std::vector<std::string> words = chosen_words(vectors, settings);
  std::vector<tg::Tensor> rows;
  for (const std::string& word : words) rows.push_back(vectors.vector(word));
  const tg::Tensor x = normalize(tg::stack(rows));  // (words, dim): by angle, as neighbors are
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  std::string caption = examples::grouped(static_cast<std::int64_t>(words.size())) + " words, ";
  tg::Tensor plane;
  if (settings.projection == Projection::pca) {
    const Pca result = pca(x, generator);
    plane = result.points;
    caption += "PCA: " + fixed(100 * result.explained, 0) + " % of the variance";
  } else {
    plane = tsne(x, settings.perplexity, generator);
    caption += "t-SNE: only near neighbors mean something";
  }
  const auto width = static_cast<double>(settings.width);
  const double height = static_cast<double>(settings.height) - kCaption;
  const std::vector<Point> points = scaled(plane, width, height);
  std::vector<Point> sizes;
  for (const std::string& word : words) sizes.push_back({text_width(word), 1.15 * kFontSize});
  const auto labels = place_labels(points, sizes, {.width = width, .height = height});
  tg::write_file_atomically(path, svg_of(words, points, labels, caption, settings), "picture");
  const auto without = std::ranges::count_if(labels, [](const auto& label) { return !label; });
  if (without > 0) {
    caption +=
        "; " + std::to_string(without) +
        " labels found no free place and are shown under the mouse; a larger --width and --height "
        "have room for more";
  }
  return caption;
}

}  // namespace word_vectors
