// Module: registered names, copies that share and clones that do not, replacing, tying and
// printing. Read next: loading_test.cc.
#include <tapegrad/nn/module/module.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/lora_embedding.h>
#include <tapegrad/nn/module_list.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/net.h"
#include "tensor/expect.h"

using namespace tapegrad;
using namespace tapegrad::test;

namespace {

// Makes the register functions public for tests.
struct Anything : nn::Module {
  using Module::register_buffer;
  using Module::register_module;
  using Module::register_parameter;
};

bool same_leaf(const Variable& a, const Variable& b) { return a.node() == b.node(); }

std::string printed(const nn::Module& module) {
  std::ostringstream out;
  out << module;
  return out.str();
}

}  // namespace

// Assignment is deleted, because the registry would keep the old object.
static_assert(!std::is_copy_assignable_v<nn::Module> && !std::is_move_assignable_v<nn::Module>);
static_assert(!std::is_copy_assignable_v<nn::Linear> && !std::is_move_assignable_v<nn::Linear>);
static_assert(!std::is_copy_assignable_v<nn::Embedding>);
static_assert(!std::is_copy_assignable_v<nn::RNNCell>);
static_assert(!std::is_copy_assignable_v<nn::Sequential>);
static_assert(!std::is_copy_assignable_v<nn::Dropout> && !std::is_copy_assignable_v<nn::LeakyReLU>);
static_assert(!std::is_copy_assignable_v<Net> && !std::is_move_assignable_v<Net>);
static_assert(!std::is_copy_assignable_v<Parameter> && !std::is_move_assignable_v<Parameter>);
static_assert(!std::is_assignable_v<Parameter&, Variable>);
static_assert(!std::is_assignable_v<Parameter&, Tensor>);
static_assert(!std::is_copy_assignable_v<nn::Buffer>);
static_assert(std::is_copy_constructible_v<Net> && std::is_move_constructible_v<Net>);

// Const objects -----------------------------------------------------------------------------------

// Whether `call` compiles for a T and does not for a const T.
template <class T, class Call>
constexpr bool refuses_const(Call) {
  return std::is_invocable_v<Call, T&> && !std::is_invocable_v<Call, const T&>;
}
// Whether `call` compiles for both.
template <class T, class Call>
constexpr bool takes_const(Call) {
  return std::is_invocable_v<Call, T&> && std::is_invocable_v<Call, const T&>;
}

#define CALL(...) [](auto& m) -> decltype(void(m.__VA_ARGS__)) {}
using Ids = std::vector<std::int64_t>;
void ignore_gradient(const Variable&);
void ignore_module(const nn::Module&);

static_assert(refuses_const<Net>(CALL(train())));
static_assert(refuses_const<Net>(CALL(train(false))));
static_assert(refuses_const<Net>(CALL(eval())));
static_assert(refuses_const<Net>(CALL(zero_grad())));
static_assert(refuses_const<Net>(CALL(set_requires_grad(true))));
static_assert(refuses_const<Net>(CALL(to(float64))));
static_assert(refuses_const<Net>(CALL(load_state_dict(StateDict()))));
static_assert(refuses_const<Net>(CALL(register_forward_pre_hook(nn::ForwardPreHook()))));
static_assert(refuses_const<Net>(CALL(register_forward_hook(nn::ForwardHook()))));
static_assert(refuses_const<Net>(CALL(register_full_backward_hook(nn::FullBackwardHook()))));
static_assert(refuses_const<Net>(CALL(remove_hook(1))));
static_assert(refuses_const<Net>(CALL(replace_module("head", nn::Linear(1, 1)))));
static_assert(takes_const<Net>(CALL(is_training())));
static_assert(takes_const<Net>(CALL(parameters())));
static_assert(takes_const<Net>(CALL(buffers())));
static_assert(takes_const<Net>(CALL(state_dict())));
static_assert(takes_const<Net>(CALL(description())));
static_assert(takes_const<Net>(CALL(apply(ignore_module))));
static_assert(takes_const<Net>(CALL(own_parameter_count())));
static_assert(takes_const<Net>(CALL(words(Tensor()))));
static_assert(takes_const<Net>([](auto& m) -> decltype(void(nn::clone(m))) {}));
static_assert(takes_const<Net>([](auto& m) -> decltype(void(std::declval<std::ostream&>() << m)) {
}));

