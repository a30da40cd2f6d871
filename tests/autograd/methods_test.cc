// The methods of Tensor and Variable are the functions of the same names, and the operators that
// assign, compare and index.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "error_text.h"

namespace fs = std::filesystem;
using namespace tapegrad;
using tapegrad::test::error_text;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(fs::path(TAPEGRAD_SOURCE_DIR) / path);
  std::string text, line;
  while (std::getline(file, line)) text += line.substr(0, line.find("//")) + ' ';
  return text;
}

// The functions of an ops.h whose first parameter is one `const CLASS&`, with the number of their
// overloads.
std::set<std::string> functions_of(const std::string& path, const std::string& type) {
  const std::string text = text_of(path);
  const std::regex declaration(R"((\w+)\(const )" + type + R"(& (\w+)[,)])");
  std::set<std::string> names;
  for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i) {
    if ((*i)[1].str().rfind("operator", 0) != 0) names.insert((*i)[1]);
  }
  return names;
}

std::set<std::string> methods() {
  const std::string text = text_of("tensor/methods.h");
  const std::regex declaration(R"((\w+)\([^()]*\) const;)");
  std::set<std::string> names;
  for (std::sregex_iterator i(text.begin(), text.end(), declaration), end; i != end; ++i) {
    names.insert((*i)[1]);
  }
  return names;
}

}  // namespace

TEST_CASE("every function of both classes is a method, or PyTorch has no such method",
          "[autograd]") {
  const std::set<std::string> all = methods();
  REQUIRE(all.size() > 90);
  const std::set<std::string> functions_only = {
      // torch.nn.functional
      "adaptive_avg_pool2d", "attention_weights", "avg_pool1d", "avg_pool2d", "batch_norm",
      "bilinear", "celu", "conv1d", "conv2d", "cosine_similarity", "elu", "embedding",
      "embedding_bag", "embedding_renorm_", "gelu", "glu", "group_norm", "hardshrink",
      "hardsigmoid", "hardswish", "hardtanh", "layer_norm", "leaky_relu", "linear", "logsigmoid",
      "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "mish",
      "normalize", "one_hot", "pad", "pairwise_distance", "prelu", "relu6", "rms_norm",
      "scaled_dot_product_attention", "selu", "silu", "softmin", "softplus", "softshrink",
      "softsign", "threshold",
      // functions of torch that are no methods there, or are of another form here
      "allclose", "as_strided", "elements", "cdist", "empty_like", "equal", "full_like",
      "ones_like", "place", "rand_like", "randn_like", "result_type", "stddev", "sum_to",
      "zeros_like", "to_vector",
      // members of their own
      "contiguous"};
  for (const auto& [path, type] :
       {std::pair("tensor/ops.h", "Tensor"), std::pair("autograd/ops.h", "Variable")}) {
    for (const std::string& name : functions_of(path, type)) {
      INFO(path << ": " << name);
      CHECK((all.count(name) == 1) != (functions_only.count(name) == 1));
    }
  }
}

