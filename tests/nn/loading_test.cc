// Saving and loading modules: by name, and all or nothing.
#include <string>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "nn/net.h"
#include "tensor/expect.h"
#include "tensor/temporary_folder.h"

using namespace tapegrad;
using namespace tapegrad::test;

TEST_CASE("state_dict holds copies under PyTorch's names") {
  const Net net;
  const StateDict state = net.state_dict();
  CHECK(names_of(state) == Names{"temperature", "words.weight", "body.0.weight", "body.0.bias",
                                 "body.3.weight", "scale.gain", "head.weight", "head.bias",
                                 "scale.largest", "scale.calls"});
  const Tensor best = state.at("head.weight").clone();
  train(net);
  CHECK(equal(state.at("head.weight"), best));
  CHECK(state.at("scale.calls").item<int>() == 0);
  CHECK_FALSE(equal(net.head.weight.value(), best));
  Tensor written = net.state_dict().at("head.bias");
  written.fill_(77);
  CHECK_FALSE(equal(net.head.bias.value(), written));
}

TEST_CASE("load_state_dict writes into the existing leaves and buffers") {
  Net net;
  const Net other;
  train(other);
  const StateDict state = other.state_dict();
  const Node* const leaf = net.head.weight.variable().node();
  optim::SGD sgd(net.parameters(), {.lr = 0.1});
  const nn::LoadReport report = net.load_state_dict(state);
  CHECK(report.missing.empty());
  CHECK(report.unexpected.empty());
  CHECK(report.mismatched.empty());
  CHECK(same_bytes(net.state_dict(), state));
  CHECK(net.head.weight.variable().node() == leaf);
  CHECK(net.scale.calls->item<int>() == 3);

  // Values are copied: the earlier optimizer trains the module, and the dict does not change.
  loss_of(net).backward();
  sgd.step();
  CHECK_FALSE(equal(net.head.weight.value(), state.at("head.weight")));
  CHECK(same_bytes(other.state_dict(), state));
}

TEST_CASE("load_state_dict: all or nothing, and one message that lists everything") {
  Net net;
  train(net);
  const StateDict before = net.state_dict();
  StateDict state;
  for (const auto& [name, value] : Net().state_dict()) {
    if (name == "temperature" || name == "scale.largest") continue;  // missing
    if (name == "body.0.weight") {
      state.insert(name, zeros({3, 4}));
    } else if (name == "head.bias") {
      state.insert(name, zeros({}));
    } else if (name == "scale.calls") {
      state.insert(name, zeros({}, float32));
    } else {
      state.insert(name == "body.3.weight" ? "body.4.weight" : name, value);
    }
  }
  state.insert("extra", ones({1}));
  CHECK(error_text<FormatError>([&] { net.load_state_dict(state); }) ==
        "load_state_dict: names or sizes differ; missing: temperature, body.3.weight, "
        "scale.largest; unexpected: body.4.weight, extra; sizes differ: body.0.weight: (3, 4) for "
        "(4, 3), head.bias: () for (6), scale.calls: float32 for int64; {.strict = false} loads "
        "what fits");
  CHECK(same_bytes(net.state_dict(), before));

  StateDict partial = Net().state_dict();
  partial.insert("extra", ones({1}));
  CHECK(error_text<FormatError>([&] { net.load_state_dict(partial); }) ==
        "load_state_dict: names or sizes differ; unexpected: extra; {.strict = false} loads what "
        "fits");
  CHECK(same_bytes(net.state_dict(), before));

  const nn::LoadReport report = net.load_state_dict(state, {.strict = false});
  CHECK(report.missing == Names{"temperature", "body.3.weight", "scale.largest"});
  CHECK(report.unexpected == Names{"body.4.weight", "extra"});
  CHECK(report.mismatched == Names{"body.0.weight: (3, 4) for (4, 3)", "head.bias: () for (6)",
                                   "scale.calls: float32 for int64"});
  CHECK(same_bytes(net.words.weight.value(), state.at("words.weight")));
  CHECK(same_bytes(net.head.weight.value(), state.at("head.weight")));
  CHECK(same_bytes(net.head.bias.value(), before.at("head.bias")));
  CHECK(same_bytes(*net.scale.calls, before.at("scale.calls")));
}

TEST_CASE("load_state_dict converts between float32 and float64, and nothing else") {
  nn::Linear single(3, 2);
  nn::Linear doubled(3, 2, {.dtype = float64});
  doubled.load_state_dict(single.state_dict());
  CHECK(doubled.weight.dtype() == float64);
  CHECK(equal(doubled.weight.value(), single.weight.value().to(float64)));
  doubled.weight.set_value(full({2, 3}, 0.1, float64));
  single.load_state_dict(doubled.state_dict());
  CHECK(single.weight.dtype() == float32);
  CHECK(equal(single.weight.value(), full({2, 3}, 0.1f)));

  struct Masked : nn::Module {
    Masked() { register_buffer("mask", ones({2}, boolean)); }
  };
  Masked module;
  CHECK(error_text<FormatError>([&] {
          module.load_state_dict({{"mask", tensor({3, 4})}});
        }).find("sizes differ: mask: int64 for boolean;") != std::string::npos);
}

TEST_CASE("a module goes through a file and back") {
  const TemporaryFolder folder;
  manual_seed(2);
  Net net;
  train(net);
  net.to(float64);
  save(folder.file("net.safetensors"), net.state_dict());
  Net back;
  back.to(float64);
  back.load_state_dict(load(folder.file("net.safetensors")));
  CHECK(same_bytes(back.state_dict(), net.state_dict()));
  net.eval();
  back.eval();
  CHECK(same_bytes(back(some_ids()).value(), net(some_ids()).value()));
}