static_assert(refuses_const<Parameter>(CALL(zero_grad())));
static_assert(refuses_const<Parameter>(CALL(set_requires_grad(true))));
static_assert(refuses_const<Parameter>(CALL(set_value(Tensor()))));
static_assert(refuses_const<Parameter>(CALL(adopt(Parameter()))));
static_assert(refuses_const<Parameter>(CALL(register_hook(ignore_gradient))));
static_assert(refuses_const<Parameter>(CALL(row_policy().unfreeze_rows())));
static_assert(refuses_const<Parameter>([](auto& m) -> decltype(tie(m, Parameter())) {}));
static_assert(takes_const<Parameter>(CALL(value())));
static_assert(takes_const<Parameter>(CALL(grad())));
static_assert(takes_const<Parameter>(CALL(row_policy().frozen_rows())));

static_assert(refuses_const<Variable>(CALL(zero_grad())));
static_assert(refuses_const<Variable>(CALL(set_grad(Tensor()))));
static_assert(refuses_const<Variable>(CALL(set_value(Tensor()))));
static_assert(refuses_const<Variable>(CALL(set_requires_grad(true))));
static_assert(takes_const<Variable>(CALL(backward())));

static_assert(refuses_const<nn::Embedding>(CALL(freeze_rows(Ids()))));
static_assert(refuses_const<nn::Embedding>(CALL(freeze_columns(Ids()))));
static_assert(refuses_const<nn::Embedding>(CALL(unfreeze_rows())));
static_assert(refuses_const<nn::Embedding>(CALL(unfreeze_columns())));
static_assert(refuses_const<nn::Embedding>(CALL(remap(Ids()))));
static_assert(refuses_const<nn::Embedding>(CALL(resize(1))));
static_assert(refuses_const<nn::Embedding>(CALL(prune(Ids()))));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(freeze_rows(Ids()))));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(freeze_columns(Ids()))));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(unfreeze_rows())));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(unfreeze_columns())));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(remap(Ids()))));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(resize(1))));
static_assert(refuses_const<nn::EmbeddingBag>(CALL(prune(Ids()))));
static_assert(refuses_const<nn::LoraEmbedding>(CALL(merge())));
static_assert(refuses_const<nn::LoraEmbedding>(CALL(remap(Ids()))));
static_assert(refuses_const<nn::LoraEmbedding>(CALL(resize(1))));
static_assert(refuses_const<nn::LoraEmbedding>(CALL(prune(Ids()))));
static_assert(takes_const<nn::LoraEmbedding>(CALL(merged_weight())));
static_assert(takes_const<nn::Embedding>(CALL(as_linear())));
static_assert(refuses_const<nn::BatchNorm1d>(CALL(reset_running_stats())));

static_assert(refuses_const<optim::Adam>(CALL(zero_grad())));
static_assert(refuses_const<optim::Adam>(CALL(flush())));
static_assert(refuses_const<optim::Adam>(CALL(step())));

// A const object returns const objects.
template <class T>
constexpr bool is_const = std::is_const_v<std::remove_reference_t<T>>;
using List = nn::ModuleList<nn::Linear>;
using Dict = nn::ModuleDict<nn::Linear>;
static_assert(!is_const<decltype(std::declval<List&>()[0])>);
static_assert(is_const<decltype(std::declval<const List&>()[0])>);
static_assert(!is_const<decltype(*std::declval<List&>().begin())>);
static_assert(is_const<decltype(*std::declval<const List&>().begin())>);
static_assert(!is_const<decltype(std::declval<Dict&>()["a"])>);
static_assert(is_const<decltype(std::declval<const Dict&>()["a"])>);
static_assert(!is_const<decltype(std::declval<nn::GRU&>().weight_ih())>);
static_assert(is_const<decltype(std::declval<const nn::GRU&>().weight_ih())>);

