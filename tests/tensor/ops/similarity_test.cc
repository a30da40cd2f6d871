// Similarities and distances between vectors. Read next: ../kernels/kernels_test.cc.
#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("similarity of vectors") {
  const Tensor a = tensor({{3.0, 4.0}, {0.0, 0.0}, {1.0, 0.0}});
  const Tensor b = tensor({{4.0, 3.0}, {1.0, 1.0}, {-2.0, 0.0}});
  CHECK(matches(cosine_similarity(a, b), tensor({0.96, 0.0, -1.0}), 1e-6));
  CHECK(matches(cosine_similarity(a, b[0], 1), tensor({0.96, 0.0, 0.8}), 1e-6));
  CHECK(cosine_similarity(a[0], b[0], 0).dim() == 0);
  CHECK(cosine_similarity(a * 1e15, b * 1e-3).item<float>(0) == Approx(0.96));
  CHECK(matches(normalize(a), tensor({{0.6, 0.8}, {0.0, 0.0}, {1.0, 0.0}}), 1e-6));
  CHECK(matches(normalize(a, 1.0, 0), tensor({{0.75, 1.0}, {0.0, 0.0}, {0.25, 0.0}}), 1e-6));
  CHECK(matches(pairwise_distance(a, b), tensor({std::sqrt(2.0), std::sqrt(2.0), 3.0}), 1e-5));
  CHECK(pairwise_distance(a, b, 1.0, 1e-6, true).shape() == Shape{3, 1});
  const double root = std::sqrt(2.0);
  CHECK(matches(cdist(narrow(a, 0, 0, 2), b),
                tensor({{root, std::sqrt(13.0), std::sqrt(41.0)}, {5.0, root, 2.0}}), 1e-6));
  CHECK(matches(cdist(a, transpose(transpose(b).clone()), 1.0),
                sum(abs(unsqueeze(a, 1) - unsqueeze(b, 0)), -1), 1e-6));
  CHECK(matches(cdist(stack({a, b}), b)[1], cdist(b, b), 1e-6));
  CHECK(cdist(zeros({0, 2}), b).shape() == Shape{0, 3});
  CHECK(matches(cdist(zeros({2, 0}), zeros({3, 0})), zeros({2, 3})));
  CHECK(error_text<ShapeError>([&] {
          cdist(a, zeros({3, 3}));
        }) == "cdist: got shapes (3, 2) and (3, 3), needed (..., m, d) and (..., n, d)");
  CHECK_THROWS_AS(cdist(a, b, -1.0), ValueError);
  CHECK_THROWS_AS(cosine_similarity(a, b, 2), IndexError);
  CHECK_THROWS_AS(cosine_similarity(tensor({1}), tensor({1}), 0), DTypeError);
}
