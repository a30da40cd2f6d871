// A text CNN (Kim 2014) is trained from seeds alone, and its loss at each of 200 steps is compared
// with PyTorch's.
#include <algorithm>
#include <cmath>
#include <string>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "golden_file.h"

using namespace tapegrad;

namespace {

struct TextCnn : nn::Module {
  nn::Embedding words;
  nn::Conv1d conv;
  nn::Linear head;
  TextCnn(std::int64_t vocab, std::int64_t dim, std::int64_t channels, std::int64_t classes)
      : words(register_module("words", nn::Embedding(vocab, dim, {.padding_idx = 0}))),
        conv(register_module("conv", nn::Conv1d(dim, channels, 3, {.padding = 1}))),
        head(register_module("head", nn::Linear(channels, classes))) {}
  Variable operator()(const Tensor& tokens) const {  // (batch, steps)
    const Variable features =
        relu(conv(transpose(words(tokens), 1, 2)));  // (batch, channels, steps)
    return head(max(features, 2).values);            // (batch, classes)
  }
};

}  // namespace

TEST_CASE("a text CNN has PyTorch's loss at each step") {
  const GoldenFile file("training_conv.safetensors");
  for (const DType dtype : {float64, float32}) {
    const std::string which = dtype == float64 ? "text_cnn.adamw_f64" : "text_cnn.adamw_f32";
    CAPTURE(which);
    const auto option = [&](const char* name) {
      REQUIRE(file.has(which + ".arg." + name));
      return file.option(which, name, 0);
    };
    const auto size = [&](const char* name) { return static_cast<std::int64_t>(option(name)); };
    const std::int64_t batches = 10;
    manual_seed(static_cast<std::uint64_t>(option("data_seed")));
    const Tensor tokens = randint(1, size("vocab"), {batches, size("batch"), size("length")});
    Tensor padding = narrow(select(tokens, 1, 3), 1, 6, size("length") - 6);
    padding.fill_(0);
    const Tensor labels = randint(0, size("classes"), {batches, size("batch")});
    manual_seed(static_cast<std::uint64_t>(option("seed")));
    TextCnn model(size("vocab"), size("dim"), size("channels"), size("classes"));
    model.to(dtype);
    optim::AdamW optimizer(model.parameters(),
                           {.lr = option("lr"), .weight_decay = option("weight_decay")});
    const Tensor& expected = file.at(which + ".losses");
    double worst = 0;
    for (std::int64_t t = 0; t < size("steps"); ++t) {
      optimizer.zero_grad();
      const Variable loss = nn::cross_entropy(model(tokens[t % batches]), labels[t % batches]);
      loss.backward();
      optimizer.step();
      const double want = expected.item<double>({t});
      const double difference = std::abs(loss.to(float64).item<double>() - want);
      const double allowed = dtype == float64 ? 1e-8 : 1e-4 * want + 1e-5;
      worst = std::max(worst, difference / allowed);
    }
    INFO("the worst difference is " << worst << " of what is allowed");
    CHECK(worst <= 1);
  }
}
