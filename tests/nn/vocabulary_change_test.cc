// Another vocabulary in the middle of training: rows keep their optimizer state.
#include <memory>
#include <vector>

#include <tapegrad/autograd/node.h>
#include <tapegrad/nn/embedding.h>
#include <tapegrad/nn/embedding_bag.h>
#include <tapegrad/nn/init.h>
#include <tapegrad/optim/adagrad.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"

using namespace tapegrad;
using Catch::Contains;

namespace {

void learn(const nn::Embedding& words, optim::Optimizer& optimizer, const Tensor& ids) {
  optimizer.zero_grad();
  const Variable rows = words(ids);
  sum(rows * Variable(sin(rows.value() * 3.0))).backward();
  optimizer.step();
}

Tensor rows_of(const Tensor& table, const std::vector<std::int64_t>& rows) {
  return index_select(table, 0, tensor(rows));
}

}  // namespace

TEST_CASE("rows of a remapped table continue training unchanged, also with pending steps") {
  // The same words have other ids: the runs agree word by word.
  const std::vector<std::int64_t> sources = {0, 7, 3, -1, 9, 1};
  const std::vector<std::int64_t> kept_old = {0, 7, 3, 9, 1}, kept_new = {0, 1, 2, 4, 5};
  manual_seed(1);
  const nn::Embedding same(10, 4, {.padding_idx = 0, .dtype = float64});
  nn::Embedding changed = clone(same);
  optim::AdamW same_optimizer(same.parameters(), {.lr = 0.01});
  optim::AdamW changed_optimizer(changed.parameters(), {.lr = 0.01});
  Generator generator(2);
  for (int step = 0; step < 60; ++step) {
    const Tensor ids = randint(0, 10, {3}, generator);
    learn(same, same_optimizer, ids);
    learn(changed, changed_optimizer, ids);
  }
  changed.remap(sources);
  CHECK(changed.num_embeddings() == 6);
  CHECK(changed.padding_idx() == 0);
  CHECK_FALSE(changed.weight.has_grad());
  CHECK(allclose(rows_of(changed.weight.value(), kept_new), rows_of(same.weight.value(), kept_old),
                 1e-12, 0));
  CHECK(max(abs(changed.weight.value()[3])).item<double>() > 0);
  for (int step = 0; step < 60; ++step) {
    const Tensor at = randint(0, 5, {3}, generator);
    learn(same, same_optimizer, index_select(tensor(kept_old), 0, at));
    learn(changed, changed_optimizer, index_select(tensor(kept_new), 0, at));
  }
  CHECK(allclose(rows_of(changed.weight.value(), kept_new), rows_of(same.weight.value(), kept_old),
                 1e-11, 0));
}

TEST_CASE("the optimizer state of a new row begins like that of the first rows") {
  nn::Embedding words(3, 2, {.dtype = float64});
  optim::Adagrad adagrad(words.parameters(), {.lr = 0.1, .initial_accumulator_value = 0.5});
  learn(words, adagrad, tensor({0, 1, 2}));
  words.resize(4);
  const Tensor sums = adagrad.state_dict().at("state.weight.sum");
  CHECK(sums.shape() == Shape{4, 2});
  CHECK(equal(sums[3], full({2}, 0.5, float64)));
  CHECK(min(sums[0]).item<double>() > 0.5);
  learn(words, adagrad, tensor({3}));
}

TEST_CASE("frozen rows, padding and columns are remapped") {
  nn::Embedding words(6, 3, {.padding_idx = 2});
  words.freeze_rows({1, 4});
  words.freeze_columns({0});
  words.prune({4, 2, 0});
  CHECK(words.weight.row_policy().frozen_rows() == std::vector<std::int64_t>{0});
  CHECK(words.weight.row_policy().frozen_columns() == std::vector<std::int64_t>{0});
  CHECK(words.padding_idx() == 1);
  CHECK(words.weight.row_policy().padding_row() == 1);
  CHECK(words.description() == "Embedding(3, 3, padding_idx=1)");
  optim::AdamW adamw(words.parameters(), {.lr = 0.1});
  const Tensor before = words.weight.value().clone();
  learn(words, adamw, tensor({0, 1, 2}));
  CHECK(equal(words.weight.value()[0], before[0]));
  CHECK(equal(words.weight.value()[1], before[1]));
  CHECK_FALSE(equal(words.weight.value()[2], before[2]));
}

TEST_CASE("new rows are drawn like the first ones") {
  manual_seed(3);
  nn::Embedding words(2, 200,
                      {.initializer = [](const Variable& x) { nn::init::uniform_(x, 5, 6); }});
  words.resize(4);
  CHECK(min(words.weight.value()).item<float>() >= 5);
  CHECK(max(words.weight.value()).item<float>() <= 6);
  words.resize(1);
  CHECK(words.num_embeddings() == 1);
  nn::EmbeddingBag bag(3, 4, {.padding_idx = 0});
  const Tensor first = bag.weight.value().clone();
  bag.remap({2, 0, -1});
  CHECK(bag.padding_idx() == 1);
  CHECK(equal(bag.weight.value()[0], first[2]));
  bag.prune({1, 0});
  bag.resize(5);
  CHECK(bag(tensor({{4, 0}})).shape() == Shape{1, 4});
}

TEST_CASE("a tied projection uses the new vocabulary") {
  nn::Embedding words(5, 3);
  const nn::Linear head = words.as_linear();
  words.resize(7);
  CHECK(head(ones({2, 3})).shape() == Shape{2, 7});
}

TEST_CASE("backward() through history of the old table is an error") {
  nn::Embedding words(5, 3);
  const Variable loss = sum(words(tensor({4})));
  words.resize(2);
  CHECK_THROWS_WITH(loss.backward(), Contains("resized"));
  CHECK_FALSE(words.weight.has_grad());
}

TEST_CASE("invalid vocabularies are refused before anything changes") {
  nn::Embedding words(5, 3, {.padding_idx = 1});
  const Tensor before = words.weight.value().clone();
  CHECK_THROWS_WITH(words.remap({1, 5}),
                    Contains("Embedding: remap: row 5 at position 1 out of range for 5 rows"));
  CHECK_THROWS_WITH(words.remap({1, -2}), Contains("row -2 at position 1"));
  CHECK_THROWS_WITH(words.prune({0, 2}),
                    Contains("Embedding: prune: row 1, which is padding_idx, is not among those to "
                             "keep; keep it"));
  CHECK_THROWS_WITH(words.prune({-1, 1}), Contains("row -1 is negative, needed rows to keep"));
  CHECK_THROWS_WITH(words.resize(-1), Contains("Embedding: resize: negative size -1"));
  CHECK_THROWS_WITH(words.resize(1), Contains("which is padding_idx"));
  CHECK(equal(words.weight.value(), before));
}
