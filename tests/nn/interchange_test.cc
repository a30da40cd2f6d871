// Models are exchanged with PyTorch (golden/check_torch.py) in both directions: a model with its
// optimizer in the middle of training, and every module that both libraries have.
#include "catch.h"

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/nn/activations.h>
#include <tapegrad/nn/bilinear.h>
#include <tapegrad/nn/convolution.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/linear.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/module_list.h>
#include <tapegrad/nn/normalization.h>
#include <tapegrad/nn/rnn.h>
#include <tapegrad/nn/rnn_cell.h>
#include <tapegrad/nn/sequential.h>
#include <tapegrad/nn/transformer.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/random/random.h>

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

TEST_CASE("PyTorch loads our file and continues training, and we load its file", "[nn]") {
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

  const tg::test::Answer answer = tg::test::python("check_torch.py", {"training", folder.path()});
  INFO(answer.text);
  REQUIRE(answer.status == 0);
  CHECK(answer.text == "agrees\n");
  for (const tg::StateDict& state :
       {tg::load_npz(folder.file("torch.npz")), tg::load(folder.file("torch.safetensors"))}) {
    Net other;
    other.load_state_dict(state);
    CHECK(error_of(other(ids).value(), net(ids).value()) < 1e-4);
  }
}

// Every module ------------------------------------------------------------------------------------

namespace {

using Values = std::vector<tg::Variable>;

// A module and its inputs; check_torch.py has the same module under the same name.
struct Item {
  std::string name;
  std::vector<tg::Tensor> inputs;
  std::function<tg::StateDict()> state;
  std::function<void(const tg::StateDict&)> load;
  std::function<Values()> run;
};

template <class M, class Run>
Item item(std::string name, M module, std::vector<tg::Tensor> inputs, const Run& run) {
  module.eval();
  return {std::move(name), inputs, [module] { return module.state_dict(); },
          [module](const tg::StateDict& state) mutable { module.load_state_dict(state); },
          [module, inputs, run]() -> Values { return run(module, inputs); }};
}
template <class M>
Item item(std::string name, const M& module, const tg::Tensor& x) {
  return item(std::move(name), module, {x},
              [](const M& of, const std::vector<tg::Tensor>& in) { return Values{of(in[0])}; });
}

Values listed(const nn::RNNResult& result) { return {result.output, result.h}; }
Values listed(const nn::LSTMResult& result) { return {result.output, result.h, result.c}; }
Values listed(const nn::LSTMState& state) { return {state.h, state.c}; }
Values listed(const tg::Variable& h) { return {h}; }

template <class M>
Item recurrent(std::string name, const M& module, const tg::Tensor& x) {
  return item(std::move(name), module, {x},
              [](const M& of, const std::vector<tg::Tensor>& in) { return listed(of(in[0])); });
}
template <class M>
Item cell(std::string name, const M& module, const tg::Tensor& x) {
  return item(std::move(name), module, {x}, [](const M& of, const std::vector<tg::Tensor>& in) {
    auto state = of(select(in[0], 0, 0));
    for (std::int64_t t = 1; t < in[0].size(0); ++t) state = of(select(in[0], 0, t), state);
    return listed(state);
  });
}
template <class M>
Item pair(std::string name, const M& module, const tg::Tensor& a, const tg::Tensor& b) {
  return item(std::move(name), module, {a, b}, [](const M& of, const std::vector<tg::Tensor>& in) {
    return Values{of(in[0], in[1])};
  });
}
Item attention(std::string name, const nn::MultiheadAttention& module, std::int64_t kdim,
               std::int64_t vdim) {
  return item(std::move(name), module,
              {tg::randn({4, 2, 6}), tg::randn({4, 2, kdim}), tg::randn({4, 2, vdim})},
              [](const nn::MultiheadAttention& of, const std::vector<tg::Tensor>& in) {
                const nn::AttentionResult result = of(in[0], in[1], in[2]);
                return Values{result.output, result.weights};
              });
}

std::vector<Item> all_items() {
  using nn::FeedforwardActivation;
  using tg::randn;
  const tg::Tensor x = randn({5, 3});
  const tg::Tensor b = randn({5, 4});
  const tg::Tensor ids = tg::tensor({{1, 2, 0}, {3, 4, 5}, {2, 2, 1}});
  const tg::Tensor channels = randn({2, 3, 7});
  const tg::Tensor steps = randn({4, 2, 3});
  const tg::Tensor wide = randn({4, 2, 6});
  nn::ModuleList<nn::Linear> list;
  for (int i = 0; i < 2; ++i) list.push_back(nn::Linear(3, 3));
  nn::ModuleDict<nn::Linear> dict;
  dict.insert("topic", nn::Linear(3, 2));
  dict.insert("mood", nn::Linear(3, 4));
  const nn::TransformerEncoderLayer one(6, 2, {.dim_feedforward = 7});
  const nn::TransformerEncoderLayer first(6, 2, {.dim_feedforward = 7, .batch_first = true});
  return {
      item("linear", nn::Linear(3, 4), x),
      item("linear_no_bias", nn::Linear(3, 4, {.bias = false}), x),
      pair("bilinear", nn::Bilinear(3, 4, 2), x, b),
      pair("bilinear_no_bias", nn::Bilinear(3, 4, 2, {.bias = false}), x, b),
      item("embedding", nn::Embedding(6, 3, {.padding_idx = 0}), ids),
      item("embedding_bag", nn::EmbeddingBag(6, 3, {.padding_idx = 0}), ids),
      item("embedding_bag_max", nn::EmbeddingBag(6, 3, {.mode = tg::BagMode::max}), ids),
      item("embedding_bag_sum", nn::EmbeddingBag(6, 3, {.mode = tg::BagMode::sum}), ids),
      item("conv1d", nn::Conv1d(3, 4, 2, {.stride = 2, .padding = 1}), channels),
      item("conv1d_no_bias",
           nn::Conv1d(3, 4, 3, {.padding = tg::same_padding, .dilation = 2, .bias = false}),
           channels),
      item("layer_norm", nn::LayerNorm({2, 3}), steps),
      item("layer_norm_no_affine", nn::LayerNorm(3, {.elementwise_affine = false}), x),
      item("batch_norm1d", nn::BatchNorm1d(3), channels),
      item("batch_norm1d_no_affine",
           nn::BatchNorm1d(3, {.momentum = std::nullopt, .affine = false}), x),
      item("batch_norm1d_no_running", nn::BatchNorm1d(3, {.track_running_stats = false}), x),
      recurrent("rnn", nn::RNN(3, 4, {.num_layers = 2, .bidirectional = true}), steps),
      recurrent(
          "rnn_relu",
          nn::RNN(3, 4,
                  {.nonlinearity = nn::Nonlinearity::relu, .bias = false, .batch_first = true}),
          steps),
      recurrent("lstm",
                nn::LSTM(3, 4, {.num_layers = 2, .batch_first = true, .bidirectional = true}),
                steps),
      recurrent("lstm_no_bias", nn::LSTM(3, 4, {.bias = false}), steps),
      recurrent("gru", nn::GRU(3, 4, {.num_layers = 2, .bidirectional = true}), steps),
      recurrent("gru_no_bias", nn::GRU(3, 4, {.bias = false}), steps),
      cell("rnn_cell", nn::RNNCell(3, 4), steps),
      cell("lstm_cell", nn::LSTMCell(3, 4), steps),
      cell("gru_cell", nn::GRUCell(3, 4), steps),
      attention("multihead_attention", nn::MultiheadAttention(6, 2), 6, 6),
      attention("multihead_attention_no_bias",
                nn::MultiheadAttention(6, 2, {.bias = false, .batch_first = true}), 6, 6),
      attention("multihead_attention_widths",
                nn::MultiheadAttention(
                    6, 2, {.add_bias_kv = true, .add_zero_attn = true, .kdim = 3, .vdim = 5}),
                3, 5),
      item("transformer_encoder_layer", first, wide),
      item("transformer_encoder_layer_gelu",
           nn::TransformerEncoderLayer(6, 3,
                                       {.dim_feedforward = 7,
                                        .activation = FeedforwardActivation::gelu,
                                        .norm_first = true}),
           wide),
      item("transformer_encoder", nn::TransformerEncoder(one, 2), wide),
      item("transformer_encoder_norm", nn::TransformerEncoder(first, 2, nn::LayerNorm(6)), wide),
      item("sequential",
           nn::Sequential{nn::Linear(3, 4), nn::Tanh(),
                          nn::Sequential{nn::Linear(4, 2), nn::LayerNorm(2)}},
           x),
      item("module_list", list, {x},
           [](const nn::ModuleList<nn::Linear>& of, const std::vector<tg::Tensor>& in) {
             return Values{of[1](of[0](in[0]))};
           }),
      item("module_dict", dict, {x},
           [](const nn::ModuleDict<nn::Linear>& of, const std::vector<tg::Tensor>& in) {
             return Values{of["topic"](in[0]), of["mood"](in[0])};
           }),
  };
}

}  // namespace

