// Tests of row-sparse gradients: lookups in a table, and when their gradient becomes dense. Read
// next: gradcheck_test.cc.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/tensor/random/random.h>

#include "catch.h"

namespace tapegrad {
namespace {

// The expected gradient of sum(embedding(table, ids) * weight), computed row by row.
Tensor by_hand(const Tensor& table, const std::vector<std::int64_t>& ids, const Tensor& weight,
               std::int64_t padding = -1) {
  Tensor gradient = zeros_like(table);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == padding) continue;
    Tensor row = gradient[ids[i]];
    row.add_(weight[static_cast<std::int64_t>(i)]);
  }
  return gradient;
}

// The row-sparse gradient as a dense table, after a check that its ids are distinct.
Tensor made_dense(const Variable& table) {
  const RowSparse gradient = table.row_grad();
  const std::vector<std::int64_t> ids = to_vector<std::int64_t>(gradient.ids);
  CHECK(std::set<std::int64_t>(ids.begin(), ids.end()).size() == ids.size());
  CHECK(gradient.rows.shape() == Shape{ids.size(), table.size(1)});
  return by_hand(table.value(), ids, gradient.rows);
}

struct Table {
  Generator generator{5};
  Variable weight = parameter(randn({7, 3}, float64, generator));
};

}  // namespace

TEST_CASE("the gradient of a lookup is row-sparse with distinct ids", "[autograd]") {
  Table table;
  const std::vector<std::int64_t> ids{4, 1, 4, 6, 4};
  const Tensor g = randn({5, 3}, float64, table.generator);
  sum(embedding(table.weight, tensor(ids)) * g).backward();
  REQUIRE(table.weight.has_row_grad());
  CHECK(to_vector<std::int64_t>(table.weight.row_grad().ids) ==
        std::vector<std::int64_t>{4, 1, 6});  // in the order of first occurrence
  CHECK(allclose(made_dense(table.weight), by_hand(table.weight.value(), ids, g)));
  // grad() returns the same as a dense Tensor, and the stored gradient stays sparse.
  CHECK(allclose(table.weight.grad(), by_hand(table.weight.value(), ids, g)));
  CHECK(table.weight.has_row_grad());
  table.weight.zero_grad();
  CHECK_FALSE(table.weight.has_row_grad());
  CHECK_FALSE(table.weight.has_grad());
}

TEST_CASE("ids of any shape and layout are looked up", "[autograd]") {
  Table table;
  const Tensor grid = tensor({{0, 1, 2}, {2, 3, 0}});
  const Tensor g = randn({3, 2, 3}, float64, table.generator);
  sum(embedding(table.weight, transpose(grid)) * g).backward();
  CHECK(allclose(made_dense(table.weight),
                 by_hand(table.weight.value(), {0, 2, 1, 3, 2, 0}, reshape(g, {6, 3}))));
  table.weight.zero_grad();
  sum(embedding(table.weight, tensor(5))).backward();
  CHECK(equal(table.weight.row_grad().ids, tensor({5})));
  CHECK(equal(table.weight.row_grad().rows, ones({1, 3}, float64)));
  table.weight.zero_grad();
  sum(embedding(table.weight, zeros({0}, int64))).backward();
  CHECK(equal(table.weight.grad(), zeros({7, 3}, float64)));
}

TEST_CASE("T lookups in one table keep one row-sparse gradient", "[autograd]") {
  Table table;
  std::vector<std::int64_t> ids;
  const Tensor g = randn({40, 3}, float64, table.generator);
  Variable loss = Variable(zeros({}, float64));
  for (std::int64_t t = 0; t < 40; ++t) {
    ids.push_back((t * t + 3) % 7);
    loss = loss + sum(embedding(table.weight, tensor({ids.back()})) * g[t]);
  }
  loss.backward();
  CHECK(table.weight.has_row_grad());
  CHECK(allclose(made_dense(table.weight), by_hand(table.weight.value(), ids, g)));

  SECTION("also over several backward calls") {
    sum(embedding(table.weight, tensor({6, 6}))).backward();
    CHECK(table.weight.has_row_grad());
    const Tensor more = by_hand(table.weight.value(), {6, 6}, ones({2, 3}, float64));
    CHECK(allclose(made_dense(table.weight), by_hand(table.weight.value(), ids, g) + more));
  }
}

TEST_CASE("the cost of a lookup's gradient does not grow with the table", "[autograd]") {
  // 8 GB of address space; the system allocates only the pages that are read. A dense gradient
  // would write to all pages.
  constexpr std::size_t kBytes = std::size_t{8} << 30;
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  const std::shared_ptr<void> owner(memory, [](void* p) { munmap(p, kBytes); });
  const Variable weight =
      parameter(from_data(static_cast<float*>(memory), {std::int64_t{1} << 30, 2}, owner));
  sum(embedding(weight, tensor({999'999'999, 5}))).backward();
  REQUIRE(weight.has_row_grad());
  CHECK(equal(weight.row_grad().ids, tensor({999'999'999, 5})));
  CHECK(equal(weight.row_grad().rows, ones({2, 2})));
}

