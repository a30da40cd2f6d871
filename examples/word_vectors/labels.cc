// Tries places around the point, on larger and larger rings. Read next: picture.cc.
#include "word_vectors/labels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace word_vectors {
namespace {

constexpr int kRings = 24;
constexpr double kGap = 3;       // between the point and a label on the first ring
constexpr double kRingStep = 7;  // between rings
constexpr int kDirections = 16;
constexpr double kTurn = 6.283185307179586 / kDirections;

// The box on this side of the point, `gap` away from it. The first direction is to the right.
Box box_at(const Point& point, const Point& size, double gap, int direction) {
  const double x = std::cos(kTurn * direction), y = std::sin(kTurn * direction);
  const Point center{point.x + x * (size.x / 2 + gap), point.y + y * (size.y / 2 + gap)};
  return {center.x - size.x / 2, center.y - size.y / 2, center.x + size.x / 2,
          center.y + size.y / 2};
}

Box widened(const Box& box, double margin) {
  return {box.left - margin, box.top - margin, box.right + margin, box.bottom + margin};
}

}  // namespace

std::vector<std::optional<Box>> place_labels(const std::vector<Point>& points,
                                             const std::vector<Point>& sizes,
                                             const LabelsLayout& layout) {
  std::vector<Box> taken;
  for (const Point& point : points) {
    taken.push_back(widened({point.x, point.y, point.x, point.y}, layout.point_radius));
  }
  const auto is_free = [&](const Box& box) {
    return box.left >= 0 && box.top >= 0 && box.right <= layout.width &&
           box.bottom <= layout.height &&
           std::ranges::none_of(taken, [&](const Box& other) { return box.overlaps(other); });
  };
  const auto find = [&](const Point& point, const Point& size) -> std::optional<Box> {
    for (int ring = 0; ring < kRings; ++ring) {
      for (int direction = 0; direction < kDirections; ++direction) {
        const Box box =
            box_at(point, size, kGap + layout.point_radius + kRingStep * ring, direction);
        if (is_free(widened(box, layout.margin))) return box;
      }
    }
    return std::nullopt;
  };
  std::vector<std::optional<Box>> places;
  for (std::size_t i = 0; i < points.size(); ++i) {
    places.push_back(find(points[i], sizes[i]));
    if (places.back()) taken.push_back(widened(*places.back(), layout.margin));
  }
  return places;
}

}  // namespace word_vectors
