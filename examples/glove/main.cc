// glove learns a vector for each word of a text from how often words are near each other. This file
// defines its options; the work is in training.cc. Read next: settings.h.
#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "common/command_line.h"
#include "common/corpus_options.h"
#include "glove/training.h"

namespace glove {
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
}

void add_counting(CLI::App& app, Settings& settings) {
  app.add_option("--window", settings.window, "Words nearby: up to N on each side")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
  add_choice<DistanceWeight>(app, "--distance", settings.distance,
                             "What two words count that are d words apart: inverse: 1 / d;\n"
                             "one: 1",
                             {{"inverse", DistanceWeight::inverse}, {"one", DistanceWeight::one}},
                             "inverse|one", "inverse");
  app.add_option("--memory", settings.memory,
                 "For counts of pairs, such as 500MB or 4GB; if it is too small, they go\n"
                 "through a temporary file in the folder of --output, and the result is\n"
                 "the same")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(true).description(""))
      ->check(from_to(Cooccurrences::kLeastMemory, std::int64_t{1} << 40))
      ->default_str("500MB");
}

void add_glove(CLI::App& app, Settings& settings) {
  app.add_option("--epochs", settings.epochs, "Passes over the pairs (glove)")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--lr", settings.lr, "Learning rate of Adagrad, up to 1 (glove)")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--x-max", settings.x_max,
                 "A pair that counts less has the weight (count / X)^alpha, others 1;\n"
                 "100 for a text of a billion words (glove)")
      ->type_name("X")
      ->check(from_to(1e-3, 1e9))
      ->capture_default_str();
  app.add_option("--alpha", settings.alpha, "See --x-max (glove)")
      ->type_name("X")
      ->check(from_to(0.0, 2.0))
      ->capture_default_str();
  app.add_option("--batch", settings.batch, "Pairs in each step of the optimizer (glove)")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
}

void add_svd(CLI::App& app, Settings& settings) {
  app.add_option("--shift", settings.ppmi.shift,
                 "Two words must be near each other more than X times as often as by\n"
                 "chance to count (svd)")
      ->type_name("X")
      ->check(from_to(1e-3, 1e6))
      ->capture_default_str();
  app.add_option("--smoothing", settings.ppmi.smoothing,
                 "Power of the contexts' frequencies; below 1, rare contexts count\n"
                 "less (svd)")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--eigenvalue-power", settings.eigenvalue_power,
                 "Power of the singular values that scale the dimensions, 0 to 1 (svd)")
      ->type_name("X")
      ->check(from_to(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--iterations", settings.iterations,
                 "Steps of the power iteration; more are more exact (svd)")
      ->type_name("N")
      ->check(from_to(1, 1000))
      ->capture_default_str();
}

void check_method(const CLI::App& app, const Settings& settings) {
  const bool svd = settings.method == Method::svd;
  const auto refuse = [&](std::initializer_list<const char*> names, const char* method) {
    for (const char* name : names) {
      if (app.count(name) > 0) {
        throw tapegrad::ValueError(std::string(name) + ": only for --method " + method);
      }
    }
  };
  if (svd) refuse({"--epochs", "--lr", "--x-max", "--alpha", "--batch"}, "glove");
  if (!svd) refuse({"--shift", "--smoothing", "--eigenvalue-power", "--iterations"}, "svd");
}

int run(int argc, char** argv) {
  CLI::App app(
      "Learns a vector for each word of a text from counts of the words that are near each other.",
      "glove");
  Settings settings;
  add_files(app, settings);
  add_choice<Method>(app, "--method", settings.method,
                     "glove: trains vectors whose products are the logarithms of the counts;\n"
                     "svd: factors a matrix of the counts (PPMI), without training",
                     {{"glove", Method::glove}, {"svd", Method::svd}}, "glove|svd", "glove");
  app.add_option("--dim", settings.dim, "Size of a vector")
      ->type_name("N")
      ->check(from_to(1, 10'000))
      ->capture_default_str();
  add_counting(app, settings);
  add_choice<std::optional<bool>>(app, "--save", settings.add_contexts,
                                  "What is saved of a word: its vector as a word, or the sum of\n"
                                  "it and its vector as a context. Default: sum; words for svd",
                                  {{"words", false}, {"sum", true}}, "words|sum", "");
  add_glove(app, settings);
  add_svd(app, settings);
  add_seed(app, settings.seed, "The same seed gives the same vectors");
  app.footer(
      "The text is UTF-8 or Windows-1252, and it may be larger than the memory. Ctrl-C saves what "
      "was\n"
      "learned so far (glove).\n\n"
      "Examples:\n"
      "  glove --input book.txt --output book.vec\n"
      "  glove --input book.txt --output book.vec --method svd\n"
      "  glove --input book.txt --output book.bin --binary --window 10 --memory 4GB");
  if (!parse(app, argc, argv)) return 0;
  check_method(app, settings);
  return status_of(learn(settings));
}

}  // namespace
}  // namespace glove

int main(int argc, char** argv) {
  return examples::run_main("glove", [&] { return glove::run(argc, argv); });
}
