// The strokes of each digit, and how they become pixels. Read next: lenet.h.
#include "digits/strokes.h"

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace digits {
namespace {

namespace tg = tapegrad;

// In a square with (0, 0) above on the left and (1, 1) below on the right.
struct Point {
  double x, y;
};

// A line through the points: smooth, or with corners.
struct Stroke {
  bool smooth;
  std::vector<Point> points;
};
using Style = std::vector<Stroke>;

// The ways to write each digit.
const std::vector<std::vector<Style>>& styles() {
  static const std::vector<std::vector<Style>> all = {
      /* 0 */
      {{{true, {{.5, .05}, {.22, .25}, {.2, .7}, {.5, .95}, {.78, .72}, {.77, .25}, {.5, .05}}}},
       {{true, {{.62, .08}, {.35, .2}, {.25, .6}, {.38, .93}, {.64, .8}, {.72, .4}, {.55, .06}}}}},
      /* 1 */
      {{{false, {{.5, .05}, {.5, .95}}}},
       {{false, {{.32, .27}, {.54, .05}, {.54, .95}}}},
       {{false, {{.34, .24}, {.52, .05}, {.52, .94}}}, {false, {{.3, .95}, {.74, .95}}}}},
      /* 2 */
      {{{true, {{.22, .26}, {.35, .07}, {.64, .06}, {.77, .28}, {.58, .56}, {.2, .93}}},
        {false, {{.2, .93}, {.82, .92}}}},
       {{true,
         {{.25, .2},
          {.5, .05},
          {.74, .2},
          {.62, .5},
          {.32, .83},
          {.22, .92},
          {.3, .8},
          {.5, .88},
          {.8, .94}}}}},
      /* 3 */
      {{{true, {{.22, .14}, {.5, .04}, {.74, .2}, {.64, .4}, {.42, .48}}},
        {true, {{.42, .48}, {.7, .55}, {.79, .75}, {.6, .94}, {.32, .95}, {.18, .83}}}},
       {{false, {{.22, .07}, {.75, .06}, {.45, .42}}},
        {true, {{.45, .42}, {.7, .5}, {.77, .74}, {.55, .95}, {.2, .88}}}}},
      /* 4 */
      {{{false, {{.3, .06}, {.2, .56}, {.8, .55}}}, {false, {{.66, .28}, {.62, .97}}}},
       {{false, {{.64, .97}, {.63, .04}, {.16, .66}, {.86, .65}}}}},
      /* 5 */
      {{{false, {{.76, .06}, {.3, .07}, {.27, .45}}},
        {true, {{.27, .45}, {.5, .37}, {.75, .52}, {.74, .8}, {.5, .96}, {.2, .86}}}},
       {{true, {{.34, .08}, {.31, .43}, {.58, .42}, {.73, .66}, {.55, .93}, {.22, .9}}},
        {false, {{.34, .08}, {.74, .06}}}}},
      /* 6 */
      {{{true,
         {{.68, .06},
          {.4, .25},
          {.23, .62},
          {.33, .9},
          {.6, .94},
          {.75, .73},
          {.6, .53},
          {.36, .58},
          {.25, .74}}}},
       {{true,
         {{.42, .04},
          {.28, .4},
          {.25, .75},
          {.46, .95},
          {.72, .8},
          {.66, .58},
          {.42, .56},
          {.26, .72}}}}},
      /* 7 */
      {{{false, {{.18, .08}, {.8, .07}, {.42, .96}}}},
       {{false, {{.2, .08}, {.79, .07}, {.45, .96}}}, {false, {{.34, .5}, {.75, .49}}}},
       {{false, {{.19, .2}, {.2, .08}, {.79, .08}}}, {true, {{.79, .08}, {.54, .5}, {.46, .95}}}}},
      /* 8 */
      {{{true,
         {{.5, .48},
          {.26, .27},
          {.5, .05},
          {.75, .26},
          {.5, .48},
          {.22, .73},
          {.5, .96},
          {.78, .72},
          {.5, .48}}}},
       {{true,
         {{.72, .14},
          {.46, .05},
          {.29, .24},
          {.52, .48},
          {.74, .74},
          {.5, .95},
          {.25, .76},
          {.5, .48},
          {.72, .16}}}}},
      /* 9 */
      {{{true, {{.73, .24}, {.5, .06}, {.27, .25}, {.4, .47}, {.65, .4}, {.74, .22}}},
        {false, {{.74, .22}, {.67, .96}}}},
       {{true,
         {{.72, .2},
          {.46, .06},
          {.28, .3},
          {.47, .48},
          {.71, .28},
          {.73, .12},
          {.74, .55},
          {.6, .9},
          {.3, .93}}}}}};
  return all;
}

// Random numbers of PyTorch's generator, drawn for one image at once.
class Numbers {
 public:
  explicit Numbers(tg::Generator& generator) : values_(tg::rand({96}, tg::float64, generator)) {}
  double between(double low, double high) {
    return low + (high - low) * values_.data<double>()[next_++];
  }
  std::size_t below(std::size_t count) {
    return static_cast<std::size_t>(between(0, static_cast<double>(count)));
  }

 private:
  tg::Tensor values_;
  std::int64_t next_ = 0;
};

// A Catmull-Rom curve through the points (Catmull and Rom 1974), as short lines.
std::vector<Point> curve(const std::vector<Point>& points) {
  constexpr int kParts = 6;
  std::vector<Point> line;
  const auto at = [&](std::ptrdiff_t i) {
    return points[static_cast<std::size_t>(
        std::clamp<std::ptrdiff_t>(i, 0, static_cast<std::ptrdiff_t>(points.size()) - 1))];
  };
  for (std::ptrdiff_t i = 0; i + 1 < static_cast<std::ptrdiff_t>(points.size()); ++i) {
    const Point a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
    for (int k = 0; k < kParts; ++k) {
      const double t = static_cast<double>(k) / kParts;
      const auto mix = [t](double p, double q, double r, double s) {
        return q + t / 2 * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p)));
      };
      line.push_back({mix(a.x, b.x, c.x, d.x), mix(a.y, b.y, c.y, d.y)});
    }
  }
  line.push_back(points.back());
  return line;
}

