// dropout_mask: Bernoulli's draws without DropoutByExample; with it, the mask of an example
// whatever part of the batch it is drawn with. Read next: ../io/safetensors_test.cc.
#include <tapegrad/tensor/random/dropout_mask.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "../../catch.h"

using namespace tapegrad;

namespace {

// The mask of the examples first, first + 1, ... of a batch, from a generator with seed 9.
Tensor mask_of(std::int64_t first, std::int64_t count, const Shape& shape,
               std::optional<std::int64_t> examples = std::nullopt) {
  Generator generator(9);
  const DropoutByExample part(first, count);
  return dropout_mask(shape, float64, 0.4, generator, examples);
}

}  // namespace

TEST_CASE("dropout_mask: without DropoutByExample the draws are bernoulli_'s") {
  Generator a(3), b(3);
  const Tensor mask = dropout_mask({5, 7}, float32, 0.3, a);
  CHECK(equal(mask, bernoulli_(empty({5, 7}, float32), 0.7, b)));
  CHECK(a.random() == b.random());
}

TEST_CASE("DropoutByExample: an example's mask is the same in each part of the batch") {
  const Tensor whole = mask_of(0, 10, {10, 6, 3});
  CHECK(min(whole).item<double>() == 0);
  CHECK(max(whole).item<double>() == 1);
  for (std::int64_t first = 0; first < 10; ++first) {
    for (std::int64_t count = 1; first + count <= 10; ++count) {
      CHECK(equal(mask_of(first, count, {count, 6, 3}), narrow(whole, 0, first, count)));
    }
  }
  SECTION("examples differ from each other") {
    for (std::int64_t i = 1; i < 10; ++i) {
      CHECK_FALSE(equal(select(whole, 0, i), select(whole, 0, 0)));
    }
  }
  SECTION("a part that was padded to fewer steps has the first steps") {
    CHECK(equal(mask_of(4, 2, {2, 5, 3}), narrow(narrow(whole, 0, 4, 2), 1, 0, 5)));
  }
  SECTION("steps first") {
    CHECK(equal(mask_of(4, 2, {6, 2, 3}), transpose(narrow(whole, 0, 4, 2), 0, 1)));
    CHECK(equal(mask_of(4, 2, {2, 2, 3}, 1),
                transpose(narrow(narrow(whole, 0, 4, 2), 1, 0, 2), 0, 1)));
  }
  SECTION("several rows of each example") {
    CHECK(equal(mask_of(4, 2, {12, 3}), reshape(narrow(whole, 0, 4, 2), {12, 3})));
  }
}

TEST_CASE("DropoutByExample: the share of zeros is p, over examples and over elements") {
  Generator generator(1);
  const DropoutByExample part(1000, 400);
  const Tensor mask = dropout_mask({400, 300}, float64, 0.3, generator);
  CHECK(mean(mask).item<double>() == Approx(0.7).margin(0.01));  // 8 standard deviations
  CHECK(mean(select(mask, 1, 0)).item<double>() == Approx(0.7).margin(0.1));
  const Tensor next = dropout_mask({400, 300}, float64, 0.3, generator);
  CHECK(mean(mask * next).item<double>() == Approx(0.49).margin(0.01));  // each call is new
  const Tensor neighbors = narrow(mask, 0, 0, 399) * narrow(mask, 0, 1, 399);
  CHECK(mean(neighbors).item<double>() == Approx(0.49).margin(0.01));
}

TEST_CASE("DropoutByExample: the generator moves by the same amount for all parts") {
  Generator a(3), b(3);
  {
    const DropoutByExample part(0, 1);
    dropout_mask({1, 7}, float32, 0.3, a);
  }
  {
    const DropoutByExample part(1, 20);
    dropout_mask({20, 5, 5}, float64, 0.3, b);
  }
  CHECK(a.random() == b.random());
}

TEST_CASE("DropoutByExample: nested, and of its thread alone") {
  CHECK(DropoutByExample::current() == nullptr);
  const DropoutByExample outer(0, 2);
  {
    const DropoutByExample inner(5, 3);
    CHECK(DropoutByExample::current() == &inner);
    bool none = false;
    std::thread([&] { none = DropoutByExample::current() == nullptr; }).join();
    CHECK(none);
  }
  CHECK(DropoutByExample::current() == &outer);
  CHECK(outer.first() == 0);
  CHECK(outer.count() == 2);
}

TEST_CASE("DropoutByExample: empty inputs") {
  CHECK(mask_of(0, 3, {3, 0}).shape() == Shape{3, 0});
  CHECK(mask_of(0, 3, {0, 4}).shape() == Shape{0, 4});
}

TEST_CASE("DropoutByExample: errors") {
  using Catch::Matchers::Message;
  CHECK_THROWS_MATCHES(
      DropoutByExample(-1, 2), ValueError,
      Message("DropoutByExample: first is -1 and count 2, needed first >= 0 and count >= 1"));
  CHECK_THROWS_AS(DropoutByExample(0, 0), ValueError);
  CHECK(DropoutByExample::current() == nullptr);
  CHECK_THROWS_MATCHES(mask_of(0, 4, {5, 6, 4}), ShapeError,
                       Message("dropout: x is (5, 6, 4), but DropoutByExample has 4 examples; "
                               "needed that size in dimension 0 or 1, or a multiple in "
                               "dimension 0"));
  CHECK_THROWS_AS(mask_of(0, 1, {}), ShapeError);
  Generator used(3), fresh(3);
  const DropoutByExample part(0, 4);
  CHECK_THROWS_AS(dropout_mask({5}, float32, 0.5, used), ShapeError);
  CHECK(used.random() == fresh.random());  // nothing was drawn
}
