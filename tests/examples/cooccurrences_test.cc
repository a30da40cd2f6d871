// Counts of pairs, their PPMI matrix and its singular value decomposition, against answers computed
// by hand. Read next: examples/common/cooccurrences.h.
#include "common/cooccurrences.h"

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "catch.h"
#include "common/alias_table.h"
#include "common/ppmi.h"
#include "common/truncated_svd.h"
#include "tensor/temporary_folder.h"

using namespace examples;
namespace tg = tapegrad;

namespace {

using Pair = std::pair<std::int32_t, std::int32_t>;

std::vector<std::pair<Pair, double>> listed(Cooccurrences& pairs) {
  std::vector<std::pair<Pair, double>> list;
  pairs.rewind();
  for (auto block = pairs.next(); !block.empty(); block = pairs.next()) {
    for (const Cooccurrence& pair : block) list.push_back({{pair.first, pair.second}, pair.count});
  }
  CHECK(static_cast<std::int64_t>(list.size()) == pairs.size());
  return list;
}

std::vector<Sentence> random_sentences(int count) {
  tg::Generator generator(4);
  std::vector<Sentence> sentences(static_cast<std::size_t>(count));
  for (Sentence& sentence : sentences) {
    for (std::int64_t n = draw_below(20, generator); n > 0; --n) {
      sentence.push_back(static_cast<std::int32_t>(draw_below(300, generator)));
    }
  }
  return sentences;
}

tg::Tensor dense(const SparseMatrix& matrix) { return matmul(matrix, tg::eye(matrix.rows())); }

}  // namespace

TEST_CASE("Cooccurrences: weights by distance, up to the window, within a sentence") {
  const auto count = [](std::int64_t window, DistanceWeight weight) {
    Cooccurrences pairs({.window = window, .weight = weight});
    pairs.add({2, 0, 1, 2});
    pairs.add({1});
    pairs.add({});
    pairs.add({0, 1}, 3);
    pairs.finish();
    return listed(pairs);
  };
  using List = std::vector<std::pair<Pair, double>>;
  CHECK(count(1, DistanceWeight::one) == List{{{0, 1}, 4}, {{0, 2}, 1}, {{1, 2}, 1}});
  CHECK(count(2, DistanceWeight::inverse) == List{{{0, 1}, 4}, {{0, 2}, 1.5}, {{1, 2}, 1.5}});
  const List all = count(9, DistanceWeight::inverse);
  REQUIRE(all.size() == 4);
  CHECK(all[3].first == Pair{2, 2});
  CHECK(all[3].second == Approx(1.0 / 3).epsilon(1e-8));
}

TEST_CASE("Cooccurrences: neither the memory nor the order of the sentences changes the result") {
  const tg::test::TemporaryFolder folder;
  const std::vector<Sentence> sentences = random_sentences(2000);
  std::map<Pair, double> expected;
  for (const Sentence& sentence : sentences) {
    for (std::size_t i = 0; i < sentence.size(); ++i) {
      for (std::size_t j = i + 1; j < sentence.size() && j <= i + 4; ++j) {
        const Pair pair = std::minmax(sentence[i], sentence[j]);
        expected[pair] += 1 / static_cast<double>(j - i);
      }
    }
  }
  std::vector<std::vector<std::pair<Pair, double>>> sorted, shuffled;
  // 64 KiB is one table of 4096 slots, so there are 20 runs; 0 bytes grow no further either.
  for (const std::int64_t memory : {0, 100'000, 300'000, 100'000'000}) {
    for (const bool backward : {false, true}) {
      for (const bool shuffle : {false, true}) {
        CountingSettings settings{.window = 4, .memory = memory, .folder = folder.path()};
        if (shuffle) settings.shuffle = 7;
        Cooccurrences pairs(settings);
        for (std::size_t i = 0; i < sentences.size(); ++i) {
          pairs.add(sentences[backward ? sentences.size() - 1 - i : i]);
        }
        pairs.finish();
        CHECK(pairs.in_memory() == (memory == 100'000'000));
        (shuffle ? shuffled : sorted).push_back(listed(pairs));
        CHECK(listed(pairs) == (shuffle ? shuffled : sorted).back());
      }
    }
  }
  CHECK(folder.files() == 0);
  for (const auto& list : sorted) CHECK(list == sorted[0]);
  for (const auto& list : shuffled) CHECK(list == shuffled[0]);
  CHECK(std::ranges::is_sorted(sorted[0]));
  CHECK(!std::ranges::is_sorted(shuffled[0]));
  std::ranges::sort(shuffled[0]);
  CHECK(shuffled[0] == sorted[0]);
  REQUIRE(sorted[0].size() == expected.size());
  for (const auto& [pair, count] : sorted[0]) {
    CHECK(count == Approx(expected[pair]).epsilon(1e-8));
  }
}

