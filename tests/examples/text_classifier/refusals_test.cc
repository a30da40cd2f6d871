// Texts and options that train refuses; nothing is overwritten then. Read next:
// examples/text_classifier/settings.h.
#include <array>
#include <map>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

namespace {

std::vector<std::string> model_bytes(const Session& session) {
  return {session.read("model/model.safetensors"), session.read("model/metrics.jsonl")};
}

}  // namespace

TEST_CASE("text_classifier refuses bad texts and overwrites nothing", "[text_program]") {
  const Session session;
  session.train_epochs("2");
  const std::vector<std::string> before = model_bytes(session);
  session.write("empty", "");
  session.write("binary", std::string("a\tB\n\0\1\2", 7));
  session.write("bad_utf8", "a\tB\n\xE8\xA5\xE8\xE8\xFF\x85\tA\n");
  session.write("quote.csv", "\"A\",\"text\"\n\"B\",\"more\nA,b\n");
  session.write("no_label", "a\tB\nc\n");
  session.write("labels", "a\tHUM\nc\tENTY\n");
  session.write("header.csv", "label,text\n");
  session.write("vectors", "who 1 2\nwhere 1\n");
  session.write("words", "who 1 2\nwhere 1 x\n");
  const std::vector<std::array<std::string, 2>> cases = {
      {"missing", "missing: No such file"},
      {".", ".: "},
      {"empty", "empty:1: empty file"},
      {"binary", "binary:2: NUL byte"},
      {"bad_utf8", "bad_utf8:2: byte 0x"},
      {"quote.csv", "quote.csv:2: quote is never closed"},
      {"no_label", "no_label:2: no label"},
      {"header.csv", "header.csv:1: no labeled text"},
      {"labels", "labels:2: label `ENTY` is unknown; the known ones are HUM, LOC"}};
  for (const auto& [file, expected] : cases) {
    if (file != "labels") {
      session.require_error("train --epochs 1 --out model --train " + file, expected);
    }
    session.require_error("train --epochs 1 --out model --train train.tsv --test " + file,
                          expected);
    session.require_error("eval --model model --test " + file, expected);
  }
  const std::string train = "train --train train.tsv --epochs 1 --out model ";
  session.require_error(train + "--vectors vectors", "vectors:2: fewer than 2 numbers");
  session.require_error(train + "--vectors words", "words:2: `x` is not a number");
  session.require_error(train + "--vectors missing", "cannot open missing: No such file");
  session.run_well("export --model model --settings settings.json");
  session.require_error(train + "--vectors settings.json", "settings.json:1: needed a word");
  CHECK(model_bytes(session) == before);
}

