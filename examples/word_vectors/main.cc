// word_vectors looks at vectors of words: neighbors, analogies, tests, pictures, other formats.
// This file defines its commands. Read next: vectors_file.h.
#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string>
#include <utility>

#include "common/command_line.h"
#include "common/corpus_options.h"
#include "common/numbers.h"
#include "common/output_file.h"
#include "common/stop_signals.h"
#include "word_vectors/commands.h"
#include "word_vectors/picture.h"
#include "word_vectors/vectors_file.h"

namespace word_vectors {
namespace {

using namespace examples;
using tg::nn::WordMetric;

// What the commands share. Only the command that was chosen reads its settings.
struct Options {
  Source source;
  std::vector<std::string> words;
  std::string output;
  std::int64_t k = 10;
  std::optional<Format> format = std::nullopt;
  NeighborsSettings neighbors;
  ConfidenceSettings confidence;
  EvalSettings eval;
  PictureSettings picture;
};

CLI::Option* add_source(CLI::App& command, Options& options) {
  command.add_option("--max-words", options.source.max_words, "Read only the first N words")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, std::int64_t{1'000'000'000}));
  return command
      .add_option("--vectors", options.source.path,
                  "Word vectors: word2vec text or binary, GloVe, fastText's .vec,\n"
                  ".safetensors or .npz (as convert writes them)")
      ->type_name("FILE");
}

void add_k(CLI::App& command, Options& options) {
  command.add_option("-k,--nearest", options.k, "How many words to print")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
}

CLI::Option* add_output(CLI::App& command, Options& options, const char* description,
                        const char* type) {
  return command.add_option("--output", options.output, description)->type_name(type)->required();
}

std::string lines_of(const Options& options, const tg::nn::WordVectors& vectors) {
  return options.output + ": " + grouped(vectors.size()) + " vectors of " + grouped(vectors.dim()) +
         "\n";
}

void add_confidence(CLI::App& command, Options& options) {
  ConfidenceSettings& settings = options.confidence;
  command
      .add_option("--confidence", settings.text.input,
                  "Learn vectors from K bootstrap samples of the sentences of this text\n"
                  "(as glove --method svd), and print in how many of them each neighbor\n"
                  "is among the nearest; without --vectors, the neighbors are those in\n"
                  "the whole text")
      ->type_name("TEXT");
  command.add_option("--samples", settings.samples, "K of --confidence")
      ->type_name("K")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command.add_option("--dim", settings.dim, "Size of the vectors of --confidence")
      ->type_name("N")
      ->check(from_to(1, 10'000))
      ->capture_default_str();
  command.add_option("--window", settings.window, "Words nearby in --confidence")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  add_words(command, settings.text);
  add_seed(command, settings.seed, "Of the samples");
}

int run_neighbors(const CLI::App& command, Options& options) {
  const bool confidence = command.count("--confidence") > 0;
  if (!confidence && command.count("--vectors") == 0) {
    throw tg::ValueError("neighbors: needed --vectors or --confidence; see --help");
  }
  for (const char* name : {"--samples", "--dim", "--window", "--tokens", "--min-count", "--seed"}) {
    if (!confidence && command.count(name) > 0) {
      throw tg::ValueError(std::string(name) + ": only with --confidence");
    }
  }
  NeighborsSettings& settings = options.neighbors;
  settings.source = options.source;
  settings.words = options.words;
  settings.k = options.k;
  if (confidence) settings.confidence = options.confidence;
  const StopSignals signals;
  return status_of(neighbors(settings));
}

// A command is its options and what it does, which returns the exit status.
using Action = std::function<int()>;

Action add_neighbors(CLI::App& command, Options& options) {
  add_source(command, options);
  command.add_option("words", options.words, "One list for each word")
      ->type_name("WORD")
      ->required();
  add_k(command, options);
  add_choice<WordMetric>(command, "--metric", options.neighbors.metric,
                         "What near means: by angle, by distance, or by dot product",
                         {{"cosine", WordMetric::cosine},
                          {"euclidean", WordMetric::euclidean},
                          {"dot", WordMetric::dot}},
                         "cosine|euclidean|dot", "cosine");
  add_confidence(command, options);
  command.footer(
      "Examples:\n"
      "  word_vectors neighbors --vectors book.vec prince sea\n"
      "  word_vectors neighbors --vectors book.vec --confidence book.txt --samples 50 prince");
  return [&] { return run_neighbors(command, options); };
}

Action add_analogy(CLI::App& command, Options& options) {
  add_source(command, options)->required();
  command.add_option("words", options.words, "A is to B as C is to ...")
      ->type_name("A B C")
      ->expected(3)
      ->required();
  add_k(command, options);
  return [&] { return analogy(options.source, options.words, options.k), 0; };
}

Action add_distance(CLI::App& command, Options& options) {
  add_source(command, options)->required();
  command.add_option("words", options.words, "Two words or more; each pair of them is printed")
      ->type_name("WORD")
      ->expected(2, 1000)
      ->required();
  return [&] { return distance(options.source, options.words), 0; };
}

Action add_eval(CLI::App& command, Options& options) {
  add_source(command, options)->required();
  command
      .add_option("--similarity", options.eval.similarity,
                  "Lines `word TAB word TAB score`, as in WordSim-353")
      ->type_name("FILE");
  command
      .add_option("--analogies", options.eval.analogies,
                  "Lines `a b c d` under lines `: section`, as in questions-words.txt")
      ->type_name("FILE");
  command
      .add_option("--most-frequent", options.eval.most_frequent,
                  "Only the first N words count as known")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, std::int64_t{1'000'000'000}));
  command.add_flag(
      "--case", [&](std::int64_t) { options.eval.fold_case = false; },
      "Distinguish A to Z from a to z");
  return [&] {
    if (options.eval.similarity.empty() && options.eval.analogies.empty()) {
      throw tg::ValueError("eval: needed --similarity or --analogies; see --help");
    }
    options.eval.source = options.source;
    eval(options.eval);
    return 0;
  };
}

Action add_convert(CLI::App& command, Options& options) {
  add_source(command, options)->required();
  add_output(command, options, "File to write, which is replaced", "FILE");
  add_choice<std::optional<Format>>(
      command, "--format", options.format,
      "word2vec is text, as fastText's .vec; glove is the same without the\n"
      "first line. Default: by the end of the name, .bin, .safetensors or\n"
      ".npz; word2vec for others",
      {{"word2vec", Format::word2vec},
       {"binary", Format::binary},
       {"glove", Format::glove},
       {"safetensors", Format::safetensors},
       {"npz", Format::npz}},
      "word2vec|binary|glove|safetensors|npz", "");
  return [&] {
    check_output_file("word_vectors", options.output);
    const auto vectors = load_vectors(options.source.path, options.source.max_words);
    save_vectors(options.output, vectors, options.format.value_or(format_for(options.output)));
    std::cout << lines_of(options, vectors);
    return 0;
  };
}

Action add_tsv(CLI::App& command, Options& options) {
  add_source(command, options)->required();
  add_output(command, options, "Writes PREFIX_vectors.tsv and PREFIX_metadata.tsv", "PREFIX");
  return [&] {
    check_output_file("word_vectors", options.output + "_vectors.tsv");
    const auto vectors = load_vectors(options.source.path, options.source.max_words);
    save_tsv(options.output, vectors);
    std::cout << lines_of(options, vectors);
    return 0;
  };
}

Action add_picture(CLI::App& command, Options& options) {
  PictureSettings& settings = options.picture;
  add_source(command, options)->required();
  add_output(command, options, "SVG file to write, which is replaced", "FILE");
  add_choice<Projection>(command, "--method", settings.projection,
                         "pca: the two directions in which the vectors differ most; tsne: near\n"
                         "words stay near, and other distances mean nothing",
                         {{"pca", Projection::pca}, {"tsne", Projection::tsne}}, "pca|tsne",
                         "tsne");
  command
      .add_option("words", options.words,
                  "Words to show, also those in --words; default: the first --most")
      ->type_name("WORD");
  command.add_option("--words", settings.words_file, "A file with a word on each line")
      ->type_name("FILE");
  command.add_option("--most", settings.most, "How many words, if none are named")
      ->type_name("N")
      ->check(from_to(3, 5000))
      ->capture_default_str();
  command
      .add_option("--perplexity", settings.perplexity,
                  "About how many neighbors of a word count (tsne)")
      ->type_name("X")
      ->check(from_to(1.0, 1000.0))
      ->capture_default_str();
  command.add_option("--width", settings.width, "Of the picture, in pixels")
      ->type_name("N")
      ->check(from_to(100, 20'000))
      ->capture_default_str();
  command.add_option("--height", settings.height, "Of the picture, in pixels")
      ->type_name("N")
      ->check(from_to(100, 20'000))
      ->capture_default_str();
  add_seed(command, settings.seed, "Of the first positions (tsne)");
  return [&] {
    check_output_file("word_vectors", options.output);
    options.picture.words = options.words;
    const auto vectors = load_vectors(options.source.path, options.source.max_words);
    const std::string drawn = save_picture(options.output, vectors, options.picture);
    std::cout << options.output << ": " << drawn << '\n';
    return 0;
  };
}

struct Command {
  const char* name;
  const char* description;
  Action (*add)(CLI::App&, Options&);
};

constexpr Command kCommands[] = {
    {"neighbors", "The words nearest to a word, and how sure that is", add_neighbors},
    {"analogy", "A is to B as C is to what?", add_analogy},
    {"distance", "Cosine and Euclidean distance of words", add_distance},
    {"eval", "Scores on WordSim-353 and questions-words.txt, with intervals", add_eval},
    {"convert", "Write the vectors in another format", add_convert},
    {"tsv", "Write the files of the Embedding Projector", add_tsv},
    {"picture", "Draw words on a plane, as SVG", add_picture},
};

int run(int argc, char** argv) {
  CLI::App app(
      "Looks at word vectors. `word_vectors COMMAND --help` lists the options of a command.",
      "word_vectors");
  app.require_subcommand(1);
  Options options;
  Action chosen;
  for (const Command& each : kCommands) {
    CLI::App& command = *app.add_subcommand(each.name, each.description);
    const Action action = each.add(command, options);
    command.callback([&chosen, action] { chosen = action; });
  }
  if (!parse(app, argc, argv)) return 0;
  return chosen();
}

}  // namespace
}  // namespace word_vectors

int main(int argc, char** argv) {
  return examples::run_main("word_vectors", [&] { return word_vectors::run(argc, argv); });
}