// Registering -------------------------------------------------------------------------------------

TEST_CASE("parameters are listed with dotted names, own ones first") {
  const Net net;
  CHECK(names_of(net.parameters()) == Names{"temperature", "words.weight", "body.0.weight",
                                            "body.0.bias", "body.3.weight", "scale.gain",
                                            "head.weight", "head.bias"});
  for (const NamedParameter& each : net.parameters()) {
    CAPTURE(each.name);
    CHECK(each.variable.is_leaf());
    CHECK(each.variable.requires_grad());
  }
  REQUIRE(net.buffers().size() == 2);
  CHECK(net.buffers()[0].first == "scale.largest");
  CHECK(net.buffers()[1].first == "scale.calls");
  CHECK(nn::Tanh().parameters().empty());
}

TEST_CASE("a name is registered once, and is neither empty nor dotted") {
  Anything module;
  const Parameter weight = module.register_parameter("weight", ones({2}));
  module.register_buffer("mean", ones({2}));
  module.register_module("layer", nn::Linear(2, 2));
  for (const char* const name : {"weight", "mean", "layer"}) {
    const std::string expected = "register: name '" + std::string(name) + "' is taken already";
    CHECK(error_text<ValueError>([&] { module.register_parameter(name, ones({2})); }) == expected);
    CHECK(error_text<ValueError>([&] { module.register_buffer(name, ones({2})); }) == expected);
    CHECK(error_text<ValueError>([&] { module.register_module(name, nn::Tanh()); }) == expected);
  }
  CHECK(error_text<ValueError>([&] { module.register_parameter("a.b", ones({2})); }) ==
        "register: name 'a.b' is empty or contains a dot");
  CHECK(error_text<ValueError>([&] { module.register_module("", nn::Tanh()); }) ==
        "register: name '' is empty or contains a dot");
  CHECK(error_text<DTypeError>([&] { module.register_parameter("ids", zeros({2}, int64)); }) != "");
  CHECK(names_of(module.parameters()) == Names{"weight", "layer.weight", "layer.bias"});
  CHECK(module.buffers().size() == 1);
  CHECK(same_leaf(weight, module.parameters()[0].variable));

  Anything frozen;
  frozen.register_parameter("table", ones({2}), false);
  CHECK_FALSE(frozen.parameters()[0].variable.requires_grad());
}

// Copies ------------------------------------------------------------------------------------------

TEST_CASE("copies share parameters, buffers, options and the training mode") {
  Net net;
  Net copy = net;
  CHECK(same_leaf(copy.head.weight, net.head.weight));
  CHECK(net.is_training());
  copy.eval();
  CHECK_FALSE(net.is_training());
  CHECK_FALSE(net.body.is_training());
  CHECK_FALSE(nn::Sequential(net.body).is_training());
  const Tensor before = net(some_ids()).value();
  CHECK(equal(net(some_ids()).value(), before));  // the dropout inside is off
  CHECK(net.scale.calls->item<int>() == 0);

  net.train();
  CHECK(copy.scale.is_training());
  train(copy, 2);
  CHECK(net.scale.calls->item<int>() == 2);
  CHECK(same_bytes(net.state_dict(), copy.state_dict()));
  net.eval();
  CHECK_FALSE(equal(net(some_ids()).value(), before));

  // A module that is registered through one copy is in all copies.
  nn::Sequential layers{nn::Linear(2, 2)};
  nn::Sequential(layers).push_back(nn::Linear(2, 5));
  CHECK(layers.size() == 2);
  CHECK(layers(ones({1, 2})).shape() == Shape{1, 5});
  CHECK(layers.parameters().size() == 4);
}

