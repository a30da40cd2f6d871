// Named tensors (StateDict).
#include "catch.h"
#include "error_text.h"

#include <tapegrad/tensor/io/state_dict.h>

#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
using tg::test::error_text;

TEST_CASE("StateDict: order, lookup") {
  tg::StateDict state{{"weight", tg::tensor({1.0, 2.0})}, {"bias", tg::tensor(3.0)}};
  state.insert("a", tg::tensor({1}));
  CHECK(state.size() == 3);
  CHECK_FALSE(state.empty());
  std::string names;
  for (const auto& [name, tensor] : state) names += name + to_string(tensor.shape());
  CHECK(names == "weight(2)bias()a(1)");
  CHECK(state.contains("bias"));
  CHECK_FALSE(state.contains("Bias"));
  CHECK(state.find("missing") == nullptr);
  REQUIRE(state.find("bias") != nullptr);
  CHECK(state.find("bias")->item<float>() == 3.0f);
  CHECK(state.at("weight").item<float>({1}) == 2.0f);
  CHECK(state.at("weight").shares_memory_with(state.begin()->second));
  CHECK(tg::StateDict().empty());
}

TEST_CASE("StateDict: errors") {
  tg::StateDict state{{"w", tg::tensor({1.0})}};
  CHECK(error_text<tg::ValueError>([&] { state.insert("w", tg::tensor({2.0})); }) ==
        "StateDict: name \"w\" is taken already");
  CHECK(error_text<tg::ValueError>([&] { state.insert("v", tg::Tensor()); }) ==
        "StateDict: tensor \"v\" is undefined");
  CHECK(state.size() == 1);
  CHECK(state.at("w").item<float>() == 1.0f);
  CHECK(error_text<tg::FormatError>([&] { state.at("x"); }) ==
        "StateDict: no tensor \"x\"; there are \"w\"");
  CHECK(error_text<tg::FormatError>([] { tg::StateDict().at("x"); }) ==
        "StateDict: no tensor \"x\"");
  for (const char c : std::string("abcdefghijk")) state.insert({'t', c}, tg::tensor(0.0));
  const std::string text = error_text<tg::FormatError>([&] { state.at("x"); });
  CHECK(text.ends_with("\"th\", \"ti\" and 2 more"));
}
