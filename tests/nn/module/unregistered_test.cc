// Members that are not registered: what is noticed, and what must not be. Read next:
// tests/nn/layers_test.cc.
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

// A module of M as the member "part".
template <class M>
struct Outer : nn::Module {
  M part;
  explicit Outer(M given = M()) : part(register_module("part", std::move(given))) {}
};

// Forgets `head`, which lies after the registered member.
struct ForgetsHead : nn::Module {
  nn::Linear body = register_module("body", nn::Linear(2, 2));
  nn::Linear head{2, 1};
};
struct ForgetsFirst : nn::Module {
  nn::Linear first{2, 1, {.bias = false}};
  nn::Linear body = register_module("body", nn::Linear(2, 2));
};
struct ForgetsVector : nn::Module {
  std::vector<nn::Linear> layers;
  ForgetsVector() {
    for (int i = 0; i < 3; ++i) layers.push_back(nn::Linear(2, 2));
  }
};
struct ForgetsDropout : nn::Module {
  nn::Dropout dropout{0.5};
};
struct ForgetsParameter : nn::Module {
  Parameter scale{parameter(ones({3}))};
};
struct ForgetsInBase : ForgetsHead {
  nn::Linear more = register_module("more", nn::Linear(2, 2));
};
// Registers its member after a handle was made.
struct Late : nn::Module {
  nn::Linear head{2, 1};
  void finish() { register_module("head", head); }
};

constexpr const char* kHead =
    "got the member Linear(2, 1), which is not registered and "
    "would not be trained, saved or switched by eval(); initialize it with "
    "register_module(\"name\", module), or hold it in a std::shared_ptr to keep it out";

template <class M>
std::string message() {
  Outer<M> outer;
  const std::string text = error_text<ValueError>([&] { outer.parameters(); });
  CHECK(error_text<ValueError>([&] { outer.state_dict(); }) == text);
  CHECK(error_text<ValueError>([&] { outer.load_state_dict(StateDict()); }) == text);
  CHECK(error_text<ValueError>([&] { outer.eval(); }) == text);
  CHECK(error_text<ValueError>([&] { nn::check_registered(outer); }) == text);
  CHECK(outer.is_training());  // nothing was changed
  return text;
}

}  // namespace

TEST_CASE("an unregistered member of a registered module is noticed", "[module]") {
  CHECK(message<ForgetsHead>() == std::string("ForgetsHead 'part': ") + kHead);
  CHECK(message<ForgetsFirst>().starts_with("ForgetsFirst 'part': got the member Linear(2, 1"));
  CHECK(message<ForgetsVector>().starts_with("ForgetsVector 'part': got the member Linear(2, 2)"));
  CHECK(message<ForgetsInBase>() == std::string("ForgetsInBase 'part': ") + kHead);
  CHECK(message<ForgetsDropout>().starts_with("ForgetsDropout 'part': got the member Dropout(0."));
  CHECK(message<ForgetsParameter>() ==
        "ForgetsParameter 'part': got the member Parameter (3), which is not registered and would "
        "not be trained, saved or switched by eval(); initialize it with "
        "register_parameter(\"name\", tensor), or hold it in a std::shared_ptr to keep it out");
  CHECK(message<Outer<ForgetsHead>>().starts_with("ForgetsHead 'part.part': "));
}

TEST_CASE("in lists, dictionaries and Sequential, too", "[module]") {
  nn::ModuleList<ForgetsHead> list;
  list.push_back(ForgetsHead());
  CHECK_THROWS_AS(list.parameters(), ValueError);
  nn::ModuleDict<ForgetsHead> dict;
  dict.insert("a", ForgetsHead());
  CHECK_THROWS_AS(dict.parameters(), ValueError);
}

TEST_CASE("check_registered() sees the members of the outermost module", "[module]") {
  const ForgetsHead model;
  CHECK(model.parameters().size() == 2);  // it cannot know
  CHECK(error_text<ValueError>([&] { nn::check_registered(model); }) ==
        std::string("ForgetsHead: ") + kHead);
  CHECK_THROWS_AS(model.parameters(), ValueError);  // now it knows
  CHECK_THROWS_AS(clone(ForgetsFirst()), ValueError);
  CHECK_THROWS_AS(nn::check_registered(ForgetsVector()), ValueError);
}

TEST_CASE("a member that is registered later is no mistake", "[module]") {
  Late late;
  Outer<Late> outer(late);
  CHECK_THROWS_AS(outer.parameters(), ValueError);
  late.finish();  // all handles see it
  CHECK(outer.parameters().size() == 2);
}

