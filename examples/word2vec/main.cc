// word2vec learns a vector for each word of a text. This file defines its options; the training
// loop is in training.cc, the loss in simple_loss.cc. Read next: settings.h.
#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "common/command_line.h"
#include "common/corpus_options.h"
#include "common/ranks.h"
#include "word2vec/training.h"

namespace word2vec {
namespace {

using namespace examples;

void add_files(CLI::App& app, Settings& settings) {
  add_input(app, settings);
  app.add_option("--output", settings.output, "File for the vectors, which is replaced")
      ->type_name("FILE")
      ->required();
  app.add_flag("--binary", settings.binary,
               "Write word2vec's binary format; default: its text (.vec)");
  add_words(app, settings);
  app.add_option("--held-out", settings.held_out,
                 "Share of the sentences, up to 100,000 words, that are not trained\n"
                 "on; the loss on them is in the last line")
      ->type_name("X")
      ->check(from_to(0.0, 0.5))
      ->capture_default_str();
}

void add_model(CLI::App& app, Settings& settings) {
  add_choice<Architecture>(app, "--arch", settings.arch,
                           "skipgram: each word nearby predicts the word; cbow: their\n"
                           "mean does, which is faster",
                           {{"skipgram", Architecture::skipgram}, {"cbow", Architecture::cbow}},
                           "skipgram|cbow", "skipgram");
  add_choice<Loss>(app, "--loss", settings.loss,
                   "ns: negative sampling, which tells the word from words drawn at\n"
                   "random; hs: hierarchical softmax, which finds it by a path down a\n"
                   "tree of all words, and is slower",
                   {{"ns", Loss::negative_sampling}, {"hs", Loss::hierarchical_softmax}}, "ns|hs",
                   "ns");
  app.add_option("--dim", settings.dim, "Size of a vector")
      ->type_name("N")
      ->check(from_to(1, 10'000))
      ->capture_default_str();
  app.add_option("--window", settings.window,
                 "Words nearby: up to N on each side; drawn from 1 to N each time")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  app.add_option("--negative", settings.negative,
                 "Words drawn at random for each prediction; at least 1 (ns)")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  add_choice<Negatives>(app, "--negatives", settings.negatives,
                        "per-pair: each word nearby has negatives of its own; shared: all\n"
                        "words near one have the same, which is faster (skipgram, ns)",
                        {{"per-pair", Negatives::per_pair}, {"shared", Negatives::shared}},
                        "per-pair|shared", "per-pair");
  app.add_option("--sample", settings.sample,
                 "Words with a larger share of the text are skipped at random;\n"
                 "0: none is")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--sum-gradient", settings.sum_gradient,
               "The gradient of word2vec.c: each word nearby gets all of the mean's\n"
               "gradient, not its share (cbow)");
}

// Which n-grams of characters there are, as they are written on the command line.
struct SubwordOptions {
  std::string lengths;
  std::int64_t buckets = 200'000;
};

void add_subwords(CLI::App& app, SubwordOptions& subwords, Settings& settings) {
  app.add_option("--subwords", subwords.lengths,
                 "The vector of a word is the mean of its own and those of its\n"
                 "n-grams of N to M characters, so that other words have vectors,\n"
                 "too; slower")
      ->type_name("N-M");
  app.add_option("--buckets", subwords.buckets, "Vectors that the n-grams share (--subwords)")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, examples::Characters::kMostBuckets))
      ->capture_default_str();
  app.add_option("--more-words", settings.more_words,
                 "Words, one on a line, whose vectors are written after those of\n"
                 "the text (--subwords)")
      ->type_name("FILE");
}

void check(const CLI::App& app, const SubwordOptions& subwords, Settings& settings) {
  settings.subwords = examples::parse_characters(subwords.lengths, subwords.buckets, "--subwords");
  if (settings.subwords.used()) {
    if (settings.negatives == Negatives::shared) {
      throw tg::ValueError("--negatives shared: not with --subwords");
    }
    return;
  }
  for (const char* name : {"--buckets", "--more-words"}) {
    if (app.count(name) > 0) throw tg::ValueError(std::string(name) + ": only with --subwords");
  }
}

void add_steps(CLI::App& app, Settings& settings) {
  app.add_option("--epochs", settings.epochs, "Passes over the text")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--lr", settings.lr,
                 "Learning rate at first; it falls to 0 in a straight line.\n"
                 "Default: 0.025; 0.075 for cbow without --sum-gradient")
      ->type_name("X")
      ->check(from_to(0.0, 100.0));
  app.add_option("--batch", settings.batch, "Words in each step of the optimizer")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  app.add_flag("--simple-loss", settings.simple_loss,
               "Compute the loss by separate operations; much slower, and the same\n"
               "up to rounding");
  app.add_option("--threads", settings.threads,
                 "Threads, at most as many as processors; the vectors are the same\n"
                 "for every N without --racy")
      ->type_name("N")
      ->check(from_to(1, 256))
      ->capture_default_str();
  app.add_flag("--racy", settings.racy,
               "Each thread trains on batches of its own and writes into the vectors\n"
               "of all: faster, and each run gives other vectors (ns)");
  add_seed(app, settings.seed, "The same seed gives the same vectors");
  app.add_option("--checkpoint", settings.checkpoint,
                 "File with all that is needed to continue, which is replaced every\n"
                 "minute, at Ctrl-C, and at the end")
      ->type_name("FILE");
  app.add_flag("--resume", settings.resume, "Continue from the checkpoint, with the same options");
}

