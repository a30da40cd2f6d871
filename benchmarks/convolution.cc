// The claim: convolution of images with one channel, and a training step of LeNet, are faster than
// libtorch's. With more channels, tapegrad is faster than libtorch with its default layout, and
// about as fast as libtorch with channels last.
//
// A row is nn::Conv2d with bias on a batch of 32 images, float32, one thread: the forward pass with
// recording on and the gradients of weight and bias, and of the images unless they are a model's
// input. The peer is libtorch (oneDNN), with default settings, "tuned" (peer.h), and tuned with
// channels last, the layout that oneDNN prefers; there the images are given in that layout. The
// last rows are a training step of LeNet (examples/digits). Read next: history.cc.
#include <tapegrad/tapegrad.h>

#include <string>

#include "measure.h"
#include "peer.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;

namespace {

constexpr std::int64_t kBatch = 32;

struct Row {
  std::int64_t in, side, out, kernel;
  bool input;  // the images are the input of a model: no gradient
};

nn::Sequential lenet() {
  return nn::Sequential{nn::Conv2d(1, 6, 5, {.padding = 2}),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Conv2d(6, 16, 5),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Flatten(),
                        nn::Linear(400, 120),
                        nn::ReLU(),
                        nn::Linear(120, 84),
                        nn::ReLU(),
                        nn::Linear(84, 10)};
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram plain("peer_libtorch");
    measure::PeerProgram tuned("peer_libtorch", " tuned", measure::kKeepMemory);
    const auto peers = [&](const std::string& workload) {
      return measure::together({plain.at(workload + " 0"), tuned.at(workload + " 0"),
                                tuned.at(workload + " 1", ", channels last")});
    };
    tg::manual_seed(0);
    for (const Row& row :
         {Row{1, 28, 6, 5, true}, Row{1, 28, 16, 3, true}, Row{16, 14, 32, 3, false},
          Row{16, 14, 32, 5, false}, Row{64, 32, 64, 3, false}}) {
      nn::Conv2d layer(row.in, row.out, row.kernel, {.padding = row.kernel / 2});
      const tg::Tensor images = tg::randn({kBatch, row.in, row.side, row.side});
      tg::Variable x = row.input ? tg::Variable(images) : tg::parameter(images);
      const tg::Tensor dy = tg::randn({kBatch, row.out, row.side, row.side});
      const auto step = [&] {
        layer.weight.zero_grad();
        layer.bias.zero_grad();
        if (!row.input) x.zero_grad();
        layer(x).backward(dy);
      };
      std::string workload = "conv2d";
      for (const std::int64_t size : {kBatch, row.in, row.side, row.out, row.kernel}) {
        workload += " " + std::to_string(size);
      }
      const std::string name = std::to_string(row.in) + "x" + std::to_string(row.side) + "x" +
                               std::to_string(row.side) + " to " + std::to_string(row.out) + ", " +
                               std::to_string(row.kernel) + "x" + std::to_string(row.kernel);
      report.compare(name, measure::rate("images/s", static_cast<double>(kBatch)),
                     measure::ours(step), peers(workload + (row.input ? " 0" : " 1")));
    }
    const nn::Sequential model = lenet();
    tg::optim::Adam adam(model.parameters(), {.lr = 1e-3});
    const tg::Tensor images = tg::rand({kBatch, 1, 28, 28});
    const tg::Tensor labels = tg::randint(0, 10, {kBatch});
    const auto step = [&] {
      adam.zero_grad();
      nn::cross_entropy(model(images), labels).backward();
      adam.step();
    };
    report.compare("LeNet, training step", measure::rate("images/s", static_cast<double>(kBatch)),
                   measure::ours(step), peers("lenet " + std::to_string(kBatch)));
  });
}