TEST_CASE("what is registered elsewhere, was given, or is held by a pointer is no mistake",
          "[module]") {
  // A handle to a module of its own model, and one to a module that is trained by itself.
  struct Decoder : nn::Module {
    nn::Embedding words;
    nn::Linear teacher;
    Parameter scale;
    std::optional<nn::Linear> none{};
    nn::ReLU relu{};  // nothing to train, save or switch
    nn::Sequential functions{tanh, nn::Tanh()};
    std::shared_ptr<nn::Linear> hidden = std::make_shared<nn::Linear>(2, 2);
    std::function<Variable(const Variable&)> run;
    nn::Linear head = register_module("head", nn::Linear(2, 2));
    Decoder(const nn::Embedding& given, const nn::Linear& its_teacher, const Parameter& its_scale)
        : words(given), teacher(its_teacher), scale(its_scale), run(its_teacher) {
      const nn::Linear local(2, 2);  // gone at the end
      head(local(ones({1, 2})));
    }
  };
  struct Model : nn::Module {
    nn::Embedding words = register_module("words", nn::Embedding(4, 2));
    Parameter scale = register_parameter("scale", ones({1}));
    Decoder decoder;
    explicit Model(const nn::Linear& teacher)
        : decoder(register_module("decoder", Decoder(words, teacher, scale))) {}
  };
  const nn::Linear teacher(2, 2);
  const Model model(teacher);
  CHECK(model.parameters().size() == 4);
  nn::check_registered(model);
  CHECK(clone(model).parameters().size() == 4);
  std::vector<Outer<Model>> models;  // moved about in memory
  for (int i = 0; i < 5; ++i) models.push_back(Outer<Model>(Model(teacher)));
  for (Outer<Model>& each : models) each.eval();
  const nn::Linear after(2, 2);  // a neighbor
  Outer<nn::Linear> handle(after);
  CHECK(handle.parameters().size() == 2);
}

TEST_CASE("the layers of the library register what they hold", "[module]") {
  using namespace tapegrad::nn;
  check_registered(Sequential{Linear(2, 2), Sequential{Linear(2, 2), relu}, Dropout(0.5)});
  check_registered(LSTM(2, 3, {.num_layers = 2, .bidirectional = true}));
  check_registered(TransformerEncoderLayer(4, 2));
  check_registered(TransformerDecoderLayer(4, 2));
  check_registered(MultiheadAttention(4, 2));
  check_registered(BatchNorm1d(3));
  check_registered(LayerNorm(3));
  check_registered(LoraEmbedding(Embedding(4, 4), {.rank = 2}));
  check_registered(EmbeddingBag(4, 2));
  check_registered(Bilinear(2, 2, 2));
  check_registered(LearnedPositions(4, {.max_len = 5}));
  check_registered(Conv1d(2, 2, 3));
  check_registered(Conv2d(2, 2, 3));
  check_registered(BatchNorm2d(3));
  check_registered(GroupNorm(2, 4));
  check_registered(GRUCell(2, 2));
}

TEST_CASE("a clone is registered with nothing", "[module]") {
  struct ForgetsClone : nn::Module {
    nn::Linear a = register_module("a", nn::Linear(2, 2));
    nn::Linear b = clone(a);
  };
  CHECK_THROWS_AS(nn::check_registered(ForgetsClone()), ValueError);
  struct Registers : nn::Module {
    nn::Linear a = register_module("a", nn::Linear(2, 2));
    nn::Linear b = register_module("b", clone(a));
  };
  Registers both;
  CHECK_NOTHROW(nn::check_registered(clone(both)));
  CHECK(both.parameters().size() == 4);
  const nn::Linear free = clone(both.a);  // belongs to no module
  CHECK(error_text<ShapeError>([&] {
          free(zeros({1, 3}));
        }) == error_text<ShapeError>([] {
          nn::Linear(2, 2)(zeros({1, 3}));
        }));
  const Outer<Registers> outer;
  const Registers inner = clone(outer.part);
  CHECK(error_text<ShapeError>([&] { inner.b(zeros({1, 3})); }).ends_with("; in module b"));
}

TEST_CASE("a module with a forgotten member can still be printed", "[module]") {
  const Outer<ForgetsHead> model;
  CHECK_THROWS_AS(model.parameters(), ValueError);
  std::ostringstream text;
  text << model;
  CHECK(text.str().find("body: Linear(2, 2)") != std::string::npos);
}
