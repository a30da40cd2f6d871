// Tests of lookups and bags beyond their rows in op_cases: frequencies of ids, errors, norms in
// place, pending rows, sums of contributions to rows. Read next: golden_test.cc.
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/autograd/gradcheck.h>
#include <tapegrad/autograd/node.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/memory.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"
#include "error_text.h"
#include "tensor/expect.h"

namespace tapegrad {
namespace {

using test::error_text;

Tensor normal(const Shape& shape) {
  static Generator generator(3);
  return randn(shape, float64, generator);
}

// Sums of factor(count of the id) * row over contributions, dense.
Tensor by_frequency(const std::vector<std::int64_t>& ids, const Tensor& rows, std::int64_t size,
                    double power) {
  std::vector<double> counts(static_cast<std::size_t>(size));
  for (const std::int64_t id : ids) ++counts[static_cast<std::size_t>(id)];
  Tensor total = zeros({size, rows.size(1)}, float64);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const double factor = std::pow(counts[static_cast<std::size_t>(ids[i])], power);
    total[ids[i]].add_(rows[static_cast<std::int64_t>(i)] * factor);
  }
  return total;
}

}  // namespace

// Frequencies -------------------------------------------------------------------------------------

TEST_CASE("gradients of a lookup are scaled by how often its ids occur", "[autograd]") {
  Variable table = parameter(normal({7, 3}));
  const std::vector<std::int64_t> ids{4, 1, 4, 6, 4, 0, 1};
  const Tensor g = normal({7, 3});
  for (const auto& [scale, power] :
       {std::pair(FrequencyScale::inverse, -1.0), std::pair(FrequencyScale::inverse_sqrt, -0.5)}) {
    const auto loss = [&, kind = scale] {
      return sum(embedding(table, tensor(ids), {.frequency_scale = kind}) * g);
    };
    table.zero_grad();
    loss().backward();
    REQUIRE(table.has_row_grad());
    CHECK(equal(table.row_grad().ids, tensor({4, 1, 6, 0})));
    const Tensor expected = by_frequency(ids, g, 7, power);
    CHECK(allclose(table.grad(), expected, 1e-14, 1e-14));
    const Tensor composed = grad(loss(), {table}, {.create_graph = true})[0].value();
    CHECK(allclose(composed, expected, 1e-14, 1e-14));
    // The counts are those of one call. Padding has no gradient, but it does not change the counts
    // of other ids.
    table.zero_grad();
    (loss() + sum(embedding(table, tensor({4}), {.frequency_scale = scale}))).backward();
    Tensor more = expected.clone();
    more[4].add_(1.0);
    CHECK(allclose(table.grad(), more, 1e-14, 1e-14));
    table.zero_grad();
    sum(embedding(table, tensor(ids), {.padding_idx = 4, .frequency_scale = scale}) * g).backward();
    Tensor less = expected.clone();
    less[4].zero_();
    CHECK(allclose(table.grad(), less, 1e-14, 1e-14));
  }
}

TEST_CASE("gradients of bags are scaled by how often ids occur in all of them", "[autograd]") {
  Variable table = parameter(normal({7, 3}));
  const Tensor factors = normal({7});
  const std::vector<std::int64_t> ids{4, 1, 4, 6, 4, 0, 1};
  const Tensor g = normal({2, 3});
  const Tensor of_each = index_select(g, 0, tensor({0, 0, 0, 1, 1, 1, 1}));
  const auto check = [&](const EmbeddingBagLookup& options, const Tensor& share) {
    const auto loss = [&] {
      return sum(embedding_bag(table, tensor(ids), tensor({0, 3}), options) * g);
    };
    table.zero_grad();
    loss().backward();
    REQUIRE(table.has_row_grad());
    const Tensor expected = by_frequency(ids, of_each * unsqueeze(share, 1), 7, -1);
    CHECK(allclose(table.grad(), expected, 1e-14, 1e-14));
    CHECK(allclose(grad(loss(), {table}, {.create_graph = true})[0].value(), expected));
  };
  constexpr FrequencyScale kInverse = FrequencyScale::inverse;
  const double third = 1.0 / 3;
  check({.mode = BagMode::sum, .frequency_scale = kInverse}, ones({7}, float64));
  check({.mode = BagMode::mean, .frequency_scale = kInverse},
        tensor({third, third, third, 0.25, 0.25, 0.25, 0.25}, float64));
  check({.mode = BagMode::sum, .per_sample_weights = factors, .frequency_scale = kInverse},
        factors);
}

