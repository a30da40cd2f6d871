// Checkpoints of parts that the tests define: names, files, numbers, and loading all or nothing.
// tests/optim/checkpoint_test.cc resumes a whole training.
#include "catch.h"
#include "error_text.h"

#include <cstdint>
#include <fstream>
#include <string>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/checkpoint.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
using tg::load_checkpoint;
using tg::save_checkpoint;
using tg::test::error_text;
using tg::test::TemporaryFolder;

namespace {

// A part with one element; loading fails for another name.
struct Box {
  std::string name = "x";
  std::int64_t value = 0;
  tg::StateDict state_dict() const { return {{name, tg::tensor(value)}}; }
  void load_state_dict(const tg::StateDict& state) { value = state.at(name).item<std::int64_t>(); }
};

// Seen as a model, an optimizer and a schedule by their functions.
struct Model : Box {
  int parameters() const { return 0; }
  void eval() {}
};
struct Rule : Box {
  void zero_grad() {}
  void set_lr(double) {}
  int parameters() const { return 0; }
};
struct Rates : Box {
  int last_lr() const { return 0; }
};
struct Nothing {
  tg::StateDict state_dict() const { return {}; }
  void load_state_dict(const tg::StateDict& state) { CHECK(state.empty()); }
};

std::string names_in(const std::string& path) {
  std::string names;
  for (const auto& [name, value] : tg::load(path)) names += name + " ";
  return names;
}

}  // namespace

TEST_CASE("checkpoint: parts are called by their kind or by the name before them") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  const Model model{{.value = 1}}, second{{.value = 2}};
  const Rule rule{{.value = 3}};
  const Rates rates{{.value = 4}};
  const Box box{.value = 5};
  const tg::Generator generator(6);
  save_checkpoint(path, model, rule, rates, box, second, generator, 7);
  CHECK(names_in(path) ==
        "generator.state model.x model_2.x number.value optimizer.x part.x schedule.x ");

  // Kinds may come in another order; two of one kind are told apart by theirs.
  Model model_in, second_in;
  Rule rule_in;
  Rates rates_in;
  Box box_in;
  tg::Generator generator_in(1);
  int number = 0;
  load_checkpoint(path, number, generator_in, model_in, box_in, second_in, rates_in, rule_in);
  CHECK(model_in.value == 1);
  CHECK(second_in.value == 2);
  CHECK(rule_in.value == 3);
  CHECK(rates_in.value == 4);
  CHECK(box_in.value == 5);
  CHECK(equal(generator_in.state_dict().at("state"), generator.state_dict().at("state")));
  CHECK(number == 7);

  const std::string critic = "critic";
  save_checkpoint(path, "painter", model, critic, second, rule, std::string_view("step"), 8);
  CHECK(names_in(path) == "critic.x optimizer.x painter.x step.value ");
  load_checkpoint(path, rule_in, "critic", model_in, "painter", second_in, "step", number);
  CHECK(model_in.value == 2);
  CHECK(second_in.value == 1);
  CHECK(number == 8);

  save_checkpoint(path, Nothing(), "dotted", Box{.name = "a.b.c", .value = 9});
  CHECK(names_in(path) == "dotted.a.b.c ");
  Box dotted{.name = "a.b.c"};
  load_checkpoint(path, Nothing(), "dotted", dotted);
  CHECK(dotted.value == 9);

  const auto refusal = [&](auto&&... parts) {
    return error_text<tg::ValueError>([&] { save_checkpoint(path, parts...); });
  };
  const std::string bad = "a name must not be empty or contain a dot or a space";
  CHECK(refusal("a.b", box) == "save_checkpoint: part \"a.b\": " + bad);
  CHECK(refusal("a b", box) == "save_checkpoint: part \"a b\": " + bad);
  CHECK(refusal("", box) == "save_checkpoint: part \"\": " + bad);
  CHECK(refusal("a", box, "a", box) ==
        "save_checkpoint: part \"a\": two parts have this name; write another one before one of "
        "them");
  CHECK(refusal(model, "model", model) ==
        "save_checkpoint: part \"model\": two parts have this name; write another one before one "
        "of them");
  CHECK(names_in(path) == "dotted.a.b.c ");  // the old file
}