TEMPLATE_TEST_CASE("methods are the functions of their names", "[autograd]", Tensor, Variable) {
  const auto same = [](const Variable& a, const Variable& b) {
    return equal(a.value(), b.value());
  };
  Generator generator(7);
  const TestType x = randn({2, 3}, float64, generator), y = randn({2, 3}, float64, generator);
  const TestType square_matrix = randn({3, 3}, float64, generator);
  CHECK(same(x.sum(), sum(x)));
  CHECK(same(x.sum({0, 1}, true), sum(x, {0, 1}, true)));
  CHECK(same(x.mean(0), mean(x, 0)));
  CHECK(same(x.std(), tapegrad::std(x)));
  CHECK(same(x.view({3, 2}), view(x, {3, 2})));
  CHECK(same(x.t(), transpose(x)));
  CHECK(same(x.T(), transpose(x)));
  CHECK(same(x.permute({1, 0}), permute(x, {1, 0})));
  CHECK(same(x.add(y).mul(2).sub(y).div(y), div(sub(mul(add(x, y), 2), y), y)));
  CHECK(same(x.exp().log(), log(exp(x))));
  CHECK(same(x.clamp(0, 1), clamp(x, 0, 1)));
  CHECK(same(x.clip(0, 1), clamp(x, 0, 1)));
  CHECK(same(x.matmul(square_matrix), matmul(x, square_matrix)));
  CHECK(same(x.max(1).values, max(x, 1).values));
  CHECK(equal(x.max(1).indices, max(x, 1).indices));
  CHECK(same(x.topk(2).values, topk(x, 2).values));
  CHECK(same(x.softmax(-1), softmax(x, -1)));
  CHECK(same(x.gather(1, tensor({{0}, {2}})), gather(x, 1, tensor({{0}, {2}}))));
  CHECK(same(x.index({ellipsis, 1}), index(x, {ellipsis, 1})));
  CHECK(x.chunk(3, 1).size() == 3);
  CHECK(x.gt(0).dtype() == boolean);
  CHECK(x.argmax(1).dtype() == int64);
  CHECK(x.float_().dtype() == float32);
  CHECK(x.double_().dtype() == float64);
  CHECK(x.long_().dtype() == int64);
  CHECK(x.bool_().dtype() == boolean);
  CHECK(equal(x.nonzero(), nonzero(ones({2, 3}))));
  CHECK(same(x.amax(1, true), amax(x, 1, true)));
  CHECK(same(x.amin(), amin(x)));
  CHECK(same(x.median(), median(x)));
  CHECK(same(x.median(1).values, median(x, 1).values));
  CHECK(same(x.cumprod(1), cumprod(x, 1)));
  CHECK(same(x.var({0}, {.correction = 0}), var(x, {0}, {.correction = 0})));
  CHECK(same(x.lerp(y, 0.3), lerp(x, y, 0.3)));
  CHECK(same(x.logaddexp(y), logaddexp(x, y)));
  CHECK(same(x.clamp(y, y + 1), clamp(x, y, y + 1)));
  CHECK(same(x.diag(1), diag(x, 1)));
  CHECK(same(x.repeat_interleave(2, 0), repeat_interleave(x, 2, 0)));
  CHECK(same(x.scatter(1, tensor({{0}, {2}}), 1.5), scatter(x, 1, tensor({{0}, {2}}), 1.5)));
  const Tensor at = tensor({{0}, {2}});
  CHECK(same(x.scatter_reduce(1, at, ones({2, 1}, float64), "amax", false),
             scatter_reduce(x, 1, at, ones({2, 1}, float64), "amax", false)));
  CHECK(x.nonzero(as_tuple).size() == 2);
  CHECK(equal(x.nonzero(as_tuple)[1], nonzero(ones({2, 3}), as_tuple)[1]));
  CHECK(x.unique().counts.numel() == 6);
  CHECK(TestType(tensor({1, 1, 0})).bincount().shape() == Shape{2});
  CHECK(same(+x, x));
}

TEMPLATE_TEST_CASE("sizes and dimensions may be arguments of their own", "[autograd]", Tensor,
                   Variable) {
  const auto same = [](const Variable& a, const Variable& b) {
    return equal(a.value(), b.value());
  };
  const TestType x = arange(12).reshape(3, 4).to(float64);
  CHECK(x.view(2, -1).shape() == Shape{2, 6});
  CHECK(x.reshape(4, 3).shape() == Shape{4, 3});
  CHECK(x.permute(1, 0).shape() == Shape{4, 3});
  CHECK(x.expand(2, -1, 4).shape() == Shape{2, 3, 4});
  CHECK(x.repeat(1, 2).shape() == Shape{3, 8});
  CHECK(x.tile(2, 1).shape() == Shape{6, 4});
  CHECK(same(x.flip(0, 1)[0], x[2].flip(0)));
  const std::size_t rows = 3;
  CHECK(x.view(rows, 4).shape() == Shape{3, 4});
  CHECK_THROWS_AS(x.view(5, -1), ShapeError);
  CHECK(same(x.where(x > 5, 0), where(x > 5, x, 0)));
  CHECK(same(x.where(x > 5, -x), where(x > 5, x, -x)));
}