TEST_CASE("a const module shows its modules as const, and its copy is a handle that is not") {
  const Net net;
  Net handle = net;
  const auto shown = net.named_children();
  const auto reached = handle.named_children();
  static_assert(std::is_same_v<decltype(*shown[0].second), const nn::Module&>);
  static_assert(std::is_same_v<decltype(*reached[0].second), nn::Module&>);
  REQUIRE(shown.size() == reached.size());
  CHECK(shown[0].first == reached[0].first);
  CHECK(shown[0].second.get() == reached[0].second.get());

  int modules = 0;
  net.apply([&]<class M>(M&) { modules += std::is_const_v<M> ? 1 : 100; });
  const int all = modules;
  CHECK(all < 100);
  handle.apply([&]<class M>(M&) { modules -= std::is_const_v<M> ? 100 : 1; });
  CHECK(modules == 0);
  handle.apply([](nn::Module& module) { module.eval(); });
  CHECK_FALSE(net.is_training());
  CHECK_FALSE(net.body.is_training());
}

TEST_CASE("train and eval of a part do not change the rest") {
  Net net;
  net.body.eval();
  CHECK(net.is_training());
  CHECK(net.head.is_training());
  CHECK_FALSE(net.body.is_training());
  net.train(true);
  CHECK(net.body.is_training());
}

// Cloning -----------------------------------------------------------------------------------------

TEST_CASE("a clone has the same values in its own leaves") {
  manual_seed(3);
  Net net;
  train(net);
  net.words.weight.set_requires_grad(false);
  net.words.freeze_rows({1, 4});
  net.head.weight.row_policy().freeze_columns(std::vector<std::int64_t>{2});
  net.eval();
  REQUIRE(net.head.weight.has_grad());
  const StateDict before = net.state_dict();

  Net twin = nn::clone(net);
  CHECK(same_bytes(twin.state_dict(), before));
  CHECK(equal(twin(some_ids()).value(), net(some_ids()).value()));
  const auto originals = net.parameters();
  const auto copies = twin.parameters();
  REQUIRE(copies.size() == originals.size());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    CAPTURE(copies[i].name);
    CHECK(copies[i].name == originals[i].name);
    CHECK_FALSE(same_leaf(copies[i].variable, originals[i].variable));
    CHECK_FALSE(copies[i].variable.value().shares_memory_with(originals[i].variable.value()));
    CHECK_FALSE(copies[i].variable.has_grad());
    CHECK(copies[i].variable.requires_grad() == originals[i].variable.requires_grad());
  }
  CHECK_FALSE(twin.words.weight.requires_grad());
  CHECK(twin.words.weight.row_policy().frozen_rows() == std::vector<std::int64_t>{1, 4});
  CHECK(twin.head.weight.row_policy().frozen_columns() == std::vector<std::int64_t>{2});

  // The member variables and the registry of the clone share their state.
  CHECK(same_leaf(twin.head.weight, copies[6].variable));
  CHECK(same_leaf(twin.body.parameters()[0].variable, copies[2].variable));

  // The clone has its own training mode.
  CHECK_FALSE(twin.is_training());
  twin.train();
  CHECK(twin.body.is_training());
  CHECK_FALSE(net.body.is_training());

  // Training one of them, with in-place writes to buffers, does not change the other.
  train(twin);
  CHECK(same_bytes(net.state_dict(), before));
  CHECK(twin.scale.calls->item<int>() == 6);
  CHECK(net.scale.calls->item<int>() == 3);
  const StateDict trained = twin.state_dict();
  CHECK_FALSE(same_bytes(trained.at("body.0.weight"), before.at("body.0.weight")));
  net.train();
  train(net);
  CHECK(same_bytes(twin.state_dict(), trained));
}

