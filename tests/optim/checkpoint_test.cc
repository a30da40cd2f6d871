// A training that is interrupted anywhere, also in the middle of a pass over the data, and resumed
// in new objects ends with the same bytes as one that was not interrupted; a checkpoint that does
// not fit leaves everything as it was.
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
namespace optim = tapegrad::optim;
using tg::StateDict;
using tg::Tensor;
using tg::test::error_text;
using tg::test::TemporaryFolder;

namespace {

constexpr std::int64_t kWords = 50;
constexpr std::int64_t kPasses = 3;

struct Net : nn::Module {
  nn::Embedding words;
  nn::LSTM lstm;
  nn::Dropout dropout;
  nn::Linear head;
  explicit Net(std::int64_t width)
      : words(register_module("words", nn::Embedding(kWords, 4, {.padding_idx = 0}))),
        lstm(register_module("lstm", nn::LSTM(4, width, {.num_layers = 2, .dropout = 0.3}))),
        dropout(register_module("dropout", nn::Dropout(0.4))),
        head(register_module("head", nn::Linear(width, 3))) {}
  tg::Variable operator()(const Tensor& ids) const {  // (batch, steps) -> (batch, 3)
    return head(dropout(lstm(transpose(words(ids), 0, 1)).output[-1]));
  }
};

nn::TensorDataset<2> examples() {
  tg::Generator generator(1);
  return nn::TensorDataset(tg::randint(1, kWords, {22, 3}, generator),
                           tg::randint(0, 3, {22}, generator));
}

// Everything with a state. The rate changes at each step, and with Adam's first beta.
struct Run {
  Net net;
  optim::Adam adam;
  optim::OneCycleLR schedule;
  tg::Generator order;
  nn::DataLoader<nn::TensorDataset<2>> loader;
  std::int64_t step = 0;

  explicit Run(bool worker = false, std::int64_t width = 5, double decay = 0.01)
      : net(width),
        adam(net.parameters(), {.lr = 0.01, .weight_decay = decay}),
        schedule(adam, {.max_lr = 0.05, .total_steps = 40}),
        order(3),
        loader(examples(), {.batch_size = 4, .shuffle = true, .worker = worker}, order) {}

  template <class Function>
  void with_parts(const Function& function) {
    function("model", net, adam, schedule, loader, "order", order, "default",
             tg::default_generator(), "step", step);
  }
  void save(const std::string& path) {
    with_parts([&](auto&&... parts) { tg::save_checkpoint(path, parts...); });
  }
  void load(const std::string& path) {
    with_parts([&](auto&&... parts) { tg::load_checkpoint(path, parts...); });
  }
  // Trains to the end; saves after step `at`, and stops there if asked to.
  void train(const std::string& path = {}, std::int64_t at = -1, bool stop = false) {
    while (loader.passes() < kPasses) {
      for (const auto& [ids, labels] : loader) {
        adam.zero_grad();
        nn::cross_entropy(net(ids), labels).backward();
        adam.step();
        schedule.step();
        if (++step != at) continue;
        save(path);
        if (stop) return;
      }
    }
  }
  // The state of all parts, which the test compares.
  std::string bytes(const TemporaryFolder& folder) {
    save(folder.file("bytes"));
    return tg::read_file(folder.file("bytes"));
  }
};

}  // namespace

TEST_CASE("checkpoint: an interrupted training ends with the same bytes", "[threads]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  for (const std::int64_t at : {1, 2, 3, 5, 6, 7, 8, 11, 12, 17, 18}) {  // a pass has 6 batches
    for (const double decay : {0.0, 0.01}) {
      const bool worker = decay > 0;
      CAPTURE(at, worker);
      tg::manual_seed(5);
      Run whole(worker, 5, decay);
      whole.train(path, at);
      CHECK(whole.step == 18);
      const std::string expected = whole.bytes(folder);

      tg::manual_seed(5);
      std::optional<Run> interrupted(std::in_place, worker, 5, decay);
      interrupted->train(path, at, true);
      CHECK(interrupted->step == at);
      interrupted.reset();

      for (const bool other_worker : {false, true}) {
        tg::manual_seed(99);
        Run resumed(other_worker, 5, decay);
        tg::randn({3});
        resumed.load(path);
        CHECK(resumed.step == at);
        CHECK(resumed.loader.passes() == (at - 1) / 6);
        resumed.train();
        CHECK(resumed.step == 18);
        CHECK((resumed.bytes(folder) == expected));
      }
    }
  }
}

