// What a Trace says of the steps of optimizers. Read next: autograd/trace/recording.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/clip.h>
#include <tapegrad/optim/sgd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch.h"

namespace tg = tapegrad;
using Json = nlohmann::json;
using Numbers = std::vector<double>;

namespace {

struct Tape {
  explicit Tape(const tg::Trace& trace) : json(Json::parse(trace.json())) {
    for (const Json& step : json["steps"]) {
      if (step["kind"] == "update") updates.push_back(step);
    }
  }
  Numbers elements(const Json& id) const {
    return json["tensors"][id.get<std::size_t>()]["data"].get<Numbers>();
  }
  Json json;
  std::vector<Json> updates;
};

void check_close(const Numbers& a, const Numbers& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).margin(1e-12));
}

}  // namespace

TEST_CASE("a step has the optimizer's options, and its state before and after") {
  const tg::Variable w = tg::parameter(tg::tensor({{1.0, 2.0}}, tg::float64));
  tg::optim::Adam adam({{"w", w}}, {.lr = 0.1, .betas = {0.5, 0.75}, .weight_decay = 0.25});
  const tg::Trace trace;
  for (int step = 0; step < 2; ++step) {
    adam.zero_grad();
    sum(w * tg::tensor({{3.0, -1.0}}, tg::float64)).backward();
    adam.step();
  }
  const Tape tape(trace);
  REQUIRE(tape.updates.size() == 2);
  const Json& first = tape.updates[0];
  CHECK(first["optimizer"] == "Adam");
  CHECK(first["options"]["betas"] == Json{0.5, 0.75});
  CHECK(first["options"]["weight_decay"] == 0.25);
  CHECK(first["options"]["amsgrad"] == false);
  CHECK_FALSE(first["options"].contains("sparse"));
  CHECK(tape.elements(first["gradient"]) == Numbers{3, -1});
  CHECK(first["state"]["step"] == 0);
  CHECK(tape.elements(first["state"]["exp_avg"]) == Numbers{0, 0});
  CHECK(first["state_after"]["step"] == 1);
  // 0.5 * (gradient + decay), where the decay is 0.25 * (1, 2)
  CHECK(tape.elements(first["state_after"]["exp_avg"]) == Numbers{1.625, -0.25});
  CHECK(tape.updates[1]["state"] == first["state_after"]);
  CHECK(tape.updates[1]["state_after"]["step"] == 2);
}

TEST_CASE("the parts of a step add up to its change") {
  const tg::Variable w = tg::parameter(tg::tensor({{1.0, 2.0}, {3.0, 4.0}}, tg::float64));
  tg::optim::SGD sgd({{"w", w}}, {.lr = 0.1, .momentum = 0.5, .weight_decay = 0.25});
  const tg::Trace trace;
  for (int step = 0; step < 2; ++step) {
    sgd.zero_grad();
    sum(square(w)).backward();
    sgd.step();
  }
  const Tape tape(trace);
  const Json& update = tape.updates[1];
  CHECK_FALSE(tape.updates[0]["parts"].contains("momentum"));  // the first step has none
  REQUIRE(update["parts"].size() == 3);
  const Numbers before = tape.elements(update["before"]);
  Numbers total = before;
  for (const auto& [name, id] : update["parts"].items()) {
    const Numbers part = tape.elements(id);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] += part[i];
  }
  check_close(total, tape.elements(update["after"]));
  Numbers gradient = before;
  for (double& x : gradient) x *= -0.1 * 2;
  check_close(tape.elements(update["parts"]["gradient"]), gradient);
}

TEST_CASE("a step of rows says that only these moved, and which gradient was used") {
  const tg::Variable table = tg::parameter(tg::ones({4, 2}, tg::float64));
  table.row_policy().set_sparse(true);
  table.row_policy().set_rate_multiplier(0.5);
  tg::optim::Adam adam({{"table", table}}, {.lr = 0.1});
  const tg::Trace trace;
  sum(embedding(table, tg::tensor({2, 2}))).backward();
  tg::optim::clip_grad_norm({{"table", table}}, std::sqrt(2.0));  // half of the gradient
  adam.step();
  const Tape tape(trace);
  const Json& update = tape.updates.at(0);
  CHECK(update["options"]["sparse"] == true);
  CHECK(update["options"]["rate_multiplier"] == 0.5);
  CHECK(update["lr"] == 0.1);
  const Json& rows = tape.json["tensors"][update["gradient"].get<std::size_t>()]["rows"];
  CHECK(rows["ids"] == Json{2});
  CHECK(rows["data"][0].get<double>() == Approx(1).epsilon(1e-5));
}

TEST_CASE("of a large parameter only the values are kept") {
  const tg::Variable w = tg::parameter(tg::ones({5}));
  tg::optim::Adam adam({{"w", w}}, {.lr = 0.1});
  const tg::Trace trace({.most_elements = 4});
  sum(square(w)).backward();
  adam.step();
  const Json update = Tape(trace).updates.at(0);
  CHECK(update["optimizer"] == "Adam");
  CHECK(update["lr"] == 0.1);
  CHECK_FALSE(update.contains("gradient"));
  CHECK_FALSE(update.contains("state"));
}
