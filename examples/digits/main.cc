// digits learns to read handwritten digits. This file defines its options; the training loop is in
// training.cc, the models are in lenet.h. Read next: images.h.
#include <CLI/CLI.hpp>
#include <string>

#include "common/command_line.h"
#include "digits/training.h"

namespace digits {
namespace {

using namespace examples;

void add_images(CLI::App& command, Settings& settings) {
  command.add_option("--train", settings.train, "Images to draw and learn from")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--test", settings.test, "Images to draw and test with")
      ->type_name("N")
      ->check(from_to(1, 1'000'000))
      ->capture_default_str();
  add_seed(command, settings.seed, "The same seed gives the same images and weights");
}

void add_training(CLI::App& command, Settings& settings) {
  add_choice<Model>(command, "--model", settings.model,
                    "lenet: two convolutions and three linear layers; linear: one\n"
                    "weight for each pixel and digit",
                    {{"lenet", Model::lenet}, {"linear", Model::linear}}, "lenet|linear", "lenet");
  command.add_option("--epochs", settings.epochs, "Passes over the images")
      ->type_name("N")
      ->check(from_to(1, 10'000))
      ->capture_default_str();
  command.add_option("--batch", settings.batch, "Images in a step")
      ->type_name("N")
      ->check(from_to(1, 100'000))
      ->capture_default_str();
  command.add_option("--lr", settings.lr, "Adam's first learning rate; it falls to 0")
      ->type_name("X")
      ->check(from_to(1e-9, 10.0))
      ->capture_default_str();
  command.add_option("--threads", settings.threads, "Threads")
      ->type_name("N")
      ->check(from_to(1, 256))
      ->capture_default_str();
  command
      .add_option("--idx", settings.idx,
                  "Folder with MNIST or other IDX files, also with .gz, instead of\n"
                  "images that are drawn")
      ->type_name("FOLDER")
      ->check(not_empty());
  command.add_option("--output", settings.output, "File for the weights, which is replaced")
      ->type_name("FILE");
  command
      .add_option("--mistakes", settings.mistakes,
                  "File for an SVG picture of mistakes; default: print one")
      ->type_name("FILE");
}

int run(int argc, char** argv) {
  CLI::App app("Learns to read handwritten digits, drawn by the program or from MNIST.", "digits");
  app.require_subcommand(1);
  Settings settings;
  std::string folder;
  CLI::App* const learn = app.add_subcommand("train", "Trains a model and tests it");
  add_training(*learn, settings);
  add_images(*learn, settings);
  CLI::App* const save = app.add_subcommand("write", "Draws images and writes them as IDX files");
  save->add_option("--output", folder, "Folder, which is created")
      ->type_name("FOLDER")
      ->required()
      ->check(not_empty());
  add_images(*save, settings);
  app.footer(
      "Ctrl-C ends the training and tests what was learned.\n\n"
      "Examples:\n"
      "  digits train --mistakes mistakes.svg\n"
      "  digits train --model linear\n"
      "  digits train --idx mnist\n"
      "  digits write --output drawn");
  if (!parse(app, argc, argv)) return 0;
  if (save->parsed()) {
    write(settings, folder);
    return 0;
  }
  if (!settings.idx.empty() && (learn->count("--train") > 0 || learn->count("--test") > 0)) {
    throw tapegrad::ValueError("--train and --test: only for images that are drawn, without --idx");
  }
  return status_of(train(settings));
}

}  // namespace
}  // namespace digits

int main(int argc, char** argv) {
  return examples::run_main("digits", [&] { return digits::run(argc, argv); });
}
