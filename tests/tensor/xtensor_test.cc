// The bridge to xtensor. Read next: ops/elementwise_test.cc.
#include <tapegrad/tensor/xtensor.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("conversion to xtensor and back does not copy") {
  Tensor x = scrambled({2, 3}, float64);
  auto plain = xtensor_view<double>(x);
  CHECK(plain.shape().size() == 2);
  CHECK(plain(1, 2) == 185.0);
  CHECK(&plain(0, 0) == x.data<double>());
  const Tensor turned = transpose(x);
  auto strided = xtensor_view<double>(turned);
  CHECK(strided(2, 1) == 185.0);
  CHECK(xt::eval(xt::sum(strided, {0}))(1) == 111.0 + 148.0 + 185.0);

  const std::uint32_t version = x.version();
  mutable_xtensor_view<double>(x)(0, 1) = -1.0;
  CHECK(x.item<double>({0, 1}) == -1.0);
  CHECK(x.version() == version + 1);
  Tensor wide = expand(full({}, 1.0, float64), {2, 2});
  CHECK(xt::sum(xtensor_view<double>(wide))() == 4.0);
  CHECK_THROWS_AS(mutable_xtensor_view<double>(wide), ValueError);
  CHECK(error_text<DTypeError>([&] { xtensor_view<float>(x); }) ==
        "xtensor_view: tensor is float64, asked for float32; convert with to(float32)");

  auto target = mutable_xtensor_view<double>(x);
  target = xt::eval(plain * 2.0);
  CHECK(x.item<double>({1, 2}) == 370.0);

  xt::xarray<float> array = {{1.F, 2.F, 3.F}, {4.F, 5.F, 6.F}};
  const float* memory = array.data();
  const Tensor taken = from_xtensor(std::move(array));
  CHECK(taken.data<float>() == memory);
  CHECK(matches(taken, tensor({{1., 2., 3.}, {4., 5., 6.}})));
  xt::xtensor<std::int64_t, 2, xt::layout_type::column_major> columns = {{1, 2, 3}, {4, 5, 6}};
  CHECK(matches(from_xtensor(std::move(columns)), tensor({{1, 2, 3}, {4, 5, 6}})));
}
