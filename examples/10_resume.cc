// Lesson 10: stopping and resuming. A checkpoint holds everything with a state: the model, the
// optimizer with its moments, the schedule, the position in the data, and the random numbers. A
// program that is killed and started again ends with the same weights, to the bit.
#include <tapegrad/tapegrad.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>

namespace tg = tapegrad;

struct Classifier : tg::nn::Module {
  tg::nn::Embedding words;
  tg::nn::Dropout dropout;
  tg::nn::Linear head;
  Classifier()
      : words(register_module("words", tg::nn::Embedding(100, 8))),
        dropout(register_module("dropout", tg::nn::Dropout(0.2))),
        head(register_module("head", tg::nn::Linear(8, 2))) {}
  tg::Variable operator()(const tg::Tensor& ids) const {
    return head(dropout(mean(words(ids), 1)));
  }
};

// The program. It saves after every fourth batch, and stops after `batches` of them. Returns the
// table of words.
tg::Tensor train(const std::string& path, const tg::nn::TensorDataset<2>& examples,
                 std::int64_t batches) {
  tg::manual_seed(0);
  Classifier model;
  tg::optim::Adam adam(model.parameters(), {.lr = 0.01});
  tg::optim::ExponentialLR schedule(adam, {.gamma = 0.9});
  tg::nn::DataLoader loader(examples, {.batch_size = 8, .shuffle = true});
  std::int64_t step = 0;

  if (std::filesystem::exists(path)) {
    tg::load_checkpoint(path, model, adam, schedule, loader, tg::default_generator(), "step", step);
    std::cout << "  resumes in pass " << loader.passes() << " after step " << step << '\n';
  }
  for (std::int64_t pass = loader.passes(); pass < 3; ++pass) {
    for (const auto& [ids, labels] : loader) {  // begins after the last batch before the checkpoint
      adam.zero_grad();
      tg::nn::cross_entropy(model(ids), labels).backward();
      adam.step();
      if (++step % 4 == 0) {
        tg::save_checkpoint(path, model, adam, schedule, loader, tg::default_generator(), "step",
                            step);
      }
      if (--batches == 0) return model.words.weight.value();  // as if it were killed here
    }
    schedule.step();
  }
  std::cout << "  ends after step " << step << '\n';
  return model.words.weight.value();
}

int main() {
  const std::string path =
      (std::filesystem::temp_directory_path() / "tapegrad_lesson_10.ckpt").string();
  std::remove(path.c_str());
  tg::Generator own(1);  // does not move the default generator
  const tg::nn::TensorDataset examples(tg::randint(0, 100, {80, 5}, own),
                                       tg::randint(0, 2, {80}, own));

  std::cout << "not interrupted:\n";
  const tg::Tensor expected = train(path, examples, -1);

  std::cout << "interrupted twice:\n";
  std::remove(path.c_str());
  train(path, examples, 7);   // killed in the first pass; step 4 was saved
  train(path, examples, 14);  // killed in the second pass; step 16 was saved
  const tg::Tensor resumed = train(path, examples, -1);
  std::cout << "the same bits: " << (equal(resumed, expected) ? "yes" : "no") << '\n';

  // Loading is all or nothing. A model that does not fit is named, and nothing has changed.
  tg::nn::Linear other(8, 2);
  try {
    tg::load_checkpoint(path, other);
  } catch (const tg::FormatError& error) {
    const std::string text = error.what();
    std::cout << text.substr(text.find("holds")) << '\n';
  }
  std::remove(path.c_str());
  return equal(resumed, expected) ? 0 : 1;
}
