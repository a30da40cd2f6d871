// Printing, compared with what PyTorch printed (golden/print.txt).
#include "catch.h"

#include <fstream>
#include <iomanip>
#include <limits>
#include <sstream>

#include <tapegrad/tensor/io/safetensors.h>

namespace tg = tapegrad;

namespace {

std::string printed(const tg::Tensor& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

// Replaces PyTorch's names of element types by ours.
std::string renamed(std::string text) {
  for (const auto& [theirs, ours] : {std::pair<std::string, std::string>{"torch.bool", "boolean"},
                                     {"torch.float64", "float64"},
                                     {"torch.int64", "int64"}}) {
    const std::size_t position = text.find(theirs);
    if (position != std::string::npos) text.replace(position, theirs.size(), ours);
  }
  return text;
}

struct Example {
  std::string expression;  // in Python
  std::string name;        // in the file of tensors
  std::string text;
};

// Parses print.txt: a line `### <expression>  # <name>`, then the printed lines.
std::vector<Example> examples(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::vector<Example> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("### ")) {
      const std::size_t name = line.rfind("  # ");
      REQUIRE(name != std::string::npos);
      all.push_back({line.substr(4, name - 4), "print." + line.substr(name + 4) + ".in0", ""});
    } else {
      REQUIRE_FALSE(all.empty());
      all.back().text += (all.back().text.empty() ? "" : "\n") + line;
    }
  }
  return all;
}

}  // namespace

TEST_CASE("print: the same text as PyTorch") {
  const std::string folder = TAPEGRAD_SOURCE_DIR "/tests/golden/";
  const tg::StateDict tensors = tg::load(folder + "print.safetensors");
  const std::vector<Example> all = examples(folder + "print.txt");
  REQUIRE(all.size() == tensors.size());
  REQUIRE(all.size() >= 100);
  for (const Example& example : all) {
    CAPTURE(example.expression);
    CHECK(printed(tensors.at(example.name)) == renamed(example.text));
  }
}

TEST_CASE("print: layouts") {
  const tg::Tensor x = tg::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.5}});
  CHECK(printed(tg::Tensor::view_of(x, tg::Shape{3, 2}, tg::Shape{1, 3}, 0)) ==
        "tensor([[1.0000, 4.0000],\n"
        "        [2.0000, 5.0000],\n"
        "        [3.0000, 6.5000]])");
  CHECK(printed(tg::Tensor::view_of(x, tg::Shape{2}, tg::Shape{3}, 2)) ==
        "tensor([3.0000, 6.5000])");
  CHECK(printed(tg::Tensor::view_of(x, tg::Shape{2, 3}, tg::Shape{0, 0}, 0)) ==
        "tensor([[1., 1., 1.],\n"
        "        [1., 1., 1.]])");
  CHECK(printed(tg::Tensor::view_of(x, tg::Shape{}, tg::Shape{}, 5)) == "tensor(6.5000)");
}

TEST_CASE("print: the sign of NaN and the stream's format flags are ignored") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(printed(tg::tensor({-nan, nan, 2.0})) == "tensor([nan, nan, 2.])");
  std::ostringstream out;
  out << std::hex << std::setprecision(17) << std::showpos << tg::tensor({10, 0}) << ' '
      << tg::tensor(0.1);
  CHECK(out.str() == "tensor([10,  0]) tensor(0.1000)");
}

TEST_CASE("print: the element type goes to the next line where PyTorch's name would not fit") {
  const auto row = [](std::int64_t n, double value) {
    const std::vector<double> values(static_cast<std::size_t>(n), value);
    return printed(tg::tensor(values));
  };
  CHECK(row(7, 1e3) == "tensor([1000., 1000., 1000., 1000., 1000., 1000., 1000.], dtype=float64)");
  CHECK(row(8, 1e3) ==
        "tensor([1000., 1000., 1000., 1000., 1000., 1000., 1000., 1000.],\n"
        "       dtype=float64)");
}

TEST_CASE("print: an undefined tensor") { CHECK_THROWS_AS(printed(tg::Tensor()), tg::ValueError); }