TEST_CASE("text_classifier refuses bad options and overwrites nothing", "[text_program]") {
  const Session session;
  session.train_epochs("2");
  const std::vector<std::string> before = model_bytes(session);
  const std::vector<std::array<std::string, 2>> cases = {
      {"--epochs -1", "train: --epochs: Value -1 not in range 0 to 1000000; see train --help"},
      {"--epochs many", "--epochs: "},
      {"--dim 0", "--dim: "},
      {"--hidden 100001", "--hidden: "},
      {"--batch 0", "--batch: "},
      {"--lr -1", "--lr: "},
      {"--lr nan", "learning rate: nan"},
      {"--ngrams 10", "--ngrams: Value 10 not in range 1 to 9"},
      {"--min-count 0", "--min-count: "},
      {"--max-length 0", "--max-length: "},
      {"--dropout 1.5", "--dropout: "},
      {"--dropout nan", "Dropout: p is nan"},
      {"--arch tree", "--arch: tree not in {bag,rnn,lstm,gru,cnn,attention}"},
      {"--arch bag --pool mean",
       "train: --pool combines the states at the words, and bag has none; needed --arch rnn, lstm, "
       "gru or attention"},
      {"--arch cnn --pool max", "train: --pool combines the states at the words, and cnn"},
      {"--arch bag --layers 2",
       "train: --layers is the number of layers with states, and bag has none; needed --arch rnn, "
       "lstm, gru or attention"},
      {"--arch cnn --layers 1", "--layers is the number of layers with states, and cnn has none"},
      {"--arch bag --bidirectional",
       "train: --bidirectional is for recurrent networks, and bag is not one; needed "
       "--arch rnn, lstm or gru"},
      {"--arch attention --bidirectional",
       "and attention is not one; needed --arch rnn, lstm or gru"},
      {"--heads 2",
       "train: --heads is the number of heads of attention, and bag has none; needed --arch "
       "attention"},
      {"--arch attention --heads 3",
       "model: attention with hidden 128 and heads 3, needed a hidden that is a multiple of twice "
       "the heads"},
      {"--arch attention --heads 0", "--heads: "},
      {"--arch attention --max-length 5001",
       "train: --max-length is 5001, needed 5000 or less: attention has no more positions"},
      {"--arch lstm --filters 100",
       "train: --filters is the number of filters of a cnn, and lstm has none; needed --arch cnn"},
      {"--arch gru --pool sum", "--pool: sum not in {last,mean,max}"},
      {"--arch gru --layers 0", "--layers: "},
      {"--arch gru --layers 101", "--layers: "},
      {"--arch cnn --filters 0", "--filters: "},
      {"--optimizer lbfgs", "--optimizer: "},
      {"--train-limit 0", "--train-limit: "},
      {"--sparse --freeze-embeddings", "--freeze-embeddings does not; needed one of the two"},
      {"--freeze-known",
       "train: --freeze-known freezes the vectors from a file; needed --vectors FILE too"},
      {"--all-vectors",
       "train: --all-vectors keeps all words of a file; needed --vectors FILE too"},
      {"--freeze-known --freeze-embeddings --vectors train.tsv",
       "train: --freeze-embeddings freezes all word vectors, --freeze-known some of them; needed "
       "one of the two"},
      {"--folds 2 --test test.tsv",
       "train: --folds tests on parts of the training texts, --test on others; needed one of the "
       "two"},
      {"--arch attention --max-length 3000 --ngrams 2",
       "train: --max-length 3000 with --ngrams gives 5999 positions, and attention has 5000; "
       "needed fewer"},
      {"--folds 9", "k_folds: k is 9 for 8 examples"},
      {"--folds 1", "--folds: "},
      {"--folds 2 --resume",
       "train: --folds saves nothing, so there is nothing for --resume; needed one of the two"},
      {"--folds 2 --checkpoint-every 5",
       "train: --folds saves nothing, so it writes no checkpoints; needed --checkpoint-every 0"},
      {"--checkpoint-every -1", "--checkpoint-every: "},
      {"--vectors .", "train: cannot read .: it is a folder"},
      {"--vectors /dev/null",
       "train: cannot read /dev/null: it is a pipe or a device; write its output into a file "
       "first, and give the name"},
      {"--patience 0", "--patience: "},
      {"--schedule steep", "--schedule: "},
      {"--seed 99999999999999999999", "--seed: "},
      {"--deeper", "--deeper"},
      {"--test", "--test"}};
  for (const auto& [option, expected] : cases) {
    session.require_error("train --train train.tsv --out model " + option, expected);
  }
  session.require_error("", "needed a command: train, predict, eval, neighbors, explain, compare");
  session.require_error("teach",
                        "text_classifier: unknown command or argument `teach`; needed a command");
  session.require_error("train --train train.tsv teach",
                        "train: unknown argument `teach`; see train --help");
  session.require_error("predict who", "predict: --model is required");
  session.require_error("predict --model '' who", "predict: --model: needed the name of a folder");
  session.require_error("train --out ''", "train: --out: needed the name of a folder");
  session.require_error("predict --model model 0<.", "predict: cannot read standard input");
  session.require_error("predict --model model 0<&-", "predict: cannot read standard input");
  session.require_error("eval --model model", "eval: --test is required");
  session.require_error("neighbors --model model", "word is required");
  session.require_error("neighbors --model model --count 0 who", "--count: ");
  session.require_error("train --train train.tsv --out train.tsv/model", "train.tsv/model");
  session.require_error(
      "train --train /dev/null --out model",
      "train: cannot read /dev/null: it is a pipe or a device; write its output into a "
      "file first, or give the name - and pass it as standard input");
  CHECK(model_bytes(session) == before);
  CHECK(session.read("train.tsv") == kTrainTexts);
}