TEST_CASE("the steps of a cloned Sequential use the cloned parameters") {
  const nn::Sequential layers{nn::Linear(2, 3), nn::Tanh(), nn::Linear(3, 1)};
  const nn::Sequential twin = nn::clone(layers);
  const Tensor x = randn({4, 2});
  const Tensor before = layers(x).value();
  CHECK(equal(twin(x).value(), before));
  for (NamedParameter& each : twin.parameters()) {
    each.variable.set_value(zeros_like(each.variable.value()));
  }
  CHECK(equal(twin(x).value(), zeros({4, 1})));
  CHECK(equal(layers(x).value(), before));
  sum(twin(x)).backward();
  CHECK_FALSE(layers.parameters()[0].variable.has_grad());
  CHECK(twin.parameters()[3].variable.has_grad());

  // So do the parts of a nested Sequential, and functions that hold modules.
  const nn::Linear inner(2, 2);
  const nn::Sequential nested{nn::Sequential{inner, nn::ReLU()},
                              [inner](const Variable& v) { return inner(v); }};
  const nn::Sequential copy = nn::clone(nested);
  REQUIRE(copy.parameters().size() == 2);
  for (NamedParameter& each : copy.parameters()) {
    each.variable.set_value(zeros_like(each.variable.value()));
  }
  CHECK(equal(copy(x).value(), zeros({4, 2})));
  CHECK_FALSE(equal(nested(x).value(), zeros({4, 2})));
}

TEST_CASE("tied parameters stay tied in a clone, and not to the original") {
  Net net;
  tie(net.words.weight, net.head.weight);  // (6, 3) both
  const Net twin = nn::clone(net);
  CHECK(same_leaf(twin.words.weight, twin.head.weight));
  CHECK_FALSE(same_leaf(twin.words.weight, net.words.weight));
  CHECK(names_of(twin.parameters()) == names_of(net.parameters()));
  CHECK(twin.parameters().size() == 7);
  train(twin);
  CHECK(equal(twin.words.weight.value(), twin.head.weight.value()));
  CHECK_FALSE(equal(twin.words.weight.value(), net.words.weight.value()));
}

TEST_CASE("a clone through a reference to the base class has all modules inside") {
  const Net net;
  const nn::Module& base = net;
  const nn::Module twin = nn::clone(base);
  CHECK(names_of(twin.parameters()) == names_of(net.parameters()));
  CHECK_FALSE(same_leaf(twin.parameters()[7].variable, net.head.bias));
  // After clone(), copies share again.
  const nn::Module copy = twin;
  CHECK(same_leaf(twin.parameters()[7].variable, copy.parameters()[7].variable));
}

// Replacing ---------------------------------------------------------------------------------------

TEST_CASE("replace_module changes every handle to the registered module") {
  Net net;
  const Net earlier = net;
  const nn::Embedding member = net.words;
  optim::SGD before(net.parameters(), {.lr = 0.1});

  const Tensor vectors = randn({9, 3});  // more rows than before
  const auto pretrained =
      nn::Embedding::from_pretrained(vectors, {.padding_idx = 2, .freeze = false});
  net.replace_module("words", pretrained);

  for (const nn::Embedding& handle : {net.words, earlier.words, member}) {
    CHECK(same_leaf(handle.weight, pretrained.weight));
    CHECK(handle.num_embeddings() == 9);
    CHECK(handle.padding_idx() == 2);
    CHECK(equal(handle(tensor({8, 2})).value(), index_select(vectors, 0, tensor({8, 2}))));
  }
  CHECK(same_leaf(net.parameters()[1].variable, pretrained.weight));
  CHECK(net.parameters()[1].name == "words.weight");
  CHECK(net.state_dict().at("words.weight").shape() == Shape{9, 3});

  // An optimizer that is created now trains the new table; the row of padding_idx gets no gradient.
  train(net);
  const Tensor moved = abs(net.words.weight.value() - vectors);
  CHECK(sum(moved[5]).item<double>() > 0);
  CHECK(sum(moved[0]).item<double>() > 0);
  CHECK(equal(moved[2], zeros({3})));
  CHECK(equal(pretrained.weight.value(), net.words.weight.value()));

  // The new table may be frozen, too.
  net.replace_module("words", nn::Embedding::from_pretrained(vectors));
  CHECK_FALSE(earlier.parameters()[1].variable.requires_grad());
  train(net);
  CHECK(equal(net.words.weight.value(), vectors));
}