// Bags --------------------------------------------------------------------------------------------

TEST_CASE("the gradient of bags holds distinct rows, in memory from the pool", "[autograd]") {
  memory::deallocate(memory::allocate(64), 64);
  const std::size_t asked = memory::system_allocations();
  memory::deallocate(memory::allocate(64), 64);
  const bool has_pool = memory::system_allocations() == asked;  // not with sanitizers
  Variable table = parameter(randn({50, 64}));
  const Tensor ids = randint(0, 50, {32, 16});
  for (const BagMode mode : {BagMode::sum, BagMode::mean, BagMode::max}) {
    std::size_t before = 0;
    for (int step = 0; step < 3; ++step) {
      before = memory::system_allocations();
      table.zero_grad();
      sum(embedding_bag(table, ids, {}, {.mode = mode})).backward();
      REQUIRE(table.has_row_grad());
      const RowSparse gradient = table.row_grad();
      const std::vector<std::int64_t> found = to_vector<std::int64_t>(gradient.ids);
      CHECK(std::set<std::int64_t>(found.begin(), found.end()).size() == found.size());
      CHECK(gradient.rows.size(0) == static_cast<std::int64_t>(found.size()));
    }
    if (has_pool) CHECK(memory::system_allocations() == before);
  }
}

TEST_CASE("the gradient of a maximum goes to the first of equal elements, and NaN is the maximum",
          "[autograd]") {
  const Tensor values = tensor({{1.0, 5.0, 2.0}, {1.0, 4.0, 2.0}, {0.0, 5.0, test::kNaN}}, float64);
  const Variable table = parameter(values);
  const Variable y = embedding_bag(table, tensor({{1, 0, 2}}), {}, {.mode = BagMode::max});
  CHECK(test::matches(y.value(), tensor({{1.0, 5.0, test::kNaN}}, float64)));
  y.backward(ones({1, 3}, float64));
  CHECK(equal(table.grad(), tensor({{0.0, 1.0, 0.0}, {1.0, 0.0, 0.0}, {0.0, 0.0, 1.0}}, float64)));
}

TEST_CASE("empty bags give zeros and no gradient", "[autograd]") {
  Variable table = parameter(normal({4, 2}));
  const Tensor none = zeros({0}, int64);
  for (const BagMode mode : {BagMode::sum, BagMode::mean, BagMode::max}) {
    const auto check = [&](const Tensor& ids, const Tensor& offsets, std::int64_t bags) {
      const Variable y = embedding_bag(table, ids, offsets, {.mode = mode, .padding_idx = 2});
      CHECK(equal(y.value(), zeros({bags, 2}, float64)));
      table.zero_grad();
      sum(y).backward();
      CHECK(equal(table.grad(), zeros({4, 2}, float64)));
      const Variable again = embedding_bag(table, ids, offsets, {.mode = mode, .padding_idx = 2});
      const Tensor composed = grad(sum(again), {table}, {.create_graph = true})[0].value();
      CHECK(equal(composed, zeros({4, 2}, float64)));
    };
    check(none, none, 0);
    check(none, tensor({0, 0, 0}), 3);
    check(zeros({2, 0}, int64), {}, 2);
    check(zeros({0, 3}, int64), {}, 0);
    check(tensor({2, 2, 2}), tensor({0, 1}), 2);
  }
  CHECK(embedding_bag(parameter(zeros({3, 0})), tensor({{1, 2}})).shape() == Shape{1, 0});
}

