// Lesson 6: freezing. Pretrained vectors can stay fixed while the rest of the model learns: the
// whole table, or some of its rows. If nothing is frozen, weight decay also moves the rows of words
// that no sentence contains.
#include <tapegrad/tapegrad.h>

#include <iostream>

namespace tg = tapegrad;

// Takes 50 training steps, words -> classes, on sentences that use only the words 1 to 5 of 10.
void train(const tg::nn::Embedding& words, const tg::nn::Linear& head) {
  std::vector<tg::NamedParameter> all = words.parameters();
  for (const tg::NamedParameter& each : head.parameters()) all.push_back(each);
  tg::optim::AdamW adam(all, {.lr = 0.05, .weight_decay = 0.1});
  const tg::Tensor sentences = tg::tensor({{1, 2, 3}, {3, 4, 5}, {2, 4, 1}, {5, 5, 3}});  // (4, 3)
  const tg::Tensor labels = tg::tensor({0, 1, 0, 1});
  for (int step = 0; step < 50; ++step) {
    adam.zero_grad();
    tg::nn::cross_entropy(head(words(sentences).mean(1)), labels).backward();
    adam.step();
  }
}

// Prints which rows of the table have changed.
void report(const char* title, const tg::nn::Embedding& words, const tg::Tensor& before) {
  std::cout << title << ": rows that moved:";
  for (std::int64_t row = 0; row < before.size(0); ++row) {
    if (!equal(words.weight.value()[row], before[row])) std::cout << ' ' << row;
  }
  std::cout << '\n';
}

int main() {
  tg::manual_seed(0);
  const tg::Tensor vectors = tg::randn({10, 4});

  // Not frozen: words 0 and 6 to 9 never occur, yet weight decay shrinks them at every step.
  auto free_words = tg::nn::Embedding::from_pretrained(vectors, {.freeze = false});
  train(free_words, tg::nn::Linear(4, 2));
  report("not frozen    ", free_words, vectors);

  // The whole table frozen: it gets no gradient, and the optimizer leaves it alone.
  auto frozen = tg::nn::Embedding::from_pretrained(vectors, {.freeze = true});
  tg::nn::Linear head(4, 2);
  const tg::Tensor head_before = head.weight.value();  // a snapshot: training does not change it
  train(frozen, head);
  report("all frozen    ", frozen, vectors);
  std::cout << "                the head learned: "
            << (equal(head.weight.value(), head_before) ? "no" : "yes") << '\n';

  // Some rows frozen: their gradients are ignored, and neither momentum nor decay moves them.
  auto partly = tg::nn::Embedding::from_pretrained(vectors, {.freeze = false});
  partly.freeze_rows({0, 3, 7, 9});
  train(partly, tg::nn::Linear(4, 2));
  report("0 3 7 9 frozen", partly, vectors);

  const bool held = equal(frozen.weight.value(), vectors) &&
                    equal(partly.weight.value()[3], vectors[3]) &&
                    !equal(free_words.weight.value()[9], vectors[9]);
  return held ? 0 : 1;
}