TEST_CASE("text_classifier saves no model whose loss is not a number", "[text_program]") {
  const Session session;
  session.train_epochs("2");
  const std::string before = session.read("model/model.safetensors");
  session.write("huge", "who 3e38 3e38\nis 3e38 3e38\nthe 3e38 3e38\nwhere 3e38 3e38\n");
  const Output output =
      session.run("train --train train.tsv --arch bag --vectors huge --out model");
  CHECK(output.status == 1);
  CHECK(output.error.find("\ntext_classifier: train: the loss is ") != std::string::npos);
  CHECK(session.read("model/model.safetensors") == before);
}

TEST_CASE("every refusal of suspects names suspects", "[text_suspects]") {
  const Session session;
  session.write("vectors", "who 1 2\n");
  // Every option with a value that it refuses.
  const std::map<std::string, std::string> refused = {
      {"--all-vectors", ""},
      {"--arch", "tree"},
      {"--batch", "0"},
      {"--bidirectional", ""},
      {"--buckets", "5"},
      {"--chars", "5-1"},
      {"--class-weights", "missing"},
      {"--count", "0"},
      {"--dim", "0"},
      {"--dropout", "nan"},
      {"--duplicates", "forget"},
      {"--epochs", "-1"},
      {"--filters", "3"},
      {"--folds", "99"},
      {"--format", "xml"},
      {"--freeze-embeddings", "--freeze-known --vectors vectors"},
      {"--freeze-known", ""},
      {"--header", "maybe"},
      {"--heads", "2"},
      {"--hidden", "6 --arch attention"},
      {"--label-col", ""},
      {"--label-sep", "x"},
      {"--layers", "2"},
      {"--lr", "nan"},
      {"--max-length", "5001 --arch attention"},
      {"--min-count", "2 --words no --chars 3"},
      {"--multi-label", "--label-sep"},
      {"--ngrams", "2 --words no --chars 3"},
      {"--optimizer", "lbfgs"},
      {"--patience", "1 --train-limit 2 --folds 2"},
      {"--pool", "mean"},
      {"--schedule", "steep"},
      {"--seed", "99999999999999999999"},
      {"--size", "20XB"},
      {"--sparse", "--freeze-embeddings"},
      {"--text-col", ""},
      {"--train", "missing"},
      {"--train-limit", "0"},
      {"--vectors", "missing"},
      {"--weight-col", ""},
      {"--words", "no"},
  };
  for (const auto& [option, value] : refused) {
    const std::string error = without_descriptions(
        session.refusal("suspects " + std::string(option == "--train" ? "" : "--train train.tsv ") +
                        option + " " + value));
    CAPTURE(option, error);
    CHECK(error.starts_with("text_classifier: suspects: "));
    CHECK(std::ranges::count(error, '\n') == 1);
  }
  // A column that a file does not have is an error of the file.
  session.require_error("suspects --train train.tsv --text-col 9",
                        "text_classifier: train.tsv:1: --text-col: there is no column `9`");
  // Compressing is refused for a size that is too small, too.
  session.require_error("suspects --train train.tsv --size 700",
                        "text_classifier: suspects: --size: 700 bytes are too few");
  for (const std::string& option : options_in(session.run_well("suspects --help-all").out)) {
    CAPTURE(option);
    const bool has_no_value = option == "--json" || option.starts_with("--help");
    CHECK(refused.contains(option) != has_no_value);
  }
}