TEST_CASE("every module exchanges names and values with PyTorch in both directions", "[nn]") {
  if (!tg::test::python_has("numpy, torch")) return;
  const tg::test::TemporaryFolder folder;
  tg::manual_seed(5);
  const std::vector<Item> items = all_items();
  tg::StateDict ours;
  tg::StateDict data;
  for (const Item& each : items) {
    for (const auto& [name, value] : each.state()) ours.insert(each.name + "." + name, value);
    for (std::size_t i = 0; i < each.inputs.size(); ++i) {
      data.insert(each.name + ".in" + std::to_string(i), each.inputs[i]);
    }
    const Values outputs = each.run();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      data.insert(each.name + ".out" + std::to_string(i), outputs[i].value().contiguous());
    }
  }
  tg::save(folder.file("ours.safetensors"), ours);
  tg::save_npz(folder.file("ours.npz"), ours);
  tg::save_npz(folder.file("data.npz"), data);
  const tg::test::Answer answer = tg::test::python("check_torch.py", {"modules", folder.path()});
  INFO(answer.text);
  REQUIRE(answer.status == 0);
  CHECK(answer.text == "agrees\n");

  const tg::StateDict expected = tg::load_npz(folder.file("torch_outputs.npz"));
  std::size_t compared = 0;
  for (const char* const file : {"torch.npz", "torch.safetensors"}) {
    const std::string path = folder.file(file);
    const tg::StateDict all = path.ends_with(".npz") ? tg::load_npz(path) : tg::load(path);
    CHECK(all.size() == ours.size());
    for (const Item& each : items) {
      CAPTURE(file, each.name);
      tg::StateDict state;
      for (const auto& [name, value] : all) {
        if (!name.starts_with(each.name + ".")) continue;
        state.insert(name.substr(each.name.size() + 1), value);
      }
      each.load(state);
      const Values outputs = each.run();
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const std::string name = each.name + ".out" + std::to_string(i);
        CHECK(error_of(outputs[i].value(), expected.at(name)) < 1e-5);
        ++compared;
      }
    }
  }
  CHECK(compared == 2 * expected.size());
}