int run(int argc, char** argv, Ranks* ranks) {
  CLI::App app(
      "Learns a vector for each word of a text, so that similar words are near each other.",
      "word2vec");
  Settings settings;
  add_files(app, settings);
  add_model(app, settings);
  SubwordOptions subwords;
  add_subwords(app, subwords, settings);
  add_steps(app, settings);
  app.footer(
      "The text is UTF-8 or Windows-1252, and it may be larger than the memory. Ctrl-C saves what "
      "was\n"
      "learned so far.\n\n"
      "Examples:\n"
      "  word2vec --input book.txt --output book.vec\n"
      "  word2vec --input book.txt --output book.vec --negatives shared --epochs 10\n"
      "  word2vec --input book.txt --output book.bin --binary --arch cbow\n"
      "  word2vec --input book.txt --output book.vec --threads 4 --racy\n"
      "  word2vec --input book.txt --output book.vec --subwords 3-6 --more-words names.txt");
  if (!parse(app, argc, argv)) return 0;
  check(app, subwords, settings);
  if (settings.resume && settings.checkpoint.empty()) {
    throw tg::ValueError("--resume: needs --checkpoint");
  }
  if (settings.sum_gradient && settings.arch != Architecture::cbow) {
    throw tg::ValueError("--sum-gradient: only --arch cbow has a mean");
  }
  if (settings.negatives == Negatives::shared && settings.arch != Architecture::skipgram) {
    throw tg::ValueError(
        "--negatives shared: with --arch cbow, a word has one prediction, so there is nothing to "
        "share");
  }
  if (settings.loss == Loss::hierarchical_softmax) {
    for (const char* name : {"--negative", "--negatives", "--simple-loss", "--racy"}) {
      if (app.count(name) > 0) throw tg::ValueError(std::string(name) + ": only for --loss ns");
    }
    settings.negative = 0;
  }
  if (settings.racy && settings.simple_loss) {
    throw tg::ValueError("--racy: not with --simple-loss, whose threads share the operations");
  }
  if (ranks != nullptr && settings.racy) {
    throw tg::ValueError("--racy: not with several processes, which share each step");
  }
  settings.ranks = ranks;
  return status_of(train(settings));
}

}  // namespace
}  // namespace word2vec

int main(int argc, char** argv) {
  return examples::run_main_on_ranks("word2vec", argc, argv, [&](examples::Ranks* ranks) {
    return word2vec::run(argc, argv, ranks);
  });
}