TEST_CASE("SortedRuns: more runs than are merged at once, and a folder that does not exist") {
  const tg::test::TemporaryFolder folder;
  SortedRuns runs(folder.path(), "test", 0);
  constexpr std::uint64_t kRuns = 2 * SortedRuns::kMostRuns + 10;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    runs.add(std::vector<KeyCount>{{1, 1}, {5 + run % 3, run}, {1000 + run, 2}});
  }
  TemporaryFile merged = runs.merge();
  REQUIRE(merged.size() == static_cast<std::int64_t>(4 + kRuns));
  std::vector<KeyCount> entries(static_cast<std::size_t>(merged.size()));
  merged.read(0, entries);
  CHECK(entries[0].count == kRuns);
  CHECK(entries[1].count + entries[2].count + entries[3].count == kRuns * (kRuns - 1) / 2);
  for (std::size_t i = 4; i < entries.size(); ++i) {
    CHECK(entries[i].key == 1000 + i - 4);
    CHECK(entries[i].count == 2);
  }
  CHECK_THROWS_AS(SortedRuns(folder.file("none"), "test", 0), tg::IoError);
}

TEST_CASE("ppmi: the elements are those of the formula, and the rest is not stored") {
  Cooccurrences pairs({.window = 1, .weight = DistanceWeight::one});
  pairs.add({0, 1}, 6);
  pairs.add({0, 2}, 2);
  pairs.add({2, 2}, 3);
  pairs.finish();
  // X = {{0, 6, 2}, {6, 0, 0}, {2, 0, 6}}; the sums of the rows are 8, 6, 8, and of all 22.
  const Ppmi plain = ppmi(pairs, 3, {.shift = 1, .smoothing = 1});
  const double a = std::log(6.0 * 22 / (8 * 6)), b = std::log(6.0 * 22 / (8 * 8));
  const tg::Tensor expected = tg::tensor({{0.0, a, 0.0}, {a, 0.0, 0.0}, {0.0, 0.0, b}});
  CHECK(allclose(dense(plain.matrix), expected, 1e-5, 1e-6));
  CHECK(plain.matrix.elements() == 3);
  const Ppmi shifted = ppmi(pairs, 3, {.shift = 2, .smoothing = 1});
  CHECK(allclose(dense(shifted.matrix), clamp(expected - std::log(2.0), 0.0), 1e-5, 1e-6));

  const Ppmi smoothed = ppmi(pairs, 3, {.shift = 1, .smoothing = 0.75});
  const double all = 2 * std::pow(8, 0.75) + std::pow(6, 0.75);
  const auto element = [&](double x, double row, double column) {
    return std::max(0.0, std::log(x / row / (std::pow(column, 0.75) / all)));
  };
  const tg::Tensor wanted = tg::tensor({{0.0, element(6, 8, 6), element(2, 8, 8)},
                                        {element(6, 6, 8), 0.0, 0.0},
                                        {element(2, 8, 8), 0.0, element(6, 8, 8)}});
  CHECK(allclose(dense(smoothed.matrix), wanted, 1e-5, 1e-6));
  CHECK(allclose(dense(smoothed.transposed), transpose(wanted), 1e-5, 1e-6));
}

// With M = {{0, a, 0}, {a, 0, 0}, {0, 0, b}}, M M^T is diagonal, so the vectors W = U S^p have
// W W^T = (M M^T)^p.
TEST_CASE("svd_vectors: the power of the singular values, and columns that the words do not fill") {
  Cooccurrences pairs({.window = 1, .weight = DistanceWeight::one});
  pairs.add({0, 1}, 6);
  pairs.add({0, 2}, 2);
  pairs.add({2, 2}, 3);
  pairs.finish();
  const Ppmi matrix = ppmi(pairs, 3, {.shift = 1, .smoothing = 1});
  const double a = std::log(6.0 * 22 / (8 * 6)), b = std::log(6.0 * 22 / (8 * 8));
  for (const double power : {0.0, 0.5, 1.0}) {
    for (const std::int64_t dim : {3, 5}) {
      CAPTURE(power, dim);
      tg::Generator generator(5);
      const tg::Tensor vectors =
          svd_vectors(matrix, {.dim = dim, .eigenvalue_power = power, .iterations = 30}, generator,
                      [] { return false; });
      REQUIRE(vectors.sizes()[1] == dim);
      const double of_a = std::pow(a, 2 * power), of_b = std::pow(b, 2 * power);
      const tg::Tensor expected =
          tg::tensor({{of_a, 0.0, 0.0}, {0.0, of_a, 0.0}, {0.0, 0.0, of_b}});
      CHECK(allclose(matmul(vectors, transpose(vectors)), expected.to(vectors.dtype()), 0, 1e-4));
    }
  }
}