TEST_CASE("bags detect that their batch or table was overwritten before backward()", "[autograd]") {
  const Variable table = parameter(normal({5, 2}));
  Tensor ids = tensor({1, 2, 3});
  Tensor offsets = tensor({0, 2});
  const Variable y = sum(embedding_bag(table, ids, offsets));
  offsets.fill_(9);  // a copy was kept
  y.backward();
  const Variable z = sum(embedding_bag(table, ids, tensor({0, 2})));
  ids.fill_(0);
  CHECK_THROWS_AS(z.backward(), AutogradError);
  Variable factors = parameter(normal({3}));
  const EmbeddingBagLookup weighted{.mode = BagMode::sum, .per_sample_weights = factors};
  const Variable w = sum(embedding_bag(table, ids, tensor({0, 2}), weighted));
  Variable same = table;
  same.set_value(normal({5, 2}));
  CHECK(error_text<AutogradError>([&] { w.backward(); }).find("'embedding_bag'") !=
        std::string::npos);
}

TEST_CASE("backward() throws if the table was resized since the lookup", "[autograd]") {
  const Variable table = parameter(normal({5, 2}));
  for (const bool bag : {false, true}) {
    const Variable y =
        bag ? sum(embedding_bag(table, tensor({{1, 2}}))) : sum(embedding(table, tensor({1, 2})));
    const std::int64_t rows = table.size(0);
    table.leaf().set_value(normal({rows + 1, 2}));
    CHECK(error_text<AutogradError>([&] { y.backward(); }) ==
          "backward: the table of '" + std::string(bag ? "embedding_bag" : "embedding") +
              "' was resized since the lookup, from " + std::to_string(rows) + " to " +
              std::to_string(rows + 1) + " rows; call backward() before resizing");
    CHECK_FALSE(table.has_grad());
  }
}

TEST_CASE("gradients of lookups and bags in a computed table reach its inputs", "[autograd]") {
  const auto function = [](const std::vector<Variable>& v) {
    const Variable table = v[0] * v[0];
    const EmbeddingBagLookup weighted{.mode = BagMode::sum, .per_sample_weights = v[1] * 2.0};
    return embedding_bag(table, tensor({{3, 1, 3}, {0, 0, 0}}), {}, weighted) +
           embedding_bag(table, tensor({{1, 2}, {2, 2}}));
  };
  CHECK(gradcheck(function, {normal({4, 2}), normal({2, 3})}, {.second_order = true}));
}

