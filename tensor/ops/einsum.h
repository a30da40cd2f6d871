// Einstein's sums, written once for Tensor and Variable, as in compositions.h. An operand is a
// tensor whose dimensions have labels. Two operands are joined into one by a batched matrix
// product; what is left over is summed and brought into the order of the result.
//
// Internal. Read next: tensor/ops/einsum.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::composition {

// The label of a dimension: a letter of the equation, or kEllipsisLabel + i for the dimension i of
// an ellipsis, counted from its end.
using Label = int;
inline constexpr Label kEllipsisLabel = 256;
using Labels = std::vector<Label>;

// The labels of all operands and of the result. Throws ValueError for an equation that cannot be
// read, and ShapeError if it does not fit the operands (einsum.cc).
struct Equation {
  Equation(const std::string& equation, const std::vector<Shape>& shapes);

  std::vector<Labels> operands;
  Labels result;
  std::map<Label, std::int64_t> sizes;
};

inline bool has_label(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

template <class X>
struct Labeled {
  X x;
  Labels labels;

  std::int64_t position(Label label) const {
    return std::find(labels.begin(), labels.end(), label) - labels.begin();
  }
};

// Each label once, for a diagonal where it stood twice, and all sizes those of the equation.
template <class X>
Labeled<X> prepared(X x, const Labels& labels, const std::map<Label, std::int64_t>& sizes) {
  Shape full;
  for (const Label label : labels) full.push_back(sizes.at(label));
  Labeled<X> result{x.shape() == full ? std::move(x) : expand(x, full), labels};
  for (std::size_t i = 0; i < result.labels.size(); ++i) {
    for (std::size_t j = result.labels.size() - 1; j > i; --j) {
      if (result.labels[j] != result.labels[i]) continue;
      // Moves both dimensions to the end, joins them, and takes every (size + 1)th element.
      Dims order;
      for (std::size_t d = 0; d < result.labels.size(); ++d) {
        if (d != i && d != j) order.push_back(static_cast<std::int64_t>(d));
      }
      order.push_back(static_cast<std::int64_t>(i));
      order.push_back(static_cast<std::int64_t>(j));
      const std::int64_t size = sizes.at(result.labels[i]);
      const X square = flatten(permute(result.x, order), -2, -1);
      result.x = transpose(
          unsqueeze(slice(square, -1, 0, size * size, size + 1), static_cast<std::int64_t>(i)),
          static_cast<std::int64_t>(i), -1);
      result.x = squeeze(result.x, -1);
      result.labels.erase(result.labels.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
  return result;
}

// Sums over all dimensions whose label `keep` does not hold.
template <class X>
Labeled<X> summed(const Labeled<X>& a, const Labels& keep) {
  Dims dims;
  Labels left;
  for (std::size_t d = 0; d < a.labels.size(); ++d) {
    if (has_label(keep, a.labels[d])) {
      left.push_back(a.labels[d]);
    } else {
      dims.push_back(static_cast<std::int64_t>(d));
    }
  }
  return dims.empty() ? a : Labeled<X>{sum(a.x, dims), left};
}

// In the order of the labels.
template <class X>
X ordered(const Labeled<X>& a, const Labels& labels) {
  if (a.labels == labels) return a.x;
  Dims order;
  for (const Label label : labels) order.push_back(a.position(label));
  return permute(a.x, order);
}

// The product of two operands, summed over the labels that `keep` does not hold.
template <class X>
Labeled<X> joined_pair(const Labeled<X>& left, const Labeled<X>& right, const Labels& keep,
                       const std::map<Label, std::int64_t>& sizes) {
  Labels in_both, contracted, in_left, in_right;
  std::int64_t batch = 1, inner = 1, rows = 1, columns = 1;
  for (const Label label : left.labels) {
    const std::int64_t size = sizes.at(label);
    const bool shared = has_label(right.labels, label);
    (shared ? has_label(keep, label) ? in_both : contracted : in_left).push_back(label);
    (shared ? has_label(keep, label) ? batch : inner : rows) *= size;
  }
  for (const Label label : right.labels) {
    if (has_label(left.labels, label)) continue;
    in_right.push_back(label);
    columns *= sizes.at(label);
  }
  const auto joined = [](std::initializer_list<const Labels*> parts) {
    Labels all;
    for (const Labels* part : parts) all.insert(all.end(), part->begin(), part->end());
    return all;
  };
  const X a =
      reshape(ordered(left, joined({&in_both, &in_left, &contracted})), {batch, rows, inner});
  const X b =
      reshape(ordered(right, joined({&in_both, &contracted, &in_right})), {batch, inner, columns});
  const X product = contracted.empty() ? a * b : matmul(a, b);
  Labels labels = joined({&in_both, &in_left, &in_right});
  Shape shape;
  for (const Label label : labels) shape.push_back(sizes.at(label));
  return {reshape(product, shape), std::move(labels)};
}

template <class X>
X einsum(const std::string& equation, std::span<const X> operands) {
  std::vector<Shape> shapes;
  for (const X& x : operands) shapes.push_back(x.shape());
  const Equation parsed(equation, shapes);
  // The labels that operand i and later steps still need.
  const auto needed_after = [&](std::size_t i) {
    Labels labels = parsed.result;
    for (std::size_t later = i + 1; later < operands.size(); ++later) {
      labels.insert(labels.end(), parsed.operands[later].begin(), parsed.operands[later].end());
    }
    return labels;
  };
  Labeled<X> result = prepared(operands[0], parsed.operands[0], parsed.sizes);
  result = summed(result, needed_after(0));
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const Labels keep = needed_after(i);
    Labels for_right = keep;
    for_right.insert(for_right.end(), result.labels.begin(), result.labels.end());
    const Labeled<X> right =
        summed(prepared(operands[i], parsed.operands[i], parsed.sizes), for_right);
    Labels for_left = keep;
    for_left.insert(for_left.end(), right.labels.begin(), right.labels.end());
    result = joined_pair(summed(result, for_left), right, keep, parsed.sizes);
  }
  return ordered(summed(result, parsed.result), parsed.result);
}

}  // namespace tapegrad::composition