TEST_CASE("replace_module transfers the options of each layer") {
  const Tensor x = tensor({{-1.0, 2.0, -3.0}});
  nn::Sequential dropout{nn::Dropout(0.0)};
  const nn::Sequential copy = dropout;
  CHECK(equal(copy(x).value(), x));
  dropout.replace_module("0", nn::Dropout(1.0));
  CHECK(equal(copy(x).value(), zeros({1, 3})));
  CHECK(printed(copy).find("0: Dropout(1) ") != std::string::npos);

  nn::Sequential slope{nn::LeakyReLU(0.5)};
  slope.replace_module("0", nn::LeakyReLU(0.25));
  CHECK(equal(slope(x).value(), tensor({{-0.25, 2.0, -0.75}})));
  nn::Sequential softmax{nn::Softmax(0)};
  CHECK(equal(softmax(x).value(), ones({1, 3})));
  softmax.replace_module("0", nn::Softmax(1));
  CHECK(softmax(x).value().item<double>({0, 1}) < 0.99);

  nn::Sequential cell{nn::RNNCell(3, 2)};
  const nn::RNNCell rectified(3, 2, {.nonlinearity = nn::Nonlinearity::relu});
  cell.replace_module("0", rectified);
  CHECK(equal(cell(x).value(), rectified(x).value()));

  // The functions of a Sequential are transferred, too.
  nn::Sequential outer;
  outer.push_back(nn::Sequential{[](const Variable& v) { return v * 2.0; }, nn::ELU(1.0)});
  const nn::Sequential earlier = outer;
  outer.replace_module("0", nn::Sequential{[](const Variable& v) { return v * 3.0; }, nn::ELU(2.0),
                                           [](const Variable& v) { return v + 1.0; }});
  CHECK(allclose(earlier(x).value(), elu(x * 3.0, 2.0) + 1.0));

  // Transferred modules follow the training mode of their new owner.
  nn::Sequential mode;
  mode.push_back(nn::Sequential{nn::Dropout(0.0)});
  mode.replace_module("0", nn::Sequential{nn::Dropout(1.0)});
  CHECK(equal(mode(x).value(), zeros({1, 3})));
  mode.eval();
  CHECK(equal(mode(x).value(), x));
}

TEST_CASE("replace_module transfers buffers and the training mode") {
  Net net;
  Scale other(3);
  other(full({1, 3}, 7.0));
  other.eval();
  const nn::Buffer member = net.scale.largest;
  net.replace_module("scale", other);
  CHECK(equal(*member, full({3}, 7.0)));
  CHECK(net.buffers()[1].second.item<int>() == 1);
  CHECK_FALSE(net.scale.is_training());
  CHECK(net.is_training());
}

