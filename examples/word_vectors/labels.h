// Places for labels beside points, so that none covers another label or a point. Read next:
// labels.cc.
#pragma once

#include <optional>
#include <vector>

namespace word_vectors {

struct Point {
  double x = 0;
  double y = 0;
};

struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;

  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

struct LabelsLayout {
  double width = 0;  // of the picture; labels lie within it
  double height = 0;
  double point_radius = 2.5;
  double margin = 1;  // around a label
};

// For each point, the box of its label, whose size is that of sizes[i] (x, y): the free place that
// is nearest to the point. Earlier points choose first. nullopt: there is no free place.
std::vector<std::optional<Box>> place_labels(const std::vector<Point>& points,
                                             const std::vector<Point>& sizes,
                                             const LabelsLayout& layout);

}  // namespace word_vectors
