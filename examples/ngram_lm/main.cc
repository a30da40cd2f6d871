// ngram_lm predicts each word of a text from the words before it. The model is in ngram_lm.cc; the
// training loop and the rest are in language_model/. Read next: words.h.
#include "language_model/command_line.h"
#include "ngram_lm/ngram_lm.h"

int main(int argc, char** argv) {
  return examples::run_main("ngram_lm", [&] {
    ngram_lm::Program program;
    return language_model::run(
        program, {.epochs = 5, .batch = 64, .lr = 1e-3, .clip = 1, .report = 1000, .sample = 40},
        "Predicts each word of a text from the words before it: Bengio's neural n-gram model.",
        "Examples:\n"
        "  ngram_lm train --input shakespeare.txt --model shakespeare.ngram --context 4\n"
        "  ngram_lm sample --model shakespeare.ngram --prompt 'my lord,' --temperature 0.8",
        argc, argv);
  });
}
