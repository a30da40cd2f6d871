// Lesson 5: an embedding lookup gives the same result as a matrix product. A one-hot vector times a
// matrix selects a row of the matrix, and so does a linear layer without bias. A lookup reads that
// row alone; forward and backward, it costs one row instead of the whole table.
#include <tapegrad/tapegrad.h>

#include <chrono>
#include <iomanip>
#include <iostream>

namespace tg = tapegrad;

template <class Function>
double milliseconds(const Function& function) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) function();
  const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - begin;
  return passed.count() / 10;
}

int main() {
  constexpr std::int64_t kWords = 5000;
  constexpr std::int64_t kWidth = 32;
  tg::manual_seed(0);
  const tg::Tensor table = tg::randn({kWords, kWidth});
  const tg::Tensor ids = tg::randint(0, kWords, {64});          // (64)
  const tg::Tensor hot = one_hot(ids, kWords).to(tg::float32);  // (64, 5000)
  const tg::Tensor target = tg::randn({64, kWidth});

  // Three ways from words to vectors, all with the same weights.
  tg::Variable matrix = tg::parameter(table);             // (5000, 32)
  tg::nn::Linear layer(kWords, kWidth, {.bias = false});  // weight (32, 5000)
  layer.weight.set_value(table.T().contiguous());
  auto words = tg::nn::Embedding::from_pretrained(table, {.freeze = false});

  const auto product = [&] { return matmul(hot, matrix); };  // (64, 32)
  const auto linear = [&] { return layer(hot); };
  const auto lookup = [&] { return words(ids); };
  const auto train = [&](const auto& forward) {
    return tg::nn::mse_loss(forward(), target).backward();
  };

  const bool same_outputs =
      allclose(product().value(), lookup().value()) && allclose(linear().value(), lookup().value());
  train(product);
  train(linear);
  train(lookup);
  const bool same_gradients = allclose(matrix.grad(), words.weight.grad(), 1e-5, 1e-7) &&
                              allclose(layer.weight.grad().T(), words.weight.grad(), 1e-5, 1e-7);
  std::cout << "same outputs: " << (same_outputs ? "yes" : "no")
            << ", same weight gradients: " << (same_gradients ? "yes" : "no") << '\n';

  // The lookup's gradient is row-sparse: it holds only the rows that were looked up.
  std::cout << "gradient of the table: " << words.weight.row_grad().rows.shape() << " of "
            << words.weight.shape() << "\n\n";

  const auto step = [&](auto& weight, const auto& forward) {
    weight.zero_grad();
    train(forward);
  };
  std::cout << std::fixed << std::setprecision(3) << "forward and backward, milliseconds\n"
            << "  one-hot times matrix " << std::setw(8)
            << milliseconds([&] { step(matrix, product); }) << "\n  Linear without bias  "
            << std::setw(8) << milliseconds([&] { step(layer.weight, linear); })
            << "\n  Embedding            " << std::setw(8)
            << milliseconds([&] { step(words.weight, lookup); }) << '\n';
  return same_outputs && same_gradients ? 0 : 1;
}