TEST_CASE("methods of a Tensor take operands with history", "[autograd]") {
  Generator generator(3);
  const Tensor x = rand({2, 3}, float64, generator);
  const Variable w = parameter(rand({3, 3}, float64, generator));
  const Variable row = parameter(rand({3}, float64, generator));
  const auto same = [](const Variable& a, const Variable& b) {
    return a.requires_grad() && equal(a.value(), b.value());
  };
  CHECK(same(x.add(row), x + row));
  CHECK(same(x.sub(row), x - row));
  CHECK(same(x.mul(row), x * row));
  CHECK(same(x.div(row), x / row));
  CHECK(same(x.pow(row), pow(x, row)));
  CHECK(same(x.maximum(row), maximum(x, row)));
  CHECK(same(x.minimum(row), minimum(x, row)));
  CHECK(same(x.matmul(w), matmul(x, w)));
  CHECK(same(x.mm(w), mm(x, w)));
  CHECK(same(x.unsqueeze(0).bmm(w.unsqueeze(0)), bmm(unsqueeze(x, 0), unsqueeze(w, 0))));
  CHECK(same(x.mv(row), mv(x, row)));
  CHECK(same(x[0].dot(row), dot(x[0], row)));
  CHECK(same(x[0].outer(row), outer(x[0], row)));
  const nn::Linear layer(3, 3);
  const Tensor y = x.to(float32);
  CHECK(same(y.matmul(layer.weight), matmul(y, layer.weight)));
  CHECK(same(y.add(layer.parameters()[1]), y + layer.bias));
}

TEST_CASE("methods of Variables are recorded", "[autograd]") {
  const Variable w = parameter(tensor({{1.0, 2.0}, {3.0, 4.0}}));
  w.square().sum().backward();
  CHECK(equal(w.grad(), 2.0 * w.value()));
}

TEST_CASE("comparisons of Variables give boolean Tensors", "[autograd]") {
  const Variable a = parameter(tensor({1.0, 2.0, 3.0}));
  const Tensor b = tensor({3.0, 2.0, 1.0});
  CHECK(equal(a == b, tensor({false, true, false})));
  CHECK(equal(b == a, tensor({false, true, false})));
  CHECK(equal(a != a, tensor({false, false, false})));
  CHECK(equal(a < 2, tensor({true, false, false})));
  CHECK(equal(2 < a, tensor({false, false, true})));
  CHECK(equal(a <= 2, tensor({true, true, false})));
  CHECK(equal(2 >= a, tensor({true, true, false})));
  CHECK(equal(a > b, tensor({false, false, true})));
  CHECK(equal(a >= b, tensor({false, true, true})));
  CHECK(equal((a > 1) & (a < 3), tensor({false, true, false})));
  CHECK(equal((a > 2) | ~(a > 1), tensor({true, false, true})));
  CHECK(equal((a > 1) ^ (a > 2), tensor({false, true, false})));
  CHECK(error_text<DTypeError>([] { (void)(tensor({1}) & tensor({1})); }) ==
        "operator&: got int64, needed boolean tensors; compare first, as in (x > 0) & (x < 1)");
  CHECK(error_text<DTypeError>([] { (void)~tensor({1.0}); }) ==
        "operator~: got float32, needed boolean tensors; compare first, as in (x > 0) & (x < 1)");
}