TEST_CASE("rows of padding_idx get no gradient", "[autograd]") {
  Table table;
  const std::vector<std::int64_t> ids{0, 2, 0, 5};
  const Tensor g = randn({4, 3}, float64, table.generator);
  sum(embedding(table.weight, tensor(ids), 0) * g).backward();
  const Tensor expected = by_hand(table.weight.value(), ids, g, 0);
  CHECK(equal(table.weight.row_grad().ids, tensor({2, 5})));
  CHECK(allclose(table.weight.grad(), expected));
  CHECK(allclose(made_dense(table.weight), expected));
  const auto lookup = [&] { return sum(embedding(table.weight, tensor(ids), 0) * g); };
  CHECK(allclose(grad(lookup(), {table.weight})[0].value(), expected));
  CHECK(allclose(grad(lookup(), {table.weight}, {.create_graph = true})[0].value(), expected));

  SECTION("each lookup has its own padding_idx") {
    sum(embedding(table.weight, tensor({0, 2}))).backward();
    const Tensor more = by_hand(table.weight.value(), {0, 2}, ones({2, 3}, float64));
    CHECK(allclose(made_dense(table.weight), expected + more));
  }
  SECTION("a lookup of padding only adds no rows") {
    table.weight.zero_grad();
    sum(embedding(table.weight, tensor({0, 0}), 0)).backward();
    CHECK(equal(table.weight.grad(), zeros({7, 3}, float64)));
  }
}

TEST_CASE("padding_idx counts from the end if negative", "[autograd]") {
  const Variable table = parameter(ones({4, 2}));
  sum(embedding(table, tensor({0, 3, 3}), -1)).backward();
  CHECK(equal(table.grad(), tensor({{1.0, 1.0}, {0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}})));
}

TEST_CASE("rows of another type are converted to the table's", "[autograd]") {
  const Variable table = parameter(ones({3, 2}));
  const Tensor ids = tensor({2, 0});
  const Variable y = record("wide_lookup", embedding(table.value(), ids).to(float64),
                            from(table, [at = Variable(ids)](const Variable& dy) {
                              return RowSparse{at.value(), dy.value() * 2.0};
                            }));
  sum(y).backward();
  CHECK(equal(table.grad(), tensor({{2.0, 2.0}, {0.0, 0.0}, {2.0, 2.0}})));
}

TEST_CASE("the gradient is dense if the table is also used without a lookup", "[autograd]") {
  Table table;
  const Tensor rows = by_hand(table.weight.value(), {3, 3}, ones({2, 3}, float64));
  const Tensor expected = rows + 2.0 * table.weight.value();
  SECTION("in one backward") {
    (sum(embedding(table.weight, tensor({3, 3}))) + sum(square(table.weight))).backward();
  }
  SECTION("first lookups, then the whole table") {
    sum(embedding(table.weight, tensor({3, 3}))).backward();
    sum(square(table.weight)).backward();
  }
  SECTION("first the whole table, then lookups") {
    sum(square(table.weight)).backward();
    const Tensor taken = table.weight.grad();
    const Tensor copy = taken.clone();
    sum(embedding(table.weight, tensor({3, 3}))).backward();
    CHECK(equal(taken, copy));
  }
  SECTION("by slices") {
    const Variable part = select(table.weight, 0, 2);
    (sum(embedding(table.weight, tensor({3, 3}))) + sum(square(table.weight)) + sum(part) -
     sum(part))
        .backward();
  }
  CHECK_FALSE(table.weight.has_row_grad());
  CHECK(table.weight.has_grad());
  CHECK(allclose(table.weight.grad(), expected));
  std::string text;
  try {
    table.weight.row_grad();
  } catch (const AutogradError& error) {
    text = error.what();
  }
  CHECK(text == "row_grad: the gradient is dense; use grad()");
}

TEST_CASE("the gradient of a lookup in a computed table reaches the inputs of that table",
          "[autograd]") {
  Table table;
  const Variable scaled = table.weight * 2.0;
  (sum(embedding(scaled, tensor({1, 1, 4}), 4)) + sum(embedding(scaled, tensor({6})))).backward();
  CHECK(allclose(table.weight.grad(),
                 2.0 * by_hand(table.weight.value(), {1, 1, 6}, ones({3, 3}, float64))));
}

TEST_CASE("a hook on a table receives its dense gradient", "[autograd]") {
  Table table;
  Tensor seen;
  table.weight.register_hook([&](const Variable& dw) { seen = dw.value(); });
  table.weight.register_hook([](const Variable& dw) { return dw * 10.0; });
  sum(embedding(table.weight, tensor({2, 2}))).backward();
  const Tensor plain = by_hand(table.weight.value(), {2, 2}, ones({2, 3}, float64));
  CHECK(equal(seen, plain));
  CHECK(allclose(table.weight.grad(), 10.0 * plain));
}

TEST_CASE("row_grad() says why there is no row-sparse gradient", "[autograd]") {
  const Table table;
  std::string text;
  try {
    table.weight.row_grad();
  } catch (const AutogradError& error) {
    text = error.what();
  }
  CHECK(text == "row_grad: there is no gradient; check has_row_grad() first");
}

}  // namespace tapegrad
