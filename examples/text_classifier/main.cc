// text_classifier: trains a classifier of short texts and answers with it. The commands are below;
// the model is in model.cc, the training loop in training.cc.
#include <CLI/CLI.hpp>
#include <iomanip>
#include <iostream>
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
    const tg::Tensor p = probabilities(trained, {trained.example(text)});
    const auto best = argmax(p).item<std::int64_t>();
    std::cout << trained.labels[static_cast<std::size_t>(best)] << "  " << std::fixed
              << std::setprecision(3) << p.item<double>({0, best}) << "  " << text << std::endl;
  };
  for (const std::string& text : texts) answer(to_utf8(text, "argument"));
  if (!texts.empty()) return;
  std::int64_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    line = to_utf8(line, "standard input, line " + std::to_string(++number));
    if (!trim(line).empty()) answer(std::string(trim(line)));
  }
}

// The words with the nearest vectors, by angle and by distance.
void neighbours(const std::string& folder, const std::vector<std::string>& words, std::int64_t k) {
  const Trained trained = load(folder);
  const tg::Tensor& table = trained.model.embedding.weight.value();
  for (const std::string& word : words) {
    const std::optional<std::int64_t> id = trained.vocabulary.find(word);
    if (!id) throw tg::ValueError("neighbours: the vocabulary has no '" + word + "'");
    const tg::Tensor vector = narrow(table, 0, *id, 1);  // (1, dim)
    tg::Tensor cosine = cosine_similarity(table, vector, 1);
    tg::Tensor distance = -reshape(cdist(table, vector), {-1});
    for (const std::int64_t row : {Vocabulary::kPadding, Vocabulary::kUnknown, *id}) {
      select(cosine, 0, row).fill_(-2);  // not neighbours
      select(distance, 0, row).fill_(-1e30);
    }
    k = std::min(k, trained.vocabulary.size() - 3);
    if (k < 1) throw tg::ValueError("neighbours: the vocabulary has no other words");
    const tg::ValuesAndIndices by_angle = topk(cosine, k);
    const tg::ValuesAndIndices by_distance = topk(distance, k);
    std::cout << word << "\n  cosine similarity              Euclidean distance\n";
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

void add_train(CLI::App& app, TrainSettings& settings) {
  CLI::App* command = app.add_subcommand("train", "Train a classifier and save it");
  ModelSettings& model = settings.model;
  command->add_option("--train", settings.train, "Texts to learn from; default: bundled questions");
  command->add_option("--test", settings.test, "Texts to test on");
  command->add_option("--arch", model.arch, "bag: mean of word vectors; rnn: recurrent")
      ->check(CLI::IsMember({"bag", "rnn"}))
      ->capture_default_str();
  command->add_option("--dim", model.dim, "Size of a word's vector")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--hidden", model.hidden, "Size of the recurrent state")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--epochs", settings.epochs, "Passes over the texts")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_option("--batch", settings.batch, "Texts in a step")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--lr", settings.lr, "Learning rate")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--optimizer", settings.optimizer, "sgd or adam")
      ->check(CLI::IsMember({"sgd", "adam"}))
      ->capture_default_str();
  command->add_option("--ngrams", settings.ngrams, "Longest run of words that counts as a word")
      ->check(CLI::Range(1, 10))
      ->capture_default_str();
  command->add_option("--min-count", settings.min_count, "Leave out words seen less often")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  command->add_option("--max-length", settings.max_length, "Tokens of a text that are read")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--dropout", model.dropout, "Probability of leaving out, in training")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--vectors", settings.vectors, "Word vectors to start from (GloVe, .vec)");
  command->add_flag("--freeze-embeddings", settings.freeze_embeddings, "Do not train the vectors");
  command->add_option("--seed", settings.seed, "Of all random numbers")->capture_default_str();
  command->add_option("--out", settings.out, "Folder for model and metrics")->capture_default_str();
  command->callback([&settings] { train(settings); });
}

int run(int argc, char** argv) {
  CLI::App app("Classifies short texts: questions, headlines, in any language.");
  app.require_subcommand(1);
  app.footer(
      "Files are read by content: TREC .label, CSV with the label first, fastText __label__,\n"
      "or text TAB label; UTF-8.");
  TrainSettings settings;
  add_train(app, settings);

  std::string folder;
  std::string file;
  std::vector<std::string> texts;
  std::vector<std::string> words;
  std::int64_t count = 10;
  CLI::App* predicting = app.add_subcommand("predict", "Classify texts: label, probability, text");
  predicting->add_option("--model", folder, "Folder of a trained model")->required();
  predicting->add_option("text", texts, "Texts; default: standard input, a line each");
  predicting->callback([&] { predict(folder, texts); });

  CLI::App* evaluating = app.add_subcommand("eval", "Test a trained model");
  evaluating->add_option("--model", folder, "Folder of a trained model")->required();
  evaluating->add_option("--test", file, "Labelled texts")->required();
  evaluating->callback([&] { evaluate(folder, file); });

  CLI::App* searching = app.add_subcommand("neighbours", "Words with similar vectors");
  searching->add_option("--model", folder, "Folder of a trained model")->required();
  searching->add_option("word", words, "Words")->required();
  searching->add_option("--count", count, "How many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  searching->callback([&] { neighbours(folder, words, count); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
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