TEST_CASE("compound assignment writes into Tensors", "[autograd]") {
  Tensor x = tensor({1.0, 2.0});
  const Tensor same_memory = x;
  x += 1;
  x *= tensor({2.0, 3.0});
  x -= 1;
  x -= tensor({1.0, 1.0});
  x /= 2;
  x /= tensor({1.0, 7.0});
  CHECK(equal(x, tensor({1.0, 0.5})));
  CHECK(equal(same_memory, x));
}

TEST_CASE("compound assignment binds a Variable to a new result", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  Variable y = w * 3;
  const Variable before = y;
  y += w;
  y -= 1;
  y *= y;
  y /= 2;
  CHECK(equal(before.value(), tensor({3.0, 6.0})));
  sum(y).backward();  // ((4 w - 1)^2 / 2)' = 4 (4 w - 1)
  CHECK(equal(w.grad(), tensor({12.0, 28.0})));
  Variable constant = tensor({1.0});
  constant += w;
  CHECK(constant.requires_grad());

  Variable leaf = parameter(tensor({1.0, 2.0}));
  CHECK(error_text<AutogradError>([&] { leaf -= 0.5; }) ==
        "operator-=: got a leaf that requires a gradient, and a result would replace it; to train "
        "it, write this where a NoGrad exists, or use an optimizer; to compute with it, bind the "
        "result to another name");
  const Variable handle = leaf;
  {
    const NoGrad no_grad;
    leaf -= 0.5;
    leaf *= tensor({2.0, 2.0});
  }
  CHECK(leaf.is_leaf());
  CHECK(leaf.requires_grad());
  CHECK(equal(handle.value(), tensor({1.0, 3.0})));
}

TEMPLATE_TEST_CASE("indexing with an integer, with ids and with masks", "[autograd]", Tensor,
                   Variable) {
  const auto is = [](const Variable& x, const Tensor& y) { return equal(x.value(), y); };
  const TestType x = arange(12).view({4, 3});
  CHECK(is(x[1], tensor({3, 4, 5})));
  CHECK(is(x[-1][0], tensor(9)));
  CHECK(is(x[tensor({0, -1})], tensor({{0, 1, 2}, {9, 10, 11}})));
  CHECK(is(x[tensor({{0}, {1}})], tensor({{{0, 1, 2}}, {{3, 4, 5}}})));
  CHECK(is(x[tensor(2)], tensor({6, 7, 8})));
  CHECK(is(x[x > 9], tensor({10, 11})));
  CHECK(is(x[tensor({true, false, false, true})], tensor({{0, 1, 2}, {9, 10, 11}})));
  CHECK(x[zeros({0}, int64)].shape() == Shape{0, 3});
  CHECK(x[zeros({4}, boolean)].shape() == Shape{0, 3});
  CHECK(error_text<IndexError>([&] { (void)x[tensor({4})]; }).find("operator[]: ") == 0);
  CHECK(error_text<ShapeError>([&] {
          (void)x[tensor({true, false})];
        }) ==
        "operator[]: got a mask of shape (2) for a tensor of shape (4, 3), needed the sizes of its "
        "first dimensions");
  CHECK(error_text<DTypeError>([&] { (void)x[tensor({1.0})]; }) ==
        "operator[]: got an index of type float32, needed int64 ids or a boolean mask; convert "
        "with to(int64)");
}

TEST_CASE("indexing Variables passes gradcheck", "[autograd]") {
  Generator generator(1);
  const Tensor x = randn({3, 2, 2}, float64, generator);
  const auto by = [&](const Tensor& index) {
    return gradcheck([index](const Variable& v) { return square(v[index]); }, {x},
                     {.second_order = true});
  };
  CHECK(by(tensor({0, 2, 0, -1})));
  CHECK(by(tensor({{0, 2}, {1, 1}})));
  CHECK(by(tensor({true, false, true})));
  CHECK(by(x > 0));
}

