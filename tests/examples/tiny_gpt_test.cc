// tiny_gpt: causality, what it learns, and the size of its model. Read next: ngram_lm_test.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <string>

#include "catch.h"
#include "examples/example_program.h"
#include "language_model/model.h"
#include "tiny_gpt/tiny_gpt.h"

using namespace example_test;
using language_model::Memory;

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kVocabulary = 11;
const tiny_gpt::Settings kSmall = {.context = 9, .dim = 12, .heads = 3, .layers = 2};

}  // namespace

TEST_CASE("tiny_gpt: a later character does not change an earlier prediction") {
  tg::manual_seed(2);
  const auto model = tiny_gpt::make_model(kVocabulary, kSmall);
  const tg::Tensor ids = tg::randint(kVocabulary, {2, 9});
  Memory memory;
  const tg::Tensor whole = model->logits(ids, memory).value();
  CHECK(memory.empty());
  CHECK(whole.shape() == tg::Shape{2, 9, kVocabulary});
  for (std::int64_t t = 0; t < 9; ++t) {
    CAPTURE(t);
    tg::Tensor changed = ids.clone();
    select(changed, 1, t).copy_((select(ids, 1, t) + 1) % kVocabulary);
    const tg::Tensor other = model->logits(changed, memory).value();
    if (t > 0) CHECK(equal(narrow(whole, 1, 0, t), narrow(other, 1, 0, t)));
    for (std::int64_t later = t; later < 9; ++later) {
      CHECK(!allclose(select(whole, 1, later), select(other, 1, later), 1e-6, 1e-7));
    }
    // Nor does the length of the window.
    const tg::Tensor shorter = model->logits(narrow(ids, 1, 0, t + 1), memory).value();
    CHECK(allclose(shorter, narrow(whole, 1, 0, t + 1), 1e-4, 1e-5));
  }
  CHECK_THROWS_WITH(model->logits(tg::randint(kVocabulary, {1, 10}), memory),
                    "TinyGpt: 10 characters, needed at most 9");
}

TEST_CASE("tiny_gpt: the order of the characters counts") {
  tg::manual_seed(2);
  const auto model = tiny_gpt::make_model(kVocabulary, kSmall);
  Memory memory;
  const tg::Tensor a = model->logits(tg::tensor({{1, 2, 3}}), memory).value();
  const tg::Tensor b = model->logits(tg::tensor({{2, 1, 3}}), memory).value();
  CHECK(!allclose(select(a, 1, 2), select(b, 1, 2), 1e-6, 1e-7));
}

TEST_CASE("tiny_gpt: every parameter has a gradient, and dropout is off in eval mode") {
  tg::manual_seed(2);
  tiny_gpt::Settings settings = kSmall;
  settings.dropout = 0.5;
  const auto model = tiny_gpt::make_model(kVocabulary, settings);
  const tg::Tensor tokens = tg::randint(kVocabulary, {4, 10});
  Memory memory;
  const auto loss = [&] { return language_model::loss_of(*model, tokens, memory).mean; };
  CHECK(loss().item<float>() != loss().item<float>());
  model->eval();
  const tg::Variable certain = loss();
  CHECK(certain.item<float>() == loss().item<float>());
  certain.backward();
  std::size_t parameters = 0;
  for (const auto& [name, parameter] : model->parameters()) {
    INFO(name);
    REQUIRE(parameter.has_grad());
    CHECK(max(abs(parameter.grad())).item<float>() > 1e-7F);
    ++parameters;
  }
  CHECK(parameters == 2 + 2 * 12 + 2 + 1);  // tables, blocks, norm, head
}

TEST_CASE("tiny_gpt: it learns a text that repeats and continues it") {
  const ExampleProgram session(TINY_GPT);
  const std::string verse = "the cat sat on the mat, eh?\n";
  std::string text;
  for (int i = 0; i < 200; ++i) text += verse;
  write_file(session.file("text"), text);
  const Output output = session.run_well(
      "train --input text --model out --dim 32 --heads 4 --layers 2 --context 16 --batch 8 "
      "--epochs 8 --lr 0.01 --report 1000");
  CAPTURE(output.out);
  const std::size_t at = output.out.find("held-out loss ", output.out.find("out: "));
  CHECK(std::stod(output.out.substr(at + 14)) < 0.15);  // the first places have seen too little
  const Output sample =
      session.run_well("sample --model out --prompt 'the cat sat' --length 73 --temperature 0.2");
  CHECK(sample.out == verse + verse + verse + "\n");
}

TEST_CASE("tiny_gpt: options that are refused, and a model of less than 150 lines") {
  const ExampleProgram session(TINY_GPT);
  write_file(session.file("text"), "abc");
  session.require_error("train --input text --model out --dim 10 --heads 4",
                        "--dim 10: needed a multiple of --heads 4");
  const std::string source = read_file(TAPEGRAD_SOURCE_DIR "/examples/tiny_gpt/tiny_gpt.cc");
  CHECK(source.size() > 1000);
  CHECK(std::ranges::count(source, '\n') < 150);
}
