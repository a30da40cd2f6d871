// What refers to the inside of a temporary does not compile, or is a copy. Read next:
// tests/nn/module/module_test.cc.
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"

using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

// A call on an object, as a function of the object.
#define CALL(call)                                              \
  [](auto&& x) -> decltype(std::forward<decltype(x)>(x).call) { \
    return std::forward<decltype(x)>(x).call;                   \
  }
template <class X, class Call>
constexpr bool compiles(Call /*call*/) {
  return std::is_invocable_v<Call, X>;
}
template <class X, class Call>
constexpr bool refers(Call /*call*/) {
  return std::is_reference_v<std::invoke_result_t<Call, X>>;
}
// With a variable the call gives a reference, a span or a pointer; with a temporary it is refused.
template <class X, class Call>
constexpr bool is_refused(Call call) {
  return compiles<X&>(call) && !compiles<X>(call) && !compiles<const X>(call);
}
// With a variable the call gives a reference; with a temporary, a value.
template <class X, class Call>
constexpr bool is_copied(Call call) {
  return refers<X&>(call) && refers<const X&>(call) && !refers<X>(call) && !refers<const X>(call);
}
// With a variable the call gives a span; with a temporary, a Shape.
template <class X, class Call>
constexpr bool gives_shape(Call /*call*/) {
  return std::is_same_v<std::invoke_result_t<Call, X&>, std::span<const std::int64_t>> &&
         std::is_same_v<std::invoke_result_t<Call, X>, Shape> &&
         std::is_same_v<std::invoke_result_t<Call, const X>, Shape>;
}

static_assert(gives_shape<Tensor>(CALL(sizes())) && gives_shape<Tensor>(CALL(strides())));
static_assert(is_refused<Tensor>(CALL(template span<float>())));
static_assert(is_refused<Tensor>(CALL(template mutable_span<float>())));
static_assert(is_refused<Tensor>(CALL(template data<float>())));
static_assert(is_refused<Tensor>(CALL(template mutable_data<float>())));
static_assert(is_copied<Literal>(CALL(list())));
#define RETURNS_ITSELF(call) (refers<Tensor&>(CALL(call)) && !refers<Tensor>(CALL(call)))
static_assert(RETURNS_ITSELF(fill_(1)) && RETURNS_ITSELF(zero_()) && RETURNS_ITSELF(add_(1)));
static_assert(RETURNS_ITSELF(add_(Tensor())) && RETURNS_ITSELF(add_(Tensor(), 2)));
static_assert(RETURNS_ITSELF(sub_(Tensor())) && RETURNS_ITSELF(copy_(Tensor())));
static_assert(RETURNS_ITSELF(mul_(Tensor())) && RETURNS_ITSELF(mul_(2)));
static_assert(RETURNS_ITSELF(div_(Tensor())) && RETURNS_ITSELF(div_(2)));
static_assert(RETURNS_ITSELF(clamp_(0, 1)));

static_assert(is_copied<Variable>(CALL(value())));
static_assert(gives_shape<Variable>(CALL(sizes())));
static_assert(is_refused<Variable>(CALL(row_policy())));

static_assert(is_copied<Parameter>(CALL(value())) && is_copied<Parameter>(CALL(variable())));
static_assert(gives_shape<Parameter>(CALL(sizes())));
static_assert(is_refused<Parameter>(CALL(leaf())) && is_refused<Parameter>(CALL(row_policy())));
// `const Variable& v = Linear(2, 2).weight;` dangled; `Variable v = ...` does not.
static_assert(std::is_convertible_v<Parameter&, const Variable&>);
static_assert(std::is_convertible_v<const Parameter&, const Variable&>);
static_assert(!std::is_convertible_v<Parameter, const Variable&>);
static_assert(!std::is_convertible_v<const Parameter, const Variable&>);
static_assert(std::is_convertible_v<Parameter, Variable>);

static_assert(is_copied<nn::LayerNorm>(CALL(normalized_shape())));
static_assert(is_copied<nn::RMSNorm>(CALL(normalized_shape())) &&
              is_copied<nn::RMSNorm>(CALL(eps())));
static_assert(is_copied<nn::BatchNorm1d>(CALL(options())));
static_assert(is_copied<nn::MultiheadAttention>(CALL(options())));
static_assert(is_copied<nn::TransformerEncoderLayer>(CALL(options())));
static_assert(is_copied<nn::TransformerDecoderLayer>(CALL(options())));
static_assert(is_copied<nn::PositionalEncoding>(CALL(table())));
static_assert(is_copied<nn::PositionalEncoding>(CALL(options())));
static_assert(is_copied<nn::LearnedPositions>(CALL(options())));
static_assert(is_copied<nn::Conv1d>(CALL(options())) && is_copied<nn::MaxPool1d>(CALL(options())));
static_assert(is_copied<nn::AvgPool1d>(CALL(options())));
static_assert(is_copied<nn::Conv2d>(CALL(options())) && is_copied<nn::MaxPool2d>(CALL(options())));
static_assert(is_copied<nn::AvgPool2d>(CALL(options())) &&
              is_copied<nn::BatchNorm2d>(CALL(options())));
