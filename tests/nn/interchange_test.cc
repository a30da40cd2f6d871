// A model and its optimiser go over to PyTorch (golden/check_torch.py), and the model comes back.
#include "catch.h"

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/npy.h>
#include <tapegrad/tensor/random.h>
#include <tapegrad/tensor/safetensors.h>

#include "golden_file.h"
#include "python.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace nn = tapegrad::nn;

namespace {

struct Net : nn::Module {
  nn::Embedding words;
  nn::RNNCell cell;
  nn::Sequential head;
  Net()
      : words(register_module("words", nn::Embedding(6, 4, {.padding_idx = 0}))),
        cell(register_module("cell", nn::RNNCell(4, 5))),
        head(register_module("head",
                             nn::Sequential{nn::Linear(5, 3), nn::Tanh(), nn::Linear(3, 2)})) {}
  tg::Variable operator()(const tg::Tensor& ids) const {
    const tg::Variable x = words(ids);
    tg::Variable state = cell.initial_state(ids.size(0));
    for (std::int64_t t = 0; t < ids.size(1); ++t) state = cell(select(x, 1, t), state);
    return head(state);
  }
};

}  // namespace

TEST_CASE("PyTorch loads what we save, goes on training, and we load it again", "[nn]") {
  if (!tg::test::python_has("numpy, torch")) return;
  const tg::test::TemporaryFolder folder;
  tg::manual_seed(4);
  const Net net;
  const tg::Tensor ids = tg::tensor({{1, 2, 0}, {3, 4, 5}, {2, 2, 1}});
  const tg::Tensor labels = tg::tensor({0, 1, 1});
  tg::optim::Adam adam(net.parameters(), {.lr = 0.01});
  const auto train = [&] {
    for (int step = 0; step < 3; ++step) {
      adam.zero_grad();
      nn::cross_entropy(net(ids), labels).backward();
      adam.step();
    }
  };
  train();
  tg::save(folder.file("model.safetensors"), net.state_dict());
  tg::save_npz(folder.file("model.npz"), net.state_dict());
  tg::save_npz(folder.file("optimizer.npz"), adam.state_dict());
  tg::save_npz(folder.file("data.npz"),
               {{"ids", ids}, {"labels", labels}, {"out", net(ids).value()}});
  train();
  tg::save_npz(folder.file("after.npz"), net.state_dict());

  const tg::test::Answer answer = tg::test::python("check_torch.py", {folder.path()});
  INFO(answer.text);
  REQUIRE(answer.status == 0);
  CHECK(answer.text == "agrees\n");
  for (const tg::StateDict& state :
       {tg::load_npz(folder.file("torch.npz")), tg::load(folder.file("torch.safetensors"))}) {
    const Net other;
    other.load_state_dict(state);
    CHECK(error_of(other(ids).value(), net(ids).value()) < 1e-4);
  }
}
