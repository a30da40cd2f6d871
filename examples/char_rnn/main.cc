// char_rnn learns to write like a text, character by character. The model is in char_rnn.h; what it
// shares with tiny_gpt and ngram_lm, such as the training loop, is in language_model/. Read next:
// char_rnn.h.
#include "char_rnn/char_rnn.h"
#include "language_model/command_line.h"

int main(int argc, char** argv) {
  return examples::run_main("char_rnn", [&] {
    char_rnn::Program program;
    return language_model::run(
        program, {.epochs = 10, .batch = 32, .lr = 2e-3, .clip = 1},
        "Learns to write like a text, with an LSTM or a GRU over its characters.",
        "Examples:\n"
        "  char_rnn train --input shakespeare.txt --model shakespeare.rnn\n"
        "  char_rnn sample --model shakespeare.rnn --prompt 'ROMEO:' --temperature 0.8",
        argc, argv);
  });
}