TEST_CASE("errors of embedding and embedding_bag", "[autograd]") {
  const Variable table = parameter(normal({5, 2}));
  const Tensor ids = tensor({1, 2, 4});
  const auto bag = [&](const Tensor& some, const Tensor& offsets,
                       const EmbeddingBagLookup& options = {}) {
    return error_text<Error>([&] { embedding_bag(table, some, offsets, options); });
  };
  CHECK(bag(tensor({1, 5}), tensor({0})) ==
        "embedding_bag: index 5 out of range for 5 rows (position 1)");
  CHECK(bag(tensor({{1, 2}, {0, -1}}), {}) ==
        "embedding_bag: index -1 out of range for 5 rows (position 3)");
  CHECK(bag(ids.to(float32), tensor({0})).find("float32") != std::string::npos);
  CHECK(bag(ids, {}) ==
        "embedding_bag: ids have shape (3) without offsets, needed offsets, the positions where "
        "bags begin");
  CHECK(bag(tensor({{1, 2}}), tensor({0})) ==
        "embedding_bag: ids have shape (1, 2) with offsets, needed 1-d ids with offsets; without "
        "offsets, each row of 2-d ids is a bag");
  CHECK(bag(tensor(3), {}) ==
        "embedding_bag: ids have shape () without offsets, needed (bags, ids of each), or 1-d ids "
        "with offsets");
  CHECK(bag(ids, tensor({{0}})) == "embedding_bag: offsets are int64 (1, 1), needed 1-d int64");
  CHECK(bag(ids, tensor({0.0})) == "embedding_bag: offsets are float32 (1), needed 1-d int64");
  CHECK(bag(ids, tensor({1, 2})) == "embedding_bag: offsets begin at 1, needed 0");
  CHECK(bag(ids, tensor({0, 2, 1})) == "embedding_bag: offsets decrease at position 2: 1 after 2");
  CHECK(bag(ids, tensor({0, 4})) ==
        "embedding_bag: offset 4 at position 1 is larger than the number of ids, 3");
  CHECK(bag(ids, tensor({0, -1})) == "embedding_bag: offsets decrease at position 1: -1 after 0");
  CHECK(bag(ids, zeros({0}, int64)) ==
        "embedding_bag: no offsets for 3 ids; use offsets {0} for one bag of all ids");
  CHECK(bag(ids, zeros({0}, int64), {.include_last_offset = true}) ==
        "embedding_bag: include_last_offset needs at least one offset, the number of ids");
  CHECK(bag(ids, tensor({0, 2}), {.include_last_offset = true}) ==
        "embedding_bag: the last offset is 2, with include_last_offset needed the number of ids, "
        "3");
  CHECK(bag(ids, tensor({0}), {.padding_idx = 5}) ==
        "embedding_bag: padding_idx 5 out of range for 5 rows");
  CHECK(error_text<ValueError>([&] { embedding(table, ids, -6); }) ==
        "embedding: padding_idx -6 out of range for 5 rows");
  const Tensor factors = ones({3}, float64);
  CHECK(bag(ids, tensor({0}), {.per_sample_weights = factors}) ==
        "embedding_bag: per_sample_weights need mode sum; a weighted mean is sum with weights that "
        "add up to 1");
  CHECK(bag(ids, tensor({0}), {.mode = BagMode::sum, .per_sample_weights = ones({2}, float64)}) ==
        "embedding_bag: per_sample_weights have shape (2), needed that of ids, (3)");
  CHECK(bag(ids, tensor({0}), {.mode = BagMode::sum, .per_sample_weights = ones({3})}) ==
        "embedding_bag: per_sample_weights are float32, needed the table's float64; convert with "
        "to(float64)");
  CHECK(bag(ids, tensor({0}), {.mode = BagMode::max, .frequency_scale = FrequencyScale::inverse}) ==
        "embedding_bag: got a frequency_scale with mode max, whose gradient belongs to single "
        "elements; use sum or mean");
  CHECK(error_text<ShapeError>([&] { embedding_bag(ones({3}), tensor({{0}})); }) ==
        "embedding_bag: weight has shape (3), needed (rows, width)");
}

// Norms -------------------------------------------------------------------------------------------