static_assert(is_copied<nn::Embedding>(CALL(options())) &&
              is_copied<nn::EmbeddingBag>(CALL(options())));
static_assert(is_copied<nn::LoraEmbedding>(CALL(options())));
static_assert(is_copied<nn::LSTM>(CALL(weight_ih())) && is_copied<nn::LSTM>(CALL(weight_hh())));
static_assert(is_copied<nn::LSTM>(CALL(bias_ih())) && is_copied<nn::LSTM>(CALL(bias_hh())));
static_assert(is_copied<nn::ModuleList<nn::Linear>>(CALL(operator[](0))));
static_assert(is_copied<nn::ModuleDict<nn::Linear>>(CALL(operator[](std::string()))));
using Data = nn::TensorDataset<1>;
static_assert(is_copied<Data>(CALL(tensors())) && is_copied<nn::Subset<Data>>(CALL(indices())));
static_assert(is_copied<nn::DataLoader<Data>>(CALL(data())));
static_assert(is_copied<nn::WordVectors>(CALL(words())) &&
              is_copied<nn::WordVectors>(CALL(report())));
static_assert(is_copied<nn::WordVectors>(CALL(vectors())));
static_assert(is_copied<nn::WordVectors>(CALL(unit_vectors())));
static_assert(is_refused<nn::Vocabulary>(CALL(word(0))) &&
              is_copied<nn::Vocabulary>(CALL(tokenizer())));
static_assert(is_copied<StateDict>(CALL(at(""))) && is_refused<StateDict>(CALL(find(""))));
static_assert(refers<optim::Adam&>(CALL(options())) && !refers<optim::Adam>(CALL(options())));
static_assert(refers<optim::Adam&>(CALL(parameters())) && !refers<optim::Adam>(CALL(parameters())));
static_assert(is_refused<optim::Adam>(CALL(state(Variable()))));
static_assert(refers<optim::StepLR&>(CALL(last_lr())) && !refers<optim::StepLR>(CALL(last_lr())));

// from() refers to its arguments, so that record() does not take a variable.
using From = decltype(from(std::declval<Variable&>(), [](const Variable& dy) { return dy; }));
template <class F>
concept IsRecorded = requires(F&& f) {
  record("name", Tensor(), std::forward<F>(f));
};
static_assert(IsRecorded<From> && !IsRecorded<From&>);

// Parentheses would let the compiler choose the order in which layers draw.
template <class... Parts>
concept InParentheses = requires(Parts... parts) {
  nn::Sequential(parts...);
};
template <class... Parts>
concept InBraces = requires(Parts... parts) {
  nn::Sequential{parts...};
};
using Function = Variable (*)(const Variable&);
static_assert(InBraces<nn::Linear, nn::Tanh, Function> && InBraces<nn::Linear>);
static_assert(!InParentheses<nn::Linear, nn::Linear> && !InParentheses<nn::Linear, Function>);
static_assert(InParentheses<nn::Linear> && InParentheses<nn::Sequential>);
static_assert(!InBraces<nn::Linear, std::string> && !InBraces<int>);

}  // namespace

TEST_CASE("copies of what temporaries hold") {
  const Tensor& filled = zeros({2}).fill_(3).mul_(2);
  CHECK(to_vector<int>(filled) == std::vector<int>{6, 6});
  const Tensor& weight = nn::Linear(2, 3).weight.value();
  CHECK(weight.shape() == Shape{3, 2});
  const Variable variable = nn::Linear(2, 3).weight.variable();
  CHECK(variable.requires_grad());
  const Tensor& entry = StateDict({{"a", ones({2})}}).at("a");
  CHECK(to_vector<int>(entry) == std::vector<int>{1, 1});
}

TEST_CASE("Sequential draws its layers in the order in which they are written") {
  manual_seed(3);
  const nn::Linear first(2, 3);
  const nn::Linear second(3, 1);
  manual_seed(3);
  nn::Sequential model{nn::Linear(2, 3), nn::Tanh(), nn::Linear(3, 1)};
  const StateDict state = model.state_dict();
  CHECK(equal(state.at("0.weight"), first.weight.value()));
  CHECK(equal(state.at("2.weight"), second.weight.value()));

  nn::Sequential copy{model};
  CHECK(copy.size() == 3);
  CHECK(&copy.parameters()[0].variable.leaf() == &model.parameters()[0].variable.leaf());
  nn::Sequential nested{model, nn::Tanh()};
  CHECK(nested.size() == 2);
  CHECK(nested.parameters()[0].name == "0.0.weight");
}

