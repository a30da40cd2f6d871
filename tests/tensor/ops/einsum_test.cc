// einsum against a sum over all values of all letters, for equations that are drawn; and what it
// refuses. Read next: views_test.cc.
#include <tapegrad/tensor/random/random.h>

#include <map>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

namespace {

using Sizes = std::map<char, std::int64_t>;

// The sum over all values of the letters, one product at a time. A dimension of 1 is repeated.
Tensor plain_einsum(const std::vector<std::string>& operands, const std::string& result,
                    const Sizes& sizes, const std::vector<Tensor>& tensors) {
  Shape all, shape;
  std::map<char, std::int64_t> position;
  for (const auto& [letter, size] : sizes) {
    position[letter] = all.dim();
    all.push_back(size);
  }
  for (const char letter : result) shape.push_back(sizes.at(letter));
  std::map<std::vector<std::int64_t>, double> sums;
  const auto part = [&](const Shape& index, const std::string& letters, const Tensor* of) {
    std::vector<std::int64_t> selected;
    for (std::size_t d = 0; d < letters.size(); ++d) {
      const std::int64_t i = index[position.at(letters[d])];
      selected.push_back(of && of->size(static_cast<std::int64_t>(d)) == 1 ? 0 : i);
    }
    return selected;
  };
  for_each_index(all, [&](const Shape& index) {
    double product = 1;
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const std::vector<std::int64_t> at = part(index, operands[t], &tensors[t]);
      product *= tensors[t].item<double>(Shape(std::span<const std::int64_t>(at)));
    }
    sums[part(index, result, nullptr)] += product;
  });
  std::vector<double> elements;
  for_each_index(shape, [&](const Shape& index) {
    const auto found = sums.find(std::vector<std::int64_t>(index.begin(), index.end()));
    elements.push_back(found == sums.end() ? 0 : found->second);
  });
  return reshape(tensor(elements), shape);
}

}  // namespace

TEST_CASE("einsum: drawn equations agree with a sum over all values of the letters") {
  Generator own(11);
  const auto draw = [&](std::int64_t from, std::int64_t to) {  // from <= x < to
    return randint(from, to, {1}, own).item<std::int64_t>();
  };
  int with_diagonal = 0, with_sum = 0;
  for (int i = 0; i < 300; ++i) {
    Sizes sizes;
    std::vector<std::string> operands;
    std::vector<Tensor> tensors;
    const std::int64_t count = draw(1, 4);
    for (std::int64_t t = 0; t < count; ++t) {
      std::string letters;
      Shape shape;
      const std::int64_t dims = draw(0, 4);
      for (std::int64_t d = 0; d < dims; ++d) {
        const char letter = static_cast<char>('a' + draw(0, 4));
        sizes.try_emplace(letter, draw(0, 12) == 0 ? 0 : draw(1, 4));
        const std::int64_t size = sizes.at(letter);
        if (letters.find(letter) != std::string::npos) ++with_diagonal;
        letters += letter;
        shape.push_back(size > 1 && draw(0, 6) == 0 ? 1 : size);
      }
      operands.push_back(letters);
      tensors.push_back(randn(shape, float64, own));
    }
    // A letter whose sizes are all 1 has that size.
    for (auto& [letter, size] : sizes) {
      std::int64_t largest = 1;
      for (std::size_t t = 0; t < operands.size(); ++t) {
        for (std::size_t d = 0; d < operands[t].size(); ++d) {
          if (operands[t][d] != letter) continue;
          const std::int64_t own_size = tensors[t].size(static_cast<std::int64_t>(d));
          if (own_size != 1) largest = own_size;
        }
      }
      size = largest;
    }
    std::string result, equation;
    for (const auto& [letter, size] : sizes) {
      if (draw(0, 2) == 0)
        result.insert(static_cast<std::size_t>(draw(0, 1 + std::ssize(result))), 1, letter);
    }
    if (result.size() < sizes.size()) ++with_sum;
    for (const std::string& letters : operands) equation += (equation.empty() ? "" : ",") + letters;
    if (count > 1 && operands[0].empty()) continue;  // ",a" begins without a letter
    equation += "->" + result;
    CAPTURE(equation);
    CHECK(
        matches(einsum(equation, tensors), plain_einsum(operands, result, sizes, tensors), 1e-12));
  }
  CHECK(with_diagonal > 30);
  CHECK(with_sum > 100);
}

TEST_CASE("einsum: what is refused, and the message") {
  const Tensor a = ones({2, 3}), b = ones({4, 5});
  const auto text = [&](const std::string& equation) {
    try {
      einsum(equation, {a, b});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("not refused");
  };
  CHECK(error_text<ShapeError>([&] {
          einsum("ij,jk", {a, b});
        }) ==
        "einsum: the sizes of 'j' in \"ij,jk\" differ: 3 and 4; the tensors are (2, 3), (4, 5)");
  CHECK(error_text<ShapeError>([&] {
          einsum("ijk,lm", {a, b});
        }) == "einsum: tensor 0 of \"ijk,lm\" is (2, 3), needed 3 dimensions");
  CHECK(error_text<ShapeError>([&] {
          einsum("...ijk,lm", {a, b});
        }) == "einsum: tensor 0 of \"...ijk,lm\" is (2, 3), needed at least 3 dimensions");
  CHECK(error_text<ValueError>([&] {
          einsum("ij", {a, b});
        }) == "einsum: \"ij\" is for 1 tensors, got 2");
  CHECK(text("ij,kl->iz").find("'z' of the result is in no tensor") != std::string::npos);
  CHECK(text("ij,kl->ii").find("'i' is twice in the result") != std::string::npos);
  CHECK(text("i1,kl").find("did not expect '1'") != std::string::npos);
  CHECK(text("......,kl").find("two ellipses in one") != std::string::npos);
}