TEST_CASE("embedding_renorm_ scales rows with too large a norm, and no others", "[autograd]") {
  const Variable table =
      parameter(tensor({{3.0, 4.0}, {0.3, 0.4}, {6.0, 8.0}, {0.0, -2.0}, {1.0, 0.0}}, float64));
  Leaf& leaf = table.leaf();
  const std::uint32_t version = leaf.version();
  embedding_renorm_(table, tensor({1, 4, 1}), 1.0);  // 1 is not above 1
  CHECK(leaf.version() == version);
  CHECK(leaf.row_policy().take_renormalized().empty());
  leaf.row_policy().freeze_rows(std::vector<std::int64_t>{2});
  const Tensor before = table.value().clone();
  embedding_renorm_(table, tensor({{0, 0}, {2, 1}}), 1.0);
  CHECK(leaf.version() != version);
  const double factor = 1 / (5 + 1e-7);
  CHECK(allclose(table.value()[0], tensor({3 * factor, 4 * factor}, float64), 1e-15, 0));
  for (const std::int64_t row : {1, 2, 3, 4}) CHECK(equal(table.value()[row], before[row]));
  const auto renormalized = leaf.row_policy().take_renormalized();
  REQUIRE(renormalized.size() == 1);
  CHECK(renormalized[0] == std::pair(std::int64_t{0}, factor));
  // A frozen column counts in the norm, but does not change.
  leaf.row_policy().freeze_columns(std::vector<std::int64_t>{0});
  leaf.row_policy().unfreeze_rows();
  embedding_renorm_(table, tensor({2}), 2.0, std::numeric_limits<double>::infinity());
  CHECK(allclose(table.value()[2], tensor({6.0, 8 * 2 / (8 + 1e-7)}, float64), 1e-15, 0));

  CHECK(error_text<ValueError>([&] { embedding_renorm_(table, tensor({0}), 0); }) ==
        "embedding_renorm_: max_norm is 0.000000 and norm_type 2.000000, needed values > 0");
  CHECK(error_text<IndexError>([&] { embedding_renorm_(table, tensor({5}), 1); }) ==
        "embedding_renorm_: index 5 out of range for 5 rows (position 0)");
  CHECK(error_text<AutogradError>([&] {
          embedding_renorm_(table * 2.0, tensor({0}), 1);
        }).find("this table is not a leaf") != std::string::npos);
}

TEST_CASE("a rule that needs rows from before embedding_renorm_ throws", "[autograd]") {
  const Variable table = parameter(tensor({{3.0, 4.0}, {0.3, 0.4}}, float64));
  const Variable used = sum(square(table));
  const Variable looked_up = sum(embedding(table, tensor({0})));  // needs no value
  const Variable y = used + looked_up + sum(embedding(table, tensor({0}), {.max_norm = 1.0}));
  CHECK(error_text<AutogradError>([&] {
          y.backward();
        }).find("was overwritten in place since it") != std::string::npos);
  // If no norm is too large, nothing is overwritten.
  const Variable z = sum(square(table)) + sum(embedding(table, tensor({0}), {.max_norm = 1.0}));
  z.backward();
  // A snapshot is not changed.
  const Variable other = parameter(tensor({{3.0, 4.0}}, float64));
  const Tensor snapshot = other.value();
  embedding_renorm_(other, tensor({0}), 1.0);
  CHECK(equal(snapshot, tensor({{3.0, 4.0}}, float64)));
  CHECK_FALSE(equal(other.value(), snapshot));
}

// Pending rows ------------------------------------------------------------------------------------

namespace {

// A row state whose pending step adds 1 to each row. It remembers the ids of flush_rows().
struct AddOne : RowState {
  Leaf& leaf;
  std::vector<bool> pending;
  std::vector<std::int64_t> flushed;

  explicit AddOne(Leaf& its_leaf)
      : leaf(its_leaf), pending(static_cast<std::size_t>(its_leaf.stored().size(0)), true) {
    leaf.row_policy().add_state(*this);
    leaf.row_policy().set_pending_rows(*this, true);
  }
  ~AddOne() { leaf.row_policy().remove_state(*this); }
  void flush() override {
    for (std::size_t i = 0; i < pending.size(); ++i) flush_row(static_cast<std::int64_t>(i));
  }
  void flush_rows(std::span<const std::int64_t> ids) override {
    flushed.insert(flushed.end(), ids.begin(), ids.end());
    for (const std::int64_t id : ids) flush_row(id);
  }
  void remap_rows(std::span<const std::int64_t>) override {}
  void flush_row(std::int64_t row) {
    if (!pending[static_cast<std::size_t>(row)]) return;
    pending[static_cast<std::size_t>(row)] = false;
    select(leaf.writable_stored(), 0, row).add_(1.0);
  }
};

}  // namespace