double distance(const Point& p, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t =
      length == 0 ? 0 : std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0);
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

// Turned, slanted, stretched and moved: in pixels.
struct Placement {
  double xx, xy, yx, yy, x, y;
  explicit Placement(Numbers& numbers) {
    const double angle = numbers.between(-0.35, 0.35), slant = numbers.between(-0.15, 0.5);
    const double width = numbers.between(11, 21), height = numbers.between(15, 22);
    xx = width * std::cos(angle);
    xy = -height * (std::sin(angle) + slant * std::cos(angle));
    yx = width * std::sin(angle);
    yy = height * (std::cos(angle) - slant * std::sin(angle));
    x = 14 + numbers.between(-2.5, 2.5);
    y = 14 + numbers.between(-2.5, 2.5);
  }
  Point operator()(const Point& p) const {
    const double u = p.x - 0.5, v = p.y - 0.5;
    return {x + xx * u + xy * v, y + yx * u + yy * v};
  }
};

void draw_digit(float* pixels, std::size_t digit, tg::Generator& generator) {
  constexpr std::int64_t kSide = 28;
  Numbers numbers(generator);
  const auto& ways = styles()[digit];
  const Style& style = ways[numbers.below(ways.size())];
  const Placement place(numbers);
  const double radius = numbers.between(0.6, 1.7), ink = numbers.between(0.75, 1);
  const double blur = numbers.between(0.8, 1.4);
  for (const Stroke& stroke : style) {
    std::vector<Point> points;
    for (const Point& each : stroke.points) {  // no hand is steady
      const double dx = numbers.between(-0.06, 0.06), dy = numbers.between(-0.06, 0.06);
      points.push_back(place({each.x + dx, each.y + dy}));
    }
    const std::vector<Point> line = stroke.smooth ? curve(points) : points;
    for (std::int64_t i = 0; i < kSide * kSide; ++i) {
      const Point center{static_cast<double>(i % kSide) + 0.5,
                         static_cast<double>(i / kSide) + 0.5};
      double nearest = kSide;
      for (std::size_t k = 1; k < line.size(); ++k) {
        nearest = std::min(nearest, distance(center, line[k - 1], line[k]));
      }
      const double cover = std::clamp(0.5 + (radius - nearest) / blur, 0.0, 1.0);
      pixels[i] = std::max(pixels[i], static_cast<float>(ink * cover));
    }
  }
}

}  // namespace

Images draw(std::int64_t count, tg::Generator& generator) {
  constexpr std::int64_t kPixels = 28 * 28;
  Images images{tg::zeros({count, 1, 28, 28}), tg::randperm(count, generator)};
  std::int64_t* const labels = images.labels.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) {
    labels[i] %= 10;
    draw_digit(images.pixels.mutable_data<float>() + i * kPixels,
               static_cast<std::size_t>(labels[i]), generator);
  }
  const tg::Tensor noise = tg::randn(images.pixels.shape(), tg::float32, generator);
  images.pixels = tg::clamp(images.pixels + noise * 0.12, 0, 1);
  // As the files have them: whole 255ths.
  images.pixels = tg::round(images.pixels * 255.0) / 255.0;
  return images;
}

}  // namespace digits
