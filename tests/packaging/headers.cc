// The public headers after other people's macros, and with warnings that their projects may have
// switched on. Compiled only. Read next: tests/packaging/check.
#include <complex.h>  // defines I

#include "standard.h"  // the standard headers that ours include: they do not bear such macros either

#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
// Some of the names that X11, curses, R and Windows define.
#define None 0L
#define Bool int
#define True 1
#define False 0
#define Status int
#define Always 2
#define Success 0
#define OK 0
#define ERR -1
#define PI 3.14159
#define IN
#define OUT
#define ERROR 0
#define DELETE 0x10000
#define DEBUG 1
#define VERSION "1"

#include <tapegrad/tapegrad.h>

namespace tg = tapegrad;

static_assert(min(1, 2) == 1 && max(1, 2) == 2, "the macros of the user are gone");

// Templates warn where they are instantiated.
template <class Number>
Number use_number(const tg::Tensor& x, const tg::Variable& v) {
  const tg::Tensor copy = tg::tensor(tg::to_vector<Number>(x));
  const tg::Tensor rows = tg::tensor(std::vector<std::vector<Number>>{tg::to_vector<Number>(x)});
  const Number second = tg::Scalar(v.item<Number>({0, 1})).to<Number>();
  return copy.item<Number>() < second ? rows.item<Number>({0, 0}) : x.item<Number>();
}
template <class Element>
Element use_element(tg::Tensor x) {
  x.mutable_span<Element>()[0] = x.span<Element>()[1];
  return use_number<Element>(x, x);
}

double use(const tg::Tensor& x) {
  tg::nn::Sequential model{tg::nn::Linear(2, 3), tg::nn::Tanh(),
                           [](const tg::Variable& v) { return relu(v); }};
  tg::nn::ModuleList<tg::nn::Linear> list;
  list.push_back(tg::nn::Linear(3, 3));
  const auto [train, test] = tg::nn::random_split(tg::nn::TensorDataset(x, x), {0.5, 0.5});
  for (const auto& [a, b] : tg::nn::DataLoader(train, {.batch_size = 2})) model(a).backward(b);
  const tg::nn::Sequential best = clone(model);
  tg::optim::AdamW adam(model.parameters(), {.lr = 0.1});
  tg::optim::StepLR schedule(adam, {.step_size = 2});
  const tg::Variable y = tg::record(
      "twice", x + x, tg::from(model(x), [](const tg::Variable& dy, const tg::Variable& /*y*/) {
        return dy + dy;
      }));
  use_element<bool>(x);
  use_element<float>(x);
  use_element<std::int64_t>(x);
  use_number<int>(x, y);
  use_number<unsigned char>(x, y);
  use_number<std::size_t>(x, y);
  return use_element<double>(x);
}