TEST_CASE("lookups flush the rows that they read, and no others", "[autograd]") {
  const Variable table = parameter(zeros({6, 2}, float64));
  AddOne state(table.leaf());
  const std::uint32_t version = table.leaf().version();
  CHECK(equal(embedding(table, tensor({{1, 4}, {1, 1}})).value(), ones({2, 2, 2}, float64)));
  CHECK(state.flushed == std::vector<std::int64_t>{1, 4, 1, 1});
  CHECK(sum(table.stored()).item<double>() == 4);
  state.flushed.clear();
  const EmbeddingBagLookup weighted{.mode = BagMode::sum,
                                    .per_sample_weights = parameter(ones({2}, float64))};
  const Variable first = embedding_bag(table, tensor({1, 2}), tensor({0}), weighted);
  CHECK(state.flushed == std::vector<std::int64_t>{1, 2});
  CHECK(equal(first.value(), full({1, 2}, 2.0, float64)));
  // A flush of other rows does not overwrite the rows that the first bag needs.
  const Variable second = embedding_bag(table, tensor({3, 0}), tensor({0}), weighted);
  embedding(table, tensor({5}), {.max_norm = 9.0});
  CHECK(table.leaf().version() == version);
  sum(first + second).backward();
  CHECK(equal(weighted.per_sample_weights.grad(), full({2}, 4.0, float64)));
  CHECK(equal(table.value(), ones({6, 2}, float64)));
}

// Contributions -----------------------------------------------------------------------------------

TEST_CASE("row-sparse gradients of all forms are coalesced", "[autograd]") {
  const Tensor rows = normal({4, 3});
  // Distinct ids: the result shares the rows.
  const RowSparse alone{tensor({3, 1, 0, 2}), rows};
  const RowSparse same = coalesce(alone);
  CHECK(same.coalesced);
  CHECK(same.rows.shares_memory_with(rows));
  const RowSparse skipped = coalesce(RowSparse{tensor({3, 1, 3, 2}), rows, 1});
  CHECK(equal(skipped.ids, tensor({3, 2})));
  CHECK(allclose(skipped.rows, stack({rows[0] + rows[2], rows[3]})));
  const RowSparse picked = coalesce(RowSparse{tensor({5, 5, 8}), rows}, tensor({0, 1, 1}),
                                    tensor({2.0, -1.0, 0.5}, float64));
  CHECK(equal(picked.ids, tensor({5, 8})));
  CHECK(allclose(picked.rows, stack({2.0 * rows[0] - rows[1], 0.5 * rows[1]})));
  const RowSparse all = coalesce(
      std::vector<RowSparse>{alone, skipped, picked, {tensor({0}), ones({1, 3}, float64), 0}});
  CHECK(equal(all.ids, tensor({3, 1, 0, 2, 5, 8})));
  CHECK(allclose(all.rows[0], 2.0 * rows[0] + rows[2]));
  CHECK(allclose(all.rows[2], rows[2]));
  // Many ids; some have equal lower or upper bits.
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < 3000; ++i) ids.push_back((i * i % 700) << (i % 3 * 20));
  const Tensor values = normal({3000, 2});
  const RowSparse many = coalesce(RowSparse{tensor(ids), values});
  const std::vector<std::int64_t> found = to_vector<std::int64_t>(many.ids);
  CHECK(std::set<std::int64_t>(found.begin(), found.end()).size() == found.size());
  CHECK(std::set<std::int64_t>(found.begin(), found.end()) ==
        std::set<std::int64_t>(ids.begin(), ids.end()));
  Tensor expected = zeros_like(many.rows);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto at = std::find(found.begin(), found.end(), ids[i]) - found.begin();
    expected[at].add_(values[static_cast<std::int64_t>(i)]);
  }
  CHECK(allclose(many.rows, expected));
}

}  // namespace tapegrad