TEST_CASE("checkpoint: numbers") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  const double best = 0.1;
  const float rate = 0.2f;
  const std::int64_t step = std::int64_t{1} << 60;
  const bool done = true;
  const std::uint64_t large = ~std::uint64_t{0};
  save_checkpoint(path, best, rate, step, done, large);
  double best_in = 0;
  float rate_in = 0;
  std::int64_t step_in = 0;
  bool done_in = false;
  std::uint64_t large_in = 0;
  load_checkpoint(path, best_in, rate_in, step_in, done_in, large_in);
  CHECK(best_in == best);
  CHECK(rate_in == rate);
  CHECK(step_in == step);
  CHECK(done_in);
  CHECK(large_in == large);

  save_checkpoint(path, step);
  int small = 3;
  CHECK(error_text<tg::FormatError>([&] { load_checkpoint(path, small); }) ==
        "load_checkpoint: " + path +
            ", part number: the number 1152921504606846976 is out of range for the variable");
  CHECK(error_text<tg::FormatError>([&] { load_checkpoint(path, best_in); }) ==
        "load_checkpoint: " + path +
            ", part number: the state is not a number, needed one float64 \"value\"");
  CHECK(small == 3);
  CHECK(best_in == best);
}

TEST_CASE("checkpoint: loads all parts or none") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run.ckpt");
  save_checkpoint(path, "a", Box{.value = 1}, "b", Box{.value = 2}, "c", 3);
  Box a{.value = 10}, b{.value = 20};
  int c = 30;
  const std::string start = "load_checkpoint: " + path;
  const auto refusal = [&](auto&&... parts) {
    const std::string text = error_text<tg::FormatError>([&] { load_checkpoint(path, parts...); });
    CHECK(a.value == 10);
    CHECK(b.value == 20);
    CHECK(c == 30);
    return text;
  };
  const std::string advice = "; pass the same parts to save_checkpoint() and load_checkpoint()";
  CHECK(refusal("a", a, "b", b) == start + " holds the parts a, b, c; unexpected: c" + advice);
  CHECK(refusal("a", a, "b", b, "c", c, "d", b, b) ==
        start + " holds the parts a, b, c; missing: d, part" + advice);
  CHECK(refusal("a", a, "d", b, "c", c) ==
        start + " holds the parts a, b, c; missing: d; unexpected: b" + advice);
  b.name = "y";  // fails after a was loaded
  CHECK(refusal("a", a, "b", b, "c", c) ==
        start + ", part b: StateDict: no tensor \"y\"; there are \"x\"");
  b.name = "x";

  const std::string whole = tg::read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, size);
    CHECK_FALSE(refusal("a", a, "b", b, "c", c).empty());
  }
  tg::save(path, a.state_dict());
  CHECK(refusal("a", a) ==
        start + " is not a checkpoint of save_checkpoint(); load() reads the file");
  tg::save(path, {{"b.x", tg::tensor(1)}}, {{"tapegrad.checkpoint", "a"}});
  CHECK(refusal("a", a) == start + " has no part for its tensor \"b.x\"");
  tg::save(path, {{"a", tg::tensor(1)}}, {{"tapegrad.checkpoint", "a"}});
  CHECK(refusal("a", a) == start + " has no part for its tensor \"a\"");
  CHECK_THROWS_AS(load_checkpoint(folder.file("none"), a), tg::IoError);

  std::ofstream(path, std::ios::binary) << whole;
  load_checkpoint(path, "a", a, "b", b, "c", c);
  CHECK(a.value == 1);
  CHECK(b.value == 2);
  CHECK(c == 3);
}