TEST_CASE("replace_module throws for another name, class or structure, and changes nothing") {
  Net net;
  const StateDict before = net.state_dict();
  const auto replacing = [&](const std::string& name, const auto& module) {
    return error_text<ValueError>([&] { net.replace_module(name, module); });
  };
  CHECK(replacing("heads", nn::Linear(3, 6)) ==
        "replace_module: no module 'heads' is registered here; there are 'words', 'body', 'scale', "
        "'head'");
  CHECK(replacing("temperature", nn::Linear(3, 6)).find("no module 'temperature'") !=
        std::string::npos);
  CHECK(error_text<ValueError>([] { nn::Linear(1, 1).replace_module("a", nn::Tanh()); }) ==
        "replace_module: no module 'a' is registered here; there are none");
  CHECK(replacing("head", nn::Embedding(3, 6)) ==
        "replace_module: 'head' is Linear(3, 6), got Embedding(3, 6); the class must be the same");
  CHECK(replacing("head", nn::Linear(3, 6, {.bias = false})) ==
        "replace_module: 'head' is Linear(3, 6), got Linear(3, 6, bias=false); they register "
        "different names (a bias in one only?)");

  // A difference deep inside is found before anything changes. A Linear without bias registers the
  // same names as an Embedding.
  nn::Sequential other{nn::Linear(3, 4), nn::Tanh(), nn::Dropout(0.1), nn::Embedding(4, 3)};
  CHECK(replacing("body", other) ==
        "replace_module: 'body.3' is Linear(4, 3, bias=false), got Embedding(4, 3); the class must "
        "be the same");
  nn::Sequential shorter{nn::Linear(3, 4), nn::Tanh(), nn::Linear(4, 3, {.bias = false})};
  CHECK(replacing("body", shorter) ==
        "replace_module: 'body' is Sequential, got Sequential; they register different names (a "
        "bias in one only?)");
  CHECK(same_bytes(net.state_dict(), before));
  CHECK(same_leaf(net.body.parameters()[0].variable, net.parameters()[2].variable));
  CHECK_FALSE(same_leaf(net.body.parameters()[0].variable, other.parameters()[0].variable));
}

// Tying -------------------------------------------------------------------------------------------

TEST_CASE("tied parameters are one leaf, are listed once, and change together") {
  manual_seed(8);
  Net net;
  const Net earlier = net;
  const nn::Linear member = net.head;
  tie(net.head.weight, net.words.weight);
  CHECK(same_leaf(earlier.head.weight, net.words.weight));
  CHECK(same_leaf(member.weight, net.words.weight));
  CHECK(names_of(net.parameters()) == Names{"temperature", "words.weight", "body.0.weight",
                                            "body.0.bias", "body.3.weight", "scale.gain",
                                            "head.bias"});
  const Tensor before = net.words.weight.value().clone();

  // Its gradient is the sum of the gradients of both uses.
  net.eval();
  loss_of(net).backward();
  const Tensor total = net.words.weight.grad();
  Net apart = nn::clone(net);
  Net helper;  // the same values in two leaves
  helper.load_state_dict(net.state_dict());
  helper.eval();
  loss_of(helper).backward();
  CHECK(allclose(total, helper.words.weight.grad() + helper.head.weight.grad()));

  train(net);
  CHECK(equal(net.words.weight.value(), net.head.weight.value()));
  CHECK_FALSE(equal(net.words.weight.value(), before));

  // Both names are saved, as in PyTorch.
  const StateDict state = net.state_dict();
  CHECK(equal(state.at("words.weight"), state.at("head.weight")));
  apart.load_state_dict(state);
  CHECK(same_leaf(apart.words.weight, apart.head.weight));
}

TEST_CASE("tie needs the same shape and type") {
  nn::Linear a(2, 3);
  const nn::Linear b(3, 2);
  CHECK(error_text<ShapeError>([&] { tie(a.weight, b.weight); }) ==
        "tie: got float32 (3, 2) and float32 (2, 3), needed the same shape and type");
  const nn::Linear c(2, 3, {.dtype = float64});
  CHECK(error_text<ShapeError>([&] { tie(a.weight, c.weight); }) ==
        "tie: got float32 (3, 2) and float64 (3, 2), needed the same shape and type");
  CHECK_FALSE(same_leaf(a.weight, c.weight));
}

// Changing all ------------------------------------------------------------------------------------

