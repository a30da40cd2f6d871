// text_classifier: trains a classifier of short texts and answers with it. The commands are below;
// the model is in model.cc, the training loop in training.cc.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "text_classifier/text_file.h"
#include "text_classifier/training.h"

namespace text_classifier {
namespace {

// `LABEL  probability  text`, a line each.
void predict(const std::string& folder, const std::vector<std::string>& texts) {
  const Trained trained = load(folder);
  const auto answer = [&](const std::string& text) {
    const tg::Tensor p = probabilities(trained, {trained.ids(text)});
    const auto best = argmax(p).item<std::int64_t>();
    std::cout << trained.labels[static_cast<std::size_t>(best)] << "  " << std::fixed
              << std::setprecision(3) << p.item<double>({0, best}) << "  " << text << std::endl;
  };
  for (const std::string& text : texts) answer(to_utf8(text, "text"));
  if (!texts.empty()) return;
  std::int64_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    line = to_utf8(line, "standard input", ++number);
    if (!trim(line).empty()) answer(std::string(trim(line)));
  }
}

// The entry of a word, or of an n-gram such as "who is", written in any case.
std::int64_t entry_of(const Vocabulary& vocabulary, const std::string& word) {
  std::string key;
  for (const std::string& token : tokenize(to_utf8(word, "word"))) {
    key += (key.empty() ? "" : " ") + token;
  }
  const std::optional<std::int64_t> id = vocabulary.find(key);
  if (!id) throw tg::ValueError("neighbours: the vocabulary has no '" + word + "'");
  return *id;
}

// The words with the nearest vectors, by angle and by distance.
void neighbours(const std::string& folder, const std::vector<std::string>& words,
                std::int64_t count) {
  const Trained trained = load(folder);
  std::vector<std::int64_t> ids;
  for (const std::string& word : words) ids.push_back(entry_of(trained.vocabulary, word));
  const std::int64_t k = std::min(count, trained.vocabulary.size() - 3);
  if (k < 1) throw tg::ValueError("neighbours: the vocabulary has no other words");
  const tg::Tensor& table = trained.model.embedding.weight.value();
  for (const std::int64_t id : ids) {
    const tg::Tensor vector = narrow(table, 0, id, 1);  // (1, dim)
    tg::Tensor cosine = cosine_similarity(table, vector, 1);
    tg::Tensor distance = -reshape(cdist(table, vector), {-1});
    for (const std::int64_t row : {Vocabulary::kPadding, Vocabulary::kUnknown, id}) {
      select(cosine, 0, row).fill_(-2);  // not neighbours
      select(distance, 0, row).fill_(-1e30);
    }
    const tg::ValuesAndIndices by_angle = topk(cosine, k);
    const tg::ValuesAndIndices by_distance = topk(distance, k);
    std::cout << trained.vocabulary.word(id)
              << "\n  cosine similarity              Euclidean distance\n";
    for (std::int64_t i = 0; i < k; ++i) {
      const auto entry = [&](const tg::ValuesAndIndices& list, double sign) {
        std::cout << std::fixed << std::setprecision(3) << "  " << std::setw(7)
                  << sign * list.values.item<double>({i}) << "  " << std::left << std::setw(22)
                  << trained.vocabulary.word(list.indices.item<std::int64_t>({i})) << std::right;
      };
      entry(by_angle, 1);
      entry(by_distance, -1);
      std::cout << '\n';
    }
  }
}

// Refuses other values with the two in the text, and keeps them out of --help.
template <class Number>
CLI::Validator from_to(Number least, Number greatest) {
  return CLI::Range(least, greatest).description("");
}

const char* const kFormats =
    "FILE holds a text and its label on each line, in one of these formats, told by the content:\n"
    "  text<TAB>label          label,text (CSV, also with several columns of text)\n"
    "  LABEL:sub text (TREC)   __label__X text (fastText)\n"
    "in UTF-8 or Latin-1.";

constexpr std::int64_t kLargestSeed = 1'000'000'000'000'000'000;

void add_train(CLI::App& app, TrainSettings& settings) {
  CLI::App* command = app.add_subcommand("train", "Learn from labelled texts and save the model");
  command->footer(kFormats);
  ModelSettings& model = settings.model;
  command->add_option("--train", settings.train, "Texts to learn from; default: bundled questions")
      ->type_name("FILE");
  command->add_option("--test", settings.test, "Texts to test on, after each epoch; default: none")
      ->type_name("FILE");
  command->add_option("--out", settings.out, "Folder for the model and metrics.jsonl")
      ->type_name("DIR")
      ->capture_default_str();
  command
      ->add_option("--arch", model.arch,
                   "bag: mean of the word vectors; rnn, lstm, gru: recurrent network\n"
                   "over them; cnn: filters over 3, 4 and 5 words; attention: words look\n"
                   "at each other")
      ->type_name("bag|rnn|lstm|gru|cnn|attention")
      ->check(CLI::IsMember({"bag", "rnn", "lstm", "gru", "cnn", "attention"}).description(""))
      ->capture_default_str();
  command->add_option("--dim", model.dim, "Size of a word vector; --vectors decides it")
      ->type_name("N")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--hidden", model.hidden,
                   "Size of the state at a word (rnn, lstm, gru, attention)")
      ->type_name("N")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--pool", settings.pool,
                   "What is kept of the states at the words: the last, the mean, or the\n"
                   "largest value of each element; default: max")
      ->type_name("last|mean|max")
      ->check(CLI::IsMember({"last", "mean", "max"}).description(""));
  command
      ->add_option("--layers", settings.layers,
                   "Networks with states, one upon the other; default: 1")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, kMostLayers));
  command->add_flag("--bidirectional", model.bidirectional,
                    "Read the text backwards too, with as many states again (rnn, lstm,\ngru)");
  command->add_option("--filters", settings.filters, "Filters of each width (cnn); default: 100")
      ->type_name("N")
      ->check(from_to(1, 100'000));
  command
      ->add_option("--heads", settings.heads,
                   "Parts of a state that look for themselves (attention); default: 4")
      ->type_name("N")
      ->check(from_to(1, 1000));
  command
      ->add_option("--epochs", settings.epochs,
                   "How often all texts are read; default: about 1,700 steps,\nbut 10 times at "
                   "least and 100 at most")
      ->type_name("N")
      ->check(from_to(0, 1'000'000));
  command->add_option("--batch", settings.batch, "Texts in one step of the optimizer")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--lr", settings.lr,
                   "Learning rate at the start, or the highest; see --schedule.\n"
                   "Default: 0.005 (bag), 0.001 (attention) or 0.002 with adam, 3 with sgd")
      ->type_name("X")
      ->check(from_to(0.0, 1e6));
  command
      ->add_option("--schedule", settings.schedule,
                   "How the rate goes on: down to 0 in a straight line; constant; up\n"
                   "for a tenth of the run, then constant; down along a cosine; up and\n"
                   "down again")
      ->type_name("linear|constant|warm-up|cosine|one-cycle")
      ->check(
          CLI::IsMember({"linear", "constant", "warm-up", "cosine", "one-cycle"}).description(""))
      ->capture_default_str();
  command
      ->add_option("--patience", settings.patience,
                   "Hold out a tenth of the texts, stop after N epochs without a\n"
                   "smaller loss on them, and keep the best epoch")
      ->type_name("N")
      ->check(from_to(1, 1'000'000));
  command
      ->add_option("--folds", settings.folds,
                   "Cross-validation: N models, each tested on another part of the\n"
                   "texts; nothing is saved")
      ->type_name("N")
      ->check(from_to(2, 1'000'000));
  command->add_option("--optimizer", settings.optimizer, "What takes the steps")
      ->type_name("sgd|adam")
      ->check(CLI::IsMember({"sgd", "adam"}).description(""))
      ->capture_default_str();
  command
      ->add_option("--ngrams", settings.ngrams,
                   "Runs of up to N words get vectors too: word order for a bag")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, Tokenizer::kLongestNgram))
      ->capture_default_str();
  command->add_option("--min-count", settings.min_count, "Rarer words count as unknown")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000))
      ->capture_default_str();
  command->add_option("--max-length", settings.max_length, "The rest of a longer text is not read")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--dropout", model.dropout, "Share of the values set to 0 while training")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--vectors", settings.vectors,
                   "Word vectors to start from: word2vec's, GloVe's or fastText's .vec")
      ->type_name("FILE");
  command->add_flag("--all-vectors", settings.all_vectors,
                    "Know every word of that file, not only those of the training texts");
  command->add_flag("--freeze-embeddings", settings.freeze_embeddings,
                    "Leave all word vectors as they are at the start");
  command->add_flag("--freeze-known", settings.freeze_known,
                    "Leave those that --vectors holds as they are, train the others");
  command->add_flag("--sparse", model.sparse, "Steps move only the vectors of words in the batch");
  command
      ->add_option("--train-limit", settings.train_limit,
                   "Learn from N of the texts at most, drawn by the seed")
      ->type_name("N")
      ->check(from_to(1, 1'000'000'000));
  command->add_option("--seed", settings.seed, "The same seed gives the same model")
      ->type_name("N")
      ->check(from_to(-kLargestSeed, kLargestSeed))  // CLI11 would cut larger ones down to the same
      ->capture_default_str();
  command->callback([&settings] { train(settings); });
}

int run(int argc, char** argv) {
  CLI::App app("Learns to sort short texts, in any language, into classes.", "text_classifier");
  app.require_subcommand(1);
  TrainSettings settings;
  add_train(app, settings);

  std::string folder;
  std::string file;
  std::vector<std::string> texts;
  std::vector<std::string> words;
  std::int64_t count = 10;
  const auto add = [&](const char* name, const char* description) {
    CLI::App* command = app.add_subcommand(name, description);
    command->add_option("--model", folder, "Folder that train wrote (its --out)")
        ->type_name("DIR")
        ->required();
    return command;
  };
  CLI::App* predicting = add("predict", "Print the class of texts: label, probability, text");
  predicting
      ->add_option("text", texts,
                   "Texts, each in quotes; none: lines of standard input, until Ctrl-D")
      ->type_name("TEXT");
  predicting->callback([&] { predict(folder, texts); });

  CLI::App* evaluating = add("eval", "Test a model on labelled texts");
  evaluating->add_option("--test", file, "Texts to test on")->type_name("FILE")->required();
  evaluating->footer(kFormats);
  evaluating->callback([&] { evaluate(folder, file); });

  CLI::App* searching = add("neighbours", "Print the words whose vectors are most similar");
  searching->add_option("word", words, "Words of the training texts")
      ->type_name("WORD")
      ->required();
  searching->add_option("--count", count, "How many to print")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  searching->callback([&] { neighbours(folder, words, count); });

  CLI::App* exporting = add("export", "Write a model for other programs");
  exporting->add_option("--onnx", file, "File to write")->type_name("FILE")->required();
  exporting->callback([&] { export_onnx(folder, file); });

  app.footer(
      "Examples:\n"
      "  text_classifier train                        learns the bundled questions\n"
      "  text_classifier predict --model runs/text_classifier \"Who wrote Faust?\"\n"
      "  text_classifier train --help                 lists the options of train");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty()) {
      throw tg::ValueError(
          "needed a command: train, predict, eval, neighbours or export; see --help");
    }
    const std::string command = app.get_subcommands().front()->get_name();
    throw tg::ValueError(command + ": " + error.what() + "; see " + command + " --help");
  }
  if (!std::cout.flush()) throw tg::IoError("standard output: cannot write");
  return 0;
}

}  // namespace
}  // namespace text_classifier

int main(int argc, char** argv) {
  try {
    return text_classifier::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "text_classifier: " << error.what() << '\n';
    return 1;
  }
}