TEST_CASE("checkpoint: the simple form, between two passes") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  const auto epoch = [](nn::Linear& model, optim::SGD& sgd, const auto& loader) {
    for (const auto& [x, y] : loader) {
      sgd.zero_grad();
      nn::mse_loss(model(x), y).backward();
      sgd.step();
    }
  };
  tg::manual_seed(0);
  const nn::TensorDataset data(tg::randn({10, 3}), tg::randn({10, 2}));
  nn::Linear model(3, 2);
  optim::SGD sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  optim::StepLR schedule(sgd, {.step_size = 1});
  nn::DataLoader loader(data, {.batch_size = 3, .shuffle = true});
  for (int i = 0; i < 4; ++i) {
    epoch(model, sgd, loader);
    schedule.step();
    if (i == 1) tg::save_checkpoint(path, model, sgd, schedule, loader, tg::default_generator());
  }
  nn::Linear again(3, 2);
  optim::SGD its_sgd(again.parameters(), {.lr = 0.1, .momentum = 0.9});
  optim::StepLR its_schedule(its_sgd, {.step_size = 1});
  nn::DataLoader its_loader(data, {.batch_size = 3, .shuffle = true});
  tg::load_checkpoint(path, again, its_sgd, its_schedule, its_loader, tg::default_generator());
  for (std::int64_t i = its_loader.passes(); i < 4; ++i) {
    epoch(again, its_sgd, its_loader);
    its_schedule.step();
  }
  CHECK(equal(again.weight.value(), model.weight.value()));
  CHECK(its_sgd.lr() == sgd.lr());

  // Other tools can read the file: names are <part>.<name>.
  CHECK(tg::load(path).contains("model.weight"));
  CHECK(tg::load(path).contains("optimizer.state.weight.momentum_buffer"));
}

TEST_CASE("checkpoint: one that does not fit leaves every part as it was") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  tg::manual_seed(5);
  Run run;
  run.train(path, 8, true);  // in the middle of a pass, with pending steps of lazy rows
  const std::string before = run.bytes(folder);
  const std::string whole = tg::read_file(path);
  const auto refusal = [&] {
    const std::string text = error_text<tg::FormatError>([&] { run.load(path); });
    CHECK((run.bytes(folder) == before));
    return text;
  };

  std::ofstream(path, std::ios::binary) << whole.substr(0, whole.size() - 5);
  CHECK_FALSE(refusal().empty());

  tg::manual_seed(6);
  const StateDict now = tg::default_generator().state_dict();
  Run wider(false, 6);  // the first part does not fit
  wider.save(path);
  tg::manual_seed(5);
  tg::default_generator().load_state_dict(now);
  const std::string other = run.bytes(folder);  // the default generator has moved
  const std::string text = error_text<tg::FormatError>([&] { run.load(path); });
  CHECK(text.find("load_checkpoint: " + path + ", part model: load_state_dict: names or sizes") ==
        0);
  CHECK((run.bytes(folder) == other));

  // The last one does not fit: those before it get back what they had.
  const Net narrow(5);
  optim::SGD two_groups(narrow.head.parameters());
  two_groups.add_group(narrow.lstm.parameters(), {});
  tg::save_checkpoint(path, "model", narrow, two_groups, "step", 3);
  const std::string now_bytes = run.bytes(folder);
  CHECK(error_text<tg::FormatError>([&] {
          tg::load_checkpoint(path, "step", run.step, "model", run.net, run.adam);
        }).find("part optimizer: Adam: the state does not fit this optimizer") !=
        std::string::npos);
  CHECK((run.bytes(folder) == now_bytes));

  // The run continues as if nothing had been tried.
  std::ofstream(path, std::ios::binary) << whole;
  run.load(path);
  run.train();
  tg::manual_seed(5);
  Run expected;
  expected.train(path, 8);
  CHECK((run.bytes(folder) == expected.bytes(folder)));
}
