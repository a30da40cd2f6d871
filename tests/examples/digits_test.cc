// The command line of examples/digits, its files and its drawings. Read next:
// example_program.h.
#include <signal.h>

#include <cstdint>
#include <string>

#include <tapegrad/nn/module/summary.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include "catch.h"
#include "digits/images.h"
#include "digits/lenet.h"
#include "digits/picture.h"
#include "digits/strokes.h"
#include "error_text.h"
#include "examples/example_program.h"

namespace tg = tapegrad;
using namespace example_test;
using tapegrad::test::error_text;

namespace {

ExampleProgram program() { return ExampleProgram(DIGITS); }

// The number after the last `text` in the output.
double number_after(const std::string& output, const std::string& text) {
  const std::size_t at = output.rfind(text);
  INFO(output);
  REQUIRE(at != std::string::npos);
  return std::stod(output.substr(at + text.size()));
}

digits::Images drawn(std::int64_t count, std::uint64_t seed) {
  tg::Generator generator(seed);
  return digits::draw(count, generator);
}

}  // namespace

TEST_CASE("digits: LeNet learns what a linear model does not") {
  const ExampleProgram digits = program();
  const std::string sizes = " --train 3000 --test 500 --epochs 6 --lr 0.004 --batch 16";
  const Output lenet =
      digits.run_well("train --mistakes wrong.svg --output lenet.safetensors" + sizes);
  CHECK(lenet.out.starts_with("3,000 images to learn from, 500 to test\n"));
  CHECK(number_after(lenet.out, "test accuracy ") >= 93);
  const Output linear = digits.run_well("train --model linear" + sizes);
  CHECK(number_after(linear.out, "test accuracy ") <= 88);
  CHECK(number_after(linear.out, "test accuracy ") >= 50);
  // One mistake is printed, unless they are drawn into a file.
  CHECK(linear.out.find(", predicted ") != std::string::npos);
  CHECK(lenet.out.find(", predicted ") == std::string::npos);
  const std::string svg = digits.read("wrong.svg");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(svg.find(" → ") != std::string::npos);
  tg::nn::Sequential model = digits::lenet();
  model.load_state_dict(tg::load(digits.file("lenet.safetensors")));
}

TEST_CASE("digits: the same seed gives the same run, and IDX files the same images") {
  const ExampleProgram digits = program();
  const std::string some = " --train 300 --test 100";
  const auto without_seconds = [](const std::string& text) {
    return text.substr(0, text.rfind(", after "));
  };
  const std::string quick = " --epochs 1 --mistakes m.svg";
  const std::string first = without_seconds(digits.run_well("train" + some + quick).out);
  CHECK(without_seconds(digits.run_well("train" + some + quick).out) == first);
  CHECK(without_seconds(digits.run_well("train --seed 1" + some + quick).out) != first);
  CHECK(digits.run_well("write --output drawn" + some).out == "300 + 100 images in drawn\n");
  CHECK(without_seconds(digits.run_well("train --idx drawn" + quick).out) == first);
  digits.shell("gzip drawn/*");
  CHECK(without_seconds(digits.run_well("train --idx drawn" + quick).out) == first);
}

TEST_CASE("digits: Ctrl-C tests what was learned") {
  const Output output =
      program().interrupt("train --train 1000 --test 50 --epochs 1000", "epoch 1 ", SIGINT);
  CHECK(output.status == 128 + SIGINT);
  CHECK(output.out.find("mistakes in 50: ") != std::string::npos);
}

TEST_CASE("digits: refuses options that do not fit") {
  const ExampleProgram digits = program();
  digits.require_error("nonsense", "unknown command or argument `nonsense`; see --help");
  digits.require_error("train nonsense", "unknown argument `nonsense`; see --help");
  CHECK(digits.refusal("train --model tree").find("tree") != std::string::npos);
  CHECK(digits.refusal("train --train 0").find("--train") != std::string::npos);
  digits.require_error("train --idx mnist --train 9",
                       "--train and --test: only for images that are drawn, without --idx");
  digits.require_error("train --train 9 --output none/weights",
                       "cannot write none/weights: there is no folder none");
}

TEST_CASE("digits: says what is wrong with IDX files") {
  const ExampleProgram digits = program();
  const auto error = [&] {
    return error_text<tg::Error>([&] { digits::read_idx(digits.folder()); });
  };
  CHECK(error() == "digits: no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz in " +
                       digits.folder());
  const digits::Images images = drawn(20, 1);
  digits::write_idx(digits.folder(), {images, images});
  const digits::Data data = digits::read_idx(digits.folder());
  CHECK(equal(data.train.pixels, images.pixels));
  CHECK(equal(data.test.labels, images.labels));
  const std::string name = "train-images-idx3-ubyte", path = digits.file(name);
  const std::string bytes = digits.read(name);
  digits.write(name, bytes.substr(0, bytes.size() - 3));
  CHECK(error() == path + ": 15677 bytes after the header, needed 15680");
  digits.write(name, "P5 28 28 255 and so on");
  CHECK(error() == path + ": not an IDX file of bytes with 3 dimensions");
  std::string wide = bytes;
  wide[15] = 29;
  digits.write(name, wide);
  CHECK(error() == path + ": size 29, needed 28");
  digits.write(name, bytes);
  const std::string labels = "train-labels-idx1-ubyte";
  std::string eleven = digits.read(labels);
  digits.write(labels, eleven.substr(0, 4) + std::string("\0\0\0\x13", 4) + eleven.substr(8, 19));
  CHECK(error() == digits.file(labels) + ": 19 labels for 20 images");
  eleven[8 + 3] = 11;
  digits.write(labels, eleven);
  CHECK(error() == digits.file(labels) + ": label 11 of image 3, needed 0 to 9");
}

TEST_CASE("digits: drawings have every digit, and equal seeds draw equal images") {
  const digits::Images images = drawn(100, 5);
  CHECK(equal(drawn(100, 5).pixels, images.pixels));
  CHECK_FALSE(equal(drawn(100, 6).pixels, images.pixels));
  for (std::int64_t digit = 0; digit < 10; ++digit) {
    CHECK(tg::sum((images.labels == digit).to(tg::int64)).item<std::int64_t>() == 10);
  }
  const tg::Tensor ink = tg::mean(images.pixels, {1, 2, 3});
  CHECK(tg::min(ink).item<float>() > 0.03f);
  CHECK(tg::max(ink).item<float>() < 0.5f);
  // The border of the paper is almost empty.
  CHECK(tg::mean(tg::narrow(images.pixels, 2, 0, 1)).item<float>() < 0.12f);
}

TEST_CASE("digits: a mistake is named and drawn") {
  digits::Images images{tg::zeros({2, 1, 28, 28}), tg::tensor({3, 4})};
  images.pixels.mutable_data<float>()[28 * 28 + 28] = 1;  // row 1, column 0 of image 1
  const auto mistakes = digits::mistakes_in(images, tg::tensor({3, 9}));
  REQUIRE(mistakes.size() == 1);
  CHECK(digits::as_text(images, mistakes[0]) ==
        "image 1 is a 4, predicted 9:\n\n@@\n" + std::string(26, '\n'));
}

TEST_CASE("digits: LeNet has the layers and sizes of its comments") {
  const tg::nn::Summary summary = tg::nn::summary(digits::lenet(), tg::zeros({1, 1, 28, 28}));
  CHECK(summary.parameters == 61706);
  CHECK(digits::lenet()(tg::zeros({3, 1, 28, 28})).shape() == tg::Shape{3, 10});
}
