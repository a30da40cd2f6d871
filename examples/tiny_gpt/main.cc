// tiny_gpt learns to write like a text, with a small GPT over its characters. The model is in
// tiny_gpt.cc; the training loop and the rest are in language_model/. Read next: tiny_gpt.h.
#include "language_model/command_line.h"
#include "tiny_gpt/tiny_gpt.h"

int main(int argc, char** argv) {
  return examples::run_main("tiny_gpt", [&] {
    tiny_gpt::Program program;
    return language_model::run(
        program, {.epochs = 5, .batch = 16, .lr = 1e-3, .clip = 1},
        "Learns to write like a text, with a small GPT over its characters.",
        "Examples:\n"
        "  tiny_gpt train --input shakespeare.txt --model shakespeare.gpt\n"
        "  tiny_gpt sample --model shakespeare.gpt --prompt 'ROMEO:' --temperature 0.8",
        argc, argv);
  });
}
