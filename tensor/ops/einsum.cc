// Reads the equation of an Einstein sum. Read next: tensor/ops/convolution.h.
#include <tapegrad/tensor/ops/einsum.h>

#include <cctype>

namespace tapegrad {
namespace {

using composition::kEllipsisLabel;
using composition::Label;
using composition::Labels;

constexpr Label kDots = -1;  // an ellipsis whose number of dimensions is not yet known

ValueError unreadable(const std::string& equation, const std::string& reason) {
  return ValueError("einsum: \"" + equation + "\": " + reason +
                    "; needed letters for the dimensions of each tensor, such as \"ij,jk->ik\"");
}

// The labels of one operand or of the result.
Labels labels_of(const std::string& equation, const std::string& part) {
  Labels labels;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto letter = static_cast<unsigned char>(part[i]);
    if (part.compare(i, 3, "...") == 0) {
      if (composition::has_label(labels, kDots)) throw unreadable(equation, "two ellipses in one");
      labels.push_back(kDots);
      i += 2;
    } else if (std::isalpha(letter) != 0 && letter < 128) {
      labels.push_back(letter);
    } else {
      throw unreadable(equation, "did not expect '" + std::string(1, part[i]) + "'");
    }
  }
  return labels;
}

// Replaces an ellipsis by labels for `count` dimensions.
Labels with_ellipsis(const Labels& labels, std::int64_t count) {
  Labels result;
  for (const Label label : labels) {
    if (label != kDots) result.push_back(label);
    for (std::int64_t i = count; label == kDots && i > 0; --i) {
      result.push_back(kEllipsisLabel + static_cast<Label>(i - 1));
    }
  }
  return result;
}

// Without "->": the dimensions of the ellipsis, and the letters that occur once, in the order of
// the alphabet.
Labels implied_result(const std::vector<Labels>& operands) {
  std::map<Label, int> counts;
  for (const Labels& labels : operands) {
    for (const Label label : labels) ++counts[label];
  }
  Labels result;
  if (counts.erase(kDots) > 0) result.push_back(kDots);
  for (const auto& [label, count] : counts) {
    if (count == 1) result.push_back(label);
  }
  return result;
}

std::string name_of(Label label) {
  return label >= kEllipsisLabel ? "..." : std::string(1, static_cast<char>(label));
}

}  // namespace

composition::Equation::Equation(const std::string& equation, const std::vector<Shape>& shapes) {
  std::string text;
  for (const char c : equation) {
    if (c != ' ') text += c;
  }
  const std::size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  for (std::size_t start = 0; start <= left.size();) {
    const std::size_t comma = std::min(left.find(',', start), left.size());
    operands.push_back(labels_of(equation, left.substr(start, comma - start)));
    start = comma + 1;
  }
  if (operands.size() != shapes.size()) {
    throw ValueError("einsum: \"" + equation + "\" is for " + std::to_string(operands.size()) +
                     " tensors, got " + std::to_string(shapes.size()));
  }
  result = arrow == std::string::npos ? implied_result(operands)
                                      : labels_of(equation, text.substr(arrow + 2));
  std::int64_t dots = 0;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const auto letters = static_cast<std::int64_t>(operands[i].size());
    const bool open = has_label(operands[i], kDots);
    const std::int64_t extra = shapes[i].dim() - letters + (open ? 1 : 0);
    if (open ? extra < 0 : extra != 0) {
      throw ShapeError("einsum: tensor " + std::to_string(i) + " of \"" + equation + "\" is " +
                       to_string(shapes[i]) + ", needed " + (open ? "at least " : "") +
                       std::to_string(letters - (open ? 1 : 0)) + " dimensions");
    }
    operands[i] = with_ellipsis(operands[i], open ? extra : 0);
    dots = std::max(dots, open ? extra : 0);
  }
  result = with_ellipsis(result, dots);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t d = 0; d < operands[i].size(); ++d) {
      const std::int64_t size = shapes[i][static_cast<std::int64_t>(d)];
      const auto [known, added] = sizes.try_emplace(operands[i][d], size);
      if (!added && known->second == 1) known->second = size;
      if (known->second != size && size != 1) {
        std::string all;
        for (const Shape& shape : shapes) all += (all.empty() ? "" : ", ") + to_string(shape);
        throw ShapeError("einsum: the sizes of '" + name_of(operands[i][d]) + "' in \"" + equation +
                         "\" differ: " + std::to_string(known->second) + " and " +
                         std::to_string(size) + "; the tensors are " + all);
      }
    }
  }
  for (std::size_t d = 0; d < result.size(); ++d) {
    if (sizes.count(result[d]) == 0) {
      throw unreadable(equation, "'" + name_of(result[d]) + "' of the result is in no tensor");
    }
    if (std::count(result.begin(), result.end(), result[d]) > 1) {
      throw unreadable(equation, "'" + name_of(result[d]) + "' is twice in the result");
    }
  }
}

Tensor einsum(const std::string& equation, std::span<const Tensor> operands) {
  return composition::einsum(equation, operands);
}

}  // namespace tapegrad