TEST_CASE("Sequential takes named parts, lambdas and functions with several overloads") {
  const auto twice = [](const Variable& x) { return x * 2; };
  nn::Sequential model{
      {"embedding", nn::Embedding(5, 3)}, {"double", twice}, {"relu", relu}, nn::Linear(3, 4), relu,
      {"head", nn::Linear(4, 2)}};
  std::vector<std::string> names;
  for (const NamedParameter& each : model.parameters()) names.push_back(each.name);
  CHECK(names == std::vector<std::string>{"embedding.weight", "3.weight", "3.bias", "head.weight",
                                          "head.bias"});
  CHECK(model.size() == 6);
  CHECK(model(tensor({0, 4})).shape() == Shape{2, 2});
  model.push_back({"last", nn::Sequential{nn::Tanh(), nn::Linear(2, 1)}});
  model.push_back(tanh);
  CHECK(model(tensor({0, 4})).shape() == Shape{2, 1});
  CHECK(model.parameters().back().name == "last.1.bias");
  CHECK_THROWS_AS((nn::Sequential{{"a", nn::Tanh()}, {"a", nn::Tanh()}}), ValueError);

  const nn::Sequential one{{"only", nn::Linear(2, 2)}};
  CHECK(one.parameters()[0].name == "only.weight");
  const nn::Sequential inner{{"inner", one}};
  CHECK(inner.parameters()[0].name == "inner.only.weight");
}

TEST_CASE("the sizes of a temporary are a copy") {
  const Tensor x = ones({2, 3});
  const Variable w = parameter(x);
  auto s = (x * 2).sizes();
  CHECK(s == Shape{2, 3});
  CHECK((w * 2).sizes() == Shape{2, 3});
  CHECK(transpose(x).strides() == Shape{1, 3});
  std::int64_t numel = 1;
  for (const std::int64_t size : (w * 2).sizes()) numel *= size;
  CHECK(numel == 6);
  const auto of_lvalue = x.sizes();
  CHECK(of_lvalue.data() == x.sizes().data());
}

TEST_CASE("a view is written through a temporary", "[tensor]") {
  Tensor x = zeros({2, 2});
  x[0].index_put_({1}, 5);
  x[1].index_put_({0}, full({}, 2.0));
  x[1].index_put_(x[1] == 0, 3);
  CHECK(equal(x, tensor({{0.0, 5.0}, {2.0, 3.0}})));
}

TEST_CASE("an assignment to indexed elements changes the tensor", "[tensor]") {
  Tensor x = zeros({3, 4});
  x[0] = 5;
  x(1, 2) = 7;
  x[2] = arange(4);  // converts
  x(Slice{0, 2}, 0) = x[2][3];
  x[1][3] += 1;
  x(ellipsis, 1) *= 2;
  CHECK(equal(x, tensor({{3.0, 10.0, 5.0, 5.0}, {3.0, 0.0, 7.0, 1.0}, {0.0, 2.0, 2.0, 3.0}})));
  CHECK_THROWS_AS(x[0] = zeros({3}), ShapeError);
  CHECK_THROWS_AS(x[3] = 0, IndexError);

  const auto lost = [](const char* operation) {
    return std::string(operation) +
           ": the left side is a copy that nothing else sees, as x[mask] or x[ids] is; to change "
           "x, "
           "write x.index_put_(mask, value), x.masked_fill or x.index_add";
  };
  const Tensor before = x.clone();
  CHECK(error_text<ValueError>([&] { x[x > 0] = 0; }) == lost("="));
  CHECK(error_text<ValueError>([&] { x[tensor({0, 1})] = x[0]; }) == lost("="));
  CHECK(error_text<ValueError>([&] { x[x > 0] += 1; }) == lost("+="));
  CHECK(error_text<ValueError>([&] { x[x > 0] /= x[0]; }) == lost("/="));
  CHECK(equal(x, before));

  Tensor name = x[0];  // another handle: only the name changes
  name = x[1];
  CHECK(equal(x, before));
}
// Of a Variable, the tape would not record it.
static_assert(!std::is_assignable_v<Variable, Variable> && !std::is_assignable_v<Variable, int>);

TEST_CASE("Sequential takes modules that have forward() only") {
  struct Half : nn::Module {
    nn::Linear inside = register_module("inside", nn::Linear(4, 2));
    Variable forward(const Variable& x) { return inside(x) * 0.5; }
  };
  nn::Sequential model{Half(), nn::ReLU()};
  model.append(nn::Linear(2, 3)).append(tanh);
  CHECK(model.size() == 4);
  CHECK(model(ones({1, 4})).shape() == Shape{1, 3});
  CHECK(model.parameters()[0].name == "0.inside.weight");
  CHECK(model.state_dict()["2.bias"].shape() == Shape{3});
  CHECK_THROWS_AS(model.state_dict()["2.scale"], FormatError);
}