TEST_CASE("index_put_ writes, and a Variable's elements cannot be assigned", "[autograd]") {
  Tensor x = zeros({2, 3});
  x.index_put_({0, Slice{1, 3}}, 5);
  x.index_put_({1}, tensor({1.0, 2.0, 3.0}));
  CHECK(equal(x, tensor({{0.0, 5.0, 5.0}, {1.0, 2.0, 3.0}})));
  x.index_put_(x == 5, -1);
  CHECK(equal(x, tensor({{0.0, -1.0, -1.0}, {1.0, 2.0, 3.0}})));
  STATIC_REQUIRE(std::is_assignable_v<Tensor&, Tensor>);
  STATIC_REQUIRE(!std::is_assignable_v<Variable, Variable>);
}

TEST_CASE("functions without a gradient take Variables and give Tensors", "[autograd]") {
  const Tensor x = tensor({{0.5, 3.0, -1.0}, {2.0, std::nan(""), 4.0}});
  const Variable w = parameter(x);
  CHECK(equal(isnan(w), isnan(x)));
  CHECK(equal(isinf(w / 0), isinf(x / 0)));
  CHECK(equal(isfinite(w), isfinite(x)));
  CHECK(equal(argmax(w), argmax(x)));
  CHECK(equal(argmin(w), argmin(x)));
  CHECK(equal(argmax(w, 0), argmax(x, 0)));
  CHECK(equal(argmin(w, -1, true), argmin(x, -1, true)));
  CHECK(equal(argsort(w[0], 0, true), tensor({1, 0, 2})));
  CHECK(equal(w[0], x[0]));
  CHECK(equal(x[0], w[0]));
  CHECK(!equal(w[0] * 2, w[0]));
  CHECK(allclose(w[0] + 1e-9, x[0]));
  CHECK(!allclose(w[0], w[0] + 0.1));
  CHECK(allclose(w, w, 1e-5, 1e-8, true));
  const nn::Linear layer(2, 3);
  CHECK(argmax(layer.weight).dtype() == int64);
  STATIC_REQUIRE(std::is_same_v<decltype(argmax(w, 1)), Tensor>);
}

TEST_CASE("index_put_ with a mask of fewer dimensions writes what x[mask] reads", "[autograd]") {
  const Tensor mask = tensor({true, false, false});
  Tensor square = zeros({3, 3});  // broadcasting would write the first column
  square.index_put_(mask, 5);
  CHECK(equal(square, tensor({{5.0, 5.0, 5.0}, {0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}})));
  CHECK(equal(square[mask], full({1, 3}, 5.0)));
  Tensor rows = zeros({3, 2, 2});
  rows.index_put_(mask, 1);
  CHECK(equal(rows.sum({1, 2}), tensor({4.0, 0.0, 0.0})));
  rows.index_put_(tensor({{false, false}, {true, false}, {false, true}}), 2);
  CHECK(equal(rows.sum(2), tensor({{2.0, 2.0}, {4.0, 0.0}, {0.0, 4.0}})));
  rows.index_put_(tensor({{{true, false}}}), 0);  // broadcasts
  CHECK(equal(rows.sum({0, 1}), tensor({0.0, 6.0})));
  Tensor none = zeros({0, 3});
  none.index_put_(tensor(std::vector<bool>{}), 1);
  CHECK(none.numel() == 0);
  CHECK(error_text<ShapeError>([&] {
          zeros({2, 3}).index_put_(mask, 1);
        }) ==
        "index_put_: got a mask of shape (3) for a tensor of shape (2, 3), needed the sizes of its "
        "first dimensions");
}