TEST_CASE("to(dtype) converts parameters and floating-point buffers, and drops gradients") {
  Net net;
  train(net);
  const Node* const leaf = net.head.weight.variable().node();
  const Tensor before = net.head.weight.value().clone();
  const Tensor snapshot = net.head.weight.value();
  net.to(float64);
  for (const NamedParameter& each : net.parameters()) {
    CAPTURE(each.name);
    CHECK(each.variable.dtype() == float64);
    CHECK_FALSE(each.variable.has_grad());
  }
  CHECK(net.scale.largest->dtype() == float64);
  CHECK(net.scale.calls->dtype() == int64);
  CHECK(net.head.weight.variable().node() == leaf);
  CHECK(equal(net.head.weight.value(), before.to(float64)));
  CHECK(snapshot.dtype() == float32);
  CHECK(net(some_ids()).dtype() == float64);
  train(net);
  net.to(float32);
  CHECK(net(some_ids()).dtype() == float32);

  // Parameters that already have the type keep their value and gradient.
  loss_of(net).backward();
  net.to(float32);
  CHECK(net.head.weight.has_grad());

  CHECK(error_text<DTypeError>([&] { net.to(int64); }) ==
        "Module::to: got int64, needed float32 or float64");
  CHECK(net.head.weight.dtype() == float32);
}

TEST_CASE("zero_grad and set_requires_grad reach all parameters") {
  Net net;
  loss_of(net).backward();
  CHECK(net.head.bias.has_grad());
  CHECK(net.words.weight.has_row_grad());
  net.zero_grad();
  for (const NamedParameter& each : net.parameters()) CHECK_FALSE(each.variable.has_grad());

  net.body.set_requires_grad(false);
  loss_of(net).backward();
  CHECK(net.words.weight.has_grad());
  for (const NamedParameter& each : net.body.parameters()) CHECK_FALSE(each.variable.has_grad());
  net.set_requires_grad(false);
  CHECK_FALSE(net(some_ids()).requires_grad());
  net.set_requires_grad(true);
  CHECK(net.body.parameters()[0].variable.requires_grad());
}

// Printing ----------------------------------------------------------------------------------------

TEST_CASE("a module prints as a tree with numbers of parameters") {
  struct Large : nn::Module {
    nn::Embedding words;
    nn::Sequential body;
    nn::RNNCell cell;
    Parameter bias;
    Large()
        : words(register_module("words", nn::Embedding(20'000, 64, {.padding_idx = 0}))),
          body(register_module("body",
                               nn::Sequential{nn::Linear(64, 8), nn::ReLU(), nn::LeakyReLU(0.2),
                                              nn::Linear(8, 2, {.bias = false}), nn::Dropout(0.25),
                                              nn::Softmax(-1), Scale(2)})),
          cell(
              register_module("cell", nn::RNNCell(2, 3, {.nonlinearity = nn::Nonlinearity::relu}))),
          bias(register_parameter("bias", zeros({5}))) {}
  };
  Large large;
  large.words.weight.set_requires_grad(false);
  CHECK(printed(large) ==
        "Large                                                         1,280,564  (1,280,000 "
        "frozen)\n"
        "  words: Embedding(20000, 64, padding_idx=0)                  1,280,000  (1,280,000 "
        "frozen)\n"
        "  body: Sequential                                                  538\n"
        "    0: Linear(64, 8)                                                520\n"
        "    1: ReLU                                                           0\n"
        "    2: LeakyReLU(0.2)                                                 0\n"
        "    3: Linear(8, 2, bias=false)                                      16\n"
        "    4: Dropout(0.25)                                                  0\n"
        "    5: Softmax(-1)                                                    0\n"
        "    6: Scale                                                          2\n"
        "  cell: RNNCell(2, 3, nonlinearity=relu)                             21\n");

  // Printing neither uses nor changes the flags and the fill character of the stream.
  std::ostringstream out;
  out.fill('*');
  out << std::left << nn::Linear(1, 1) << (out.flags() & std::ios::left ? "left" : "");
  CHECK(out.str() == "Linear(1, 1)" + std::string(58, ' ') + "2\nleft");
}

TEST_CASE("a tied parameter is counted once") {
  Net net;
  tie(net.head.weight, net.words.weight);
  // 1 + 18 (words) + 16 + 12 (body) + 3 (scale) + 6 (head.bias)
  CHECK(printed(net).starts_with("Net" + std::string(66, ' ') + "56\n"));
  CHECK(printed(net).find("head: Linear(3, 6)" + std::string(49, ' ') + "24\n") !=
        std::string::npos);
}