TEST_CASE("truncated_svd: singular values and vectors that are known") {
  tg::Generator generator(3);
  const tg::Tensor u = orthonormal_rows(tg::randn({5, 40}, tg::float64, generator));  // (5, 40)
  const tg::Tensor v = orthonormal_rows(tg::randn({5, 30}, tg::float64, generator));
  CHECK(allclose(matmul(u, transpose(u)), tg::eye(5, tg::float64), 0, 1e-12));
  const tg::Tensor s = tg::tensor({9.0, 4.0, 3.0, 1.0, 0.5}).to(tg::float64);
  const tg::Tensor a = matmul(transpose(u) * s, v).to(tg::float32);  // (40, 30)
  const LinearOperator product{
      .rows = 40,
      .columns = 30,
      .times = [&](const tg::Tensor& x) { return matmul(a, x); },
      .transposed_times = [&](const tg::Tensor& y) { return matmul(transpose(a), y); }};
  for (const std::int64_t rank : {1, 3, 5, 12, 30}) {
    CAPTURE(rank);
    const TruncatedSvd svd = truncated_svd(product, {.rank = rank}, generator);
    REQUIRE(svd.u.shape() == tg::Shape{40, rank});
    REQUIRE(svd.v.shape() == tg::Shape{30, rank});
    const std::int64_t real = std::min<std::int64_t>(rank, 5);
    CHECK(allclose(narrow(svd.s, 0, 0, real), narrow(s, 0, 0, real).to(tg::float32), 1e-4, 1e-5));
    const tg::Tensor cosines =
        abs(sum(narrow(svd.u, 1, 0, real) * transpose(narrow(u, 0, 0, real)).to(tg::float32), {0}));
    CHECK(allclose(cosines, tg::ones({real}), 1e-4));
    if (rank >= 5) {
      CHECK(allclose(matmul(svd.u * svd.s, transpose(svd.v)), a, 1e-4, 1e-5));
      CHECK(max(narrow(abs(svd.u), 1, real - 1, rank - real + 1)).item<float>() <= 1.0F);
    }
  }
  CHECK(!truncated_svd(product, {.rank = 2}, generator, [] { return true; }).s.defined());
}

TEST_CASE("symmetric_eigen: a matrix with known eigenvalues, and multiples of the identity") {
  const tg::Tensor matrix =
      tg::tensor({{2.0, 1.0, 0.0}, {1.0, 2.0, 0.0}, {0.0, 0.0, -7.0}}).to(tg::float64);
  const examples::Eigen eigen = symmetric_eigen(matrix);
  CHECK(allclose(eigen.values, tg::tensor({3.0, 1.0, -7.0}).to(tg::float64), 0, 1e-12));
  CHECK(allclose(matmul(eigen.vectors, matrix), eigen.vectors * unsqueeze(eigen.values, 1), 0,
                 1e-12));
  CHECK(
      equal(symmetric_eigen(tg::eye(4, tg::float64) * 2).values, tg::full({4}, 2.0, tg::float64)));
  CHECK(equal(symmetric_eigen(tg::zeros({3, 3}, tg::float64)).values, tg::zeros({3}, tg::float64)));
}

TEST_CASE("orthonormal_rows: a row that depends on others becomes 0") {
  const tg::Tensor x =
      tg::tensor({{3.0, 0.0, 0.0}, {6.0, 0.0, 0.0}, {1.0, 2.0, 0.0}, {0.0, 0.0, 0.0}})
          .to(tg::float64);
  CHECK(allclose(orthonormal_rows(x),
                 tg::tensor({{1.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {0.0, 1.0, 0.0}, {0.0, 0.0, 0.0}})
                     .to(tg::float64),
                 0, 1e-12));
}
