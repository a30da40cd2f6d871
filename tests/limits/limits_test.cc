// Large sizes: tensors whose elements cannot be addressed, long tapes, many parameters, large
// vocabularies, long lines. The tests named "limits: ..., full size" take minutes and gigabytes, so
// they run only when they are named:
//
//   build/release/tests/tapegrad_test_limits "[limits]"
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "catch.h"
#include "sanitized.h"
#include "tensor/temporary_folder.h"

using namespace tapegrad;

namespace {

constexpr std::int64_t kLargest = INT64_MAX;
const std::vector<std::int64_t> kHugeSizes = {
    std::int64_t{1} << 31, std::int64_t{1} << 40, std::int64_t{1} << 60, std::int64_t{1} << 61,
    std::int64_t{1} << 62, kLargest / 2 + 1,      kLargest - 1,          kLargest};

// Whether the call throws a tapegrad::Error or std::bad_alloc.
bool is_refused(const std::function<Tensor()>& make) {
  try {
    make();
    return false;
  } catch (const Error&) {
    return true;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

struct Case {
  std::string name;
  std::function<Tensor(std::int64_t)> make;
};

// Seconds that a call takes.
double seconds_of(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A chain of `n` operations on a scalar, and its gradient.
void check_chain(std::int64_t n) {
  const Variable w = parameter(full({}, 1.0, float64));
  Variable y = w;
  for (std::int64_t i = 0; i < n; ++i) y = y + 1.0;
  CHECK(tape().size() >= static_cast<std::size_t>(n));
  y.backward();
  CHECK(w.grad().item() == 1);
  CHECK(y.item() == 1.0 + static_cast<double>(n));
}

void check_many_parameters(std::int64_t n) {
  struct Many : nn::Module {
    std::vector<Parameter> weights;
    explicit Many(std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        weights.push_back(register_parameter("w" + std::to_string(i), ones({2})));
      }
    }
  };
  const test::TemporaryFolder folder;
  Many model(n);
  optim::Adam adam(model.parameters(), {.lr = 0.5});
  Variable loss = sum(model.weights[0]);
  for (const Parameter& each : model.weights) loss = loss + sum(square(each));
  loss.backward();
  adam.step();
  save_checkpoint(folder.file("checkpoint"), model, adam);
  Many other(n);
  optim::Adam other_adam(other.parameters(), {.lr = 0.5});
  load_checkpoint(folder.file("checkpoint"), other, other_adam);
  CHECK(equal(other.weights.back().value(), full({2}, 0.5)));
  CHECK(other.state_dict().size() == static_cast<std::size_t>(n));
}

void check_vocabulary(std::int64_t n) {
  const test::TemporaryFolder folder;
  std::vector<std::vector<std::string>> texts(1);
  for (std::int64_t i = 0; i < n; ++i) texts[0].push_back("w" + std::to_string(i));
  const nn::Vocabulary vocabulary = nn::Vocabulary::build(texts);
  CHECK(vocabulary.size() == n + 2);
  vocabulary.save(folder.file("words"));
  const nn::Vocabulary loaded = nn::Vocabulary::load(folder.file("words"));
  CHECK(loaded.size() == n + 2);
  for (std::int64_t i = 0; i < n; i += n / 97 + 1) {
    const std::string& word = texts[0][static_cast<std::size_t>(i)];
    REQUIRE(loaded.find(word) == i + 2);
    REQUIRE(loaded.word(i + 2) == word);
  }
}

// One line of `n` bytes, for every reader of lines: a result that is whole, or an error.
void check_long_line(std::size_t n) {
  const test::TemporaryFolder folder;
  const std::string line(n, 'a');
  std::ofstream(folder.file("line")) << line;
  CHECK(nn::read_text(folder.file("line")).size() == n);
  nn::LineReader lines(line);
  std::string_view first;
  CHECK(lines.next(first));
  CHECK(first.size() == n);
  CHECK(nn::tokenize(line).size() == 1);
  CHECK(nn::parse_csv(line, "line").at(0).fields.at(0).size() == n);
  CHECK(nn::parse_csv("\"" + line + "\",b\n", "line").at(0).fields.at(1) == "b");
  CHECK_THROWS_AS(nn::parse_csv("\"" + line, "line"), FormatError);
  CHECK_THROWS_AS(nn::load_word_vectors(folder.file("line")), Error);
  CHECK_THROWS_AS(nn::Vocabulary::load(folder.file("line")), FormatError);
  CHECK_THROWS_AS(load(folder.file("line")), FormatError);
  CHECK_THROWS_AS(load_npy(folder.file("line")), FormatError);
  CHECK_THROWS_AS(load_npz(folder.file("line")), FormatError);

  std::string words;
  while (words.size() < n) words += "a b. ";
  CHECK(nn::tokenize(words).size() == words.size() / 5 * 3);
}

}  // namespace

#ifndef SANITIZED  // sanitizers end the process if an allocation is too large
TEST_CASE("limits: tensors that cannot be addressed are refused") {
  const Tensor one = ones({1}), row = ones({1, 2});
  const std::vector<Case> cases = {
      {"zeros",
       [](std::int64_t n) {
         return zeros({n, 8});
       }},
      {"ones",
       [](std::int64_t n) {
         return ones({8, n});
       }},
      {"full",
       [](std::int64_t n) {
         return full({n, n}, 1.5);
       }},
      {"empty",
       [](std::int64_t n) {
         return empty({n, 8}, int64);
       }},
      {"rand",
       [](std::int64_t n) {
         return rand({n, 8});
       }},
      {"randn",
       [](std::int64_t n) {
         return randn({n, 8});
       }},
      {"randint",
       [](std::int64_t n) {
         return randint(0, 2, {n, 8});
       }},
      {"eye", [](std::int64_t n) { return eye(n); }},
      {"repeat",
       [&](std::int64_t n) {
         return repeat(row, {n, 8});
       }},
      {"tile",
       [&](std::int64_t n) {
         return tile(row, {n, 8});
       }},
      {"one_hot", [](std::int64_t n) { return one_hot(zeros({64}, int64), n); }},
      {"cat",
       [&](std::int64_t n) {
         return cat({expand(one, {n}), expand(one, {n})});
       }},
      {"stack",
       [&](std::int64_t n) {
         return stack({expand(one, {n}), expand(one, {n})});
       }},
      {"clone",
       [&](std::int64_t n) {
         return expand(row, {n, 2}).clone();
       }},
      {"contiguous",
       [&](std::int64_t n) {
         return expand(row, {n, 2}).contiguous();
       }},
      {"to",
       [&](std::int64_t n) {
         return expand(row, {n, 2}).to(float64);
       }},
      {"add",
       [&](std::int64_t n) {
         return expand(row, {n, 2}) + 1;
       }},
      {"add, both",
       [&](std::int64_t n) {
         return expand(row, {n, 2}) + expand(row, {n, 2});
       }},
      {"broadcast",
       [&](std::int64_t n) {
         return expand(one, {n, 1}) * expand(one, {1, n});
       }},
      {"exp",
       [&](std::int64_t n) {
         return exp(expand(row, {n, 2}));
       }},
      {"where",
       [&](std::int64_t n) {
         return where(expand(row, {n, 2}) > 0, 1.0, 0.0);
       }},
      {"matmul",
       [&](std::int64_t n) {
         return matmul(expand(one, {n, 1}), expand(one, {1, n}));
       }},
      {"outer", [&](std::int64_t n) { return outer(expand(one, {n}), expand(one, {n})); }},
      {"reshape",
       [&](std::int64_t n) {
         return reshape(transpose(expand(row, {n, 2})), {-1});
       }},
      {"index_select",
       [&](std::int64_t n) { return index_select(row, 0, expand(zeros({1}, int64), {n})); }},
      {"gather",
       [&](std::int64_t n) {
         return gather(expand(row, {n, 2}), 0, expand(zeros({1, 1}, int64), {n, 2}));
       }},
      {"as_strided",
       [&](std::int64_t n) {
         return as_strided(row, {2, n}, {1, 1});
       }},
  };
  for (const auto& [name, make] : cases) {
    for (const std::int64_t size : kHugeSizes) {
      if (size == kHugeSizes.front()) continue;  // 2^31 elements may fit into memory
      INFO(name << ", " << size);
      CHECK(is_refused([&make = make, size] { return make(size); }));
    }
  }
}

#endif

TEST_CASE("limits: huge views, and huge sizes beside a zero, are exact") {
  const Tensor one = ones({1});
  for (const std::int64_t size : kHugeSizes) {
    INFO(size);
    // A view needs no memory. Its elements are counted, if they can be.
    if (size < std::int64_t{1} << 60) {
      const Tensor view = expand(one, {size});
      CHECK(view.numel() == size);
      CHECK(view.stride(0) == 0);
      CHECK(select(view, 0, size - 1).item() == 1);
      CHECK(narrow(view, 0, size - 2, 2).shape() == Shape{2});
      CHECK_THROWS_AS(narrow(view, 0, size - 1, 2), IndexError);
      CHECK_THROWS_AS(select(view, 0, size), IndexError);
    } else {
      CHECK(is_refused([&] { return expand(one, {size}); }));
    }
    CHECK(is_refused([&] { return expand(one, {size, size, 3}); }));

    const Tensor nothing = zeros({0, 8});
    CHECK(nothing.numel() == 0);
    const auto is_empty_or_refused = [&](const std::function<Tensor()>& make) {
      try {
        return make().numel() == 0;
      } catch (const Error&) {
        return true;
      }
    };
    CHECK(is_empty_or_refused([&] { return zeros({0, size}); }));
    CHECK(is_empty_or_refused([&] { return zeros({size, size, 0}); }));
    CHECK(is_empty_or_refused([&] { return expand(zeros({0, 1}), {0, size}); }));
    CHECK(is_empty_or_refused([&] { return exp(zeros({0, size})); }));
    CHECK(is_empty_or_refused([&] { return zeros({0, size}) + expand(one, {1, size}); }));
    CHECK(is_empty_or_refused([&] { return cat({zeros({0, size}), zeros({0, size})}, 1); }));
    CHECK(is_empty_or_refused([&] { return repeat(nothing, {size, size}); }));
    CHECK(is_empty_or_refused([&] { return matmul(zeros({0, 3}), zeros({3, 0})); }));
    CHECK(is_empty_or_refused([&] { return flatten(zeros({size, 0, size})); }));
  }
  CHECK_THROWS_AS(zeros({-1}), Error);
  CHECK_THROWS_AS(arange(Scalar(kLargest)), Error);
  CHECK_THROWS_AS(linspace(0.0, 1.0, kLargest), Error);
}

TEST_CASE("limits: a long tape") { check_chain(200'000); }
TEST_CASE("limits: a long tape, full size", "[.][limits]") { check_chain(10'000'000); }

TEST_CASE("limits: many parameters") { check_many_parameters(2'000); }
TEST_CASE("limits: many parameters, full size", "[.][limits]") {
  check_many_parameters(1'000);  // so that memory is warm
  const double small = seconds_of([] { check_many_parameters(2'000); });
  const double large = seconds_of([] { check_many_parameters(20'000); });
  std::cout << "20,000 parameters: " << large << " s, 2,000: " << small << " s\n";
  CHECK(large < 40 * small);  // not the square
}

TEST_CASE("limits: a large vocabulary") { check_vocabulary(100'000); }
TEST_CASE("limits: a large vocabulary, full size", "[.][limits]") { check_vocabulary(10'000'000); }

TEST_CASE("limits: a long line") { check_long_line(2'000'000); }
TEST_CASE("limits: a long line, full size", "[.][limits]") { check_long_line(100'000'000); }