TEMPLATE_TEST_CASE("several indices at once, in parentheses and in brackets", "[autograd]", Tensor,
                   Variable) {
  const auto same = [](const Variable& a, const Tensor& b) { return equal(a.value(), b); };
  const Tensor values = reshape(arange(24), {2, 3, 4}).to(float64);
  const TestType x = values;
  CHECK(same(x(1, 2, 3), tensor(23.0, float64)));
  CHECK(same(x[{1, 2, 3}], tensor(23.0, float64)));
  CHECK(same(x(1), values[1]));
  CHECK(same(x(ellipsis, -1), select(values, -1, 3)));
  CHECK(same(x(Slice{}, Slice{1, 3}, 0), index(values, {Slice{}, Slice{1, 3}, 0})));
  CHECK(x(newaxis, 0).shape() == Shape{1, 3, 4});
  CHECK(same(x[{Slice{.step = 2}, newaxis}], index(values, {Slice{.step = 2}, newaxis})));
  CHECK_THROWS_AS(x(0, 3), IndexError);
  CHECK_THROWS_AS(x(0, 0, 0, 0), IndexError);
}

TEST_CASE("several indices are recorded", "[autograd]") {
  const Variable w = parameter(zeros({2, 3}));
  sum(w(Slice{}, 1) * 2.0).backward();
  CHECK(equal(w.grad(), tensor({{0.0, 2.0, 0.0}, {0.0, 2.0, 0.0}})));
}

TEMPLATE_TEST_CASE("the only element as a double and by a conversion", "[autograd]", Tensor,
                   Variable) {
  const TestType half = tensor(0.5), large = tensor((std::int64_t{1} << 53) + 1);
  const TestType two = tensor({1.0, 2.0}), yes = tensor({{true}}), zero = tensor(0);
  CHECK(half.item() == 0.5);
  CHECK(float(half) == 0.5F);
  CHECK(static_cast<double>(half) == 0.5);
  CHECK(static_cast<int>(tensor(7)) == 7);
  CHECK(error_text<ValueError>([&] { large.item(); }) ==
        "item: 9007199254740993 may not fit in a double; write item<std::int64_t>()");
  CHECK_THROWS_AS(two.item(), ValueError);
  CHECK_THROWS_AS(float(two), ValueError);
  CHECK((yes && half ? true : false));
  CHECK(bool(half));
  CHECK(!bool(zero));
  CHECK(error_text<ValueError>([&] {
          if (two == two) FAIL();
        }) == "bool: got a tensor of shape (2), needed one element; use all() or any()");
  CHECK(error_text<ValueError>([&] { (void)bool(TestType(zeros({0}))); }) ==
        "bool: got a tensor of shape (0), needed one element; use all() or any()");
  static_assert(!std::is_convertible_v<TestType, float>);  // `float f = x` needs item<float>()
}

TEST_CASE("a copy of a Variable is recorded, and its memory is its own", "[autograd]") {
  const Variable w = parameter(tensor({1.0, 2.0}));
  const Variable copy = w.clone();
  CHECK(!copy.value().shares_memory_with(w.value()));
  sum(copy * 3.0).backward();
  CHECK(equal(w.grad(), tensor({3.0, 3.0})));
}

TEST_CASE("requires_grad_ turns a Variable into a leaf", "[autograd]") {
  Variable x = tensor({1.0, 2.0});
  x.requires_grad_();
  sum(x * x).backward();
  CHECK(equal(x.grad(), tensor({2.0, 4.0})));
  CHECK(!x.requires_grad_(false).requires_grad());
}

TEST_CASE("errors of the remainder", "[autograd]") {
  const Tensor ids = tensor({3, 4});
  CHECK(error_text<ValueError>([&] { ids % 0; }) == "remainder: division of an integer by 0");
  CHECK(error_text<ValueError>([&] {
          1 % tensor({1, 0});
        }) == "remainder: division of an integer by 0");
  CHECK(error_text<DTypeError>([&] { tensor({true}) % 2; }) ==
        "remainder: not defined for boolean; convert with to(int64), or use logical_not");
  CHECK(error_text<DTypeError>([&] { ids % true; }) ==
        "remainder: not defined for true and false; write 1 or 0");
  CHECK_THROWS_AS(zeros({2}) % zeros({3}), ShapeError);
  const Tensor least = tensor(std::numeric_limits<std::int64_t>::min());
  CHECK((least % -1).item<std::int64_t>() == 0);
}
