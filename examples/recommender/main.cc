// recommender predicts how users would rate items. This file defines its commands and their
// options; the model is in model.cc, the training loop in training.cc. Read next: settings.h.
#include <tapegrad/tensor/error.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "common/command_line.h"
#include "recommender/commands.h"
#include "recommender/settings.h"
#include "recommender/training.h"

namespace recommender {
namespace {

using namespace examples;

// What the commands take from the command line.
struct Arguments {
  TrainSettings train;
  AddUsersSettings add_users;
  EvalSettings eval;
  GenerateSettings generate;
  std::string model;
  std::string input;
  std::string user;
  std::string item;
  std::string titles;
  std::int64_t count = 10;
  int signal = 0;
};

void add_file(CLI::App* command, const char* name, std::string& value, const char* description,
              bool required = true) {
  command->add_option(name, value, description)->type_name("FILE")->required(required);
}

CLI::Option* add_count(CLI::App* command, const char* name, std::int64_t& value,
                       const char* description, std::int64_t greatest = 1'000'000'000) {
  return command->add_option(name, value, description)
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, greatest))
      ->capture_default_str();
}

CLI::Option* add_number(CLI::App* command, const char* name, double& value, const char* description,
                        double greatest) {
  return command->add_option(name, value, description)
      ->type_name("X")
      ->check(from_to(0.0, greatest))
      ->capture_default_str();
}

void add_train(CLI::App& app, Arguments& arguments) {
  TrainSettings& settings = arguments.train;
  CLI::App* command = app.add_subcommand("train", "Learn from ratings");
  add_file(command, "--input", settings.input,
           "Lines `user TAB item TAB rating TAB timestamp`, as in MovieLens'\n"
           "u.data; the timestamp may be absent");
  add_file(command, "--output", settings.output, "File for the model, which is replaced");
  add_choice<ModelKind>(*command, "--model", settings.model,
                        "mf: matrix factorization, a dot product of the vectors of user and\n"
                        "item; neural: a small network looks at both, too",
                        {{"mf", ModelKind::mf}, {"neural", ModelKind::neural}}, "mf|neural", "mf");
  add_count(command, "--dim", settings.dim, "Size of a vector", 10'000);
  add_count(command, "--hidden", settings.hidden, "Size of the hidden layer (neural)", 10'000);
  add_number(command, "--l2", settings.l2,
             "Weight of the squares of vectors and biases in the loss", 1000);
  add_count(command, "--epochs", settings.epochs, "Passes over the ratings", 1'000'000);
  add_count(command, "--batch", settings.batch, "Ratings in each step of the optimizer", 1'000'000);
  add_number(command, "--lr", settings.lr,
             "Learning rate at first; it falls to 0 in a straight line", 100);
  add_number(command, "--held-out", settings.held_out,
             "Share of the ratings that are not trained on, drawn at random;\n"
             "their figures are in the last line",
             0.9);
  add_seed(*command, settings.seed, "The same seed gives the same model");
  command->footer("Ctrl-C saves what was learned so far.");
  command->callback([&] { arguments.signal = train(arguments.train); });
}

void add_add_users(CLI::App& app, Arguments& arguments) {
  AddUsersSettings& settings = arguments.add_users;
  CLI::App* command = app.add_subcommand("add-users", "Add new users to a model");
  add_file(command, "--model", settings.model, "A model that train has saved");
  add_file(command, "--input", settings.input, "Ratings of new users, as for train");
  add_file(command, "--output", settings.output,
           "File for the model with the new users; it may be the same");
  command->add_flag("--unfrozen", settings.unfrozen,
                    "Train all users and items on the new ratings; default: fit the\n"
                    "new users, and freeze the rest");
  add_count(command, "--epochs", settings.epochs, "Passes over the new ratings", 1'000'000);
  add_count(command, "--batch", settings.batch, "Ratings in each step of the optimizer", 1'000'000);
  add_number(command, "--lr", settings.lr, "Learning rate at first", 100);
  add_seed(*command, settings.seed, "The same seed gives the same model");
  command->callback([&] { arguments.signal = add_users(arguments.add_users); });
}

void add_eval(CLI::App& app, Arguments& arguments) {
  CLI::App* command =
      app.add_subcommand("eval", "Score a model on ratings that it was not trained on");
  add_file(command, "--model", arguments.model, "A saved model");
  add_file(command, "--input", arguments.input,
           "Ratings; of the file of the training, those that were held out count");
  add_count(command, "--count", arguments.eval.count, "The k of recall@k");
  command
      ->add_option("--liked", arguments.eval.liked,
                   "The least rating of an item that a user likes; default: the\n"
                   "mean of the training")
      ->type_name("X");
  command->callback([&] { eval(arguments.model, arguments.input, arguments.eval); });
}

void add_lists(CLI::App& app, Arguments& arguments) {
  CLI::App* best = app.add_subcommand("recommend", "List the items that a user would rate highest");
  CLI::App* near = app.add_subcommand("similar", "List the items that are most like an item");
  add_file(best, "--model", arguments.model, "A saved model");
  add_file(near, "--model", arguments.model, "A saved model");
  best->add_option("--user", arguments.user, "The user")->type_name("NAME")->required();
  near->add_option("--item", arguments.item, "The item")->type_name("NAME")->required();
  for (CLI::App* command : {best, near}) {
    add_count(command, "--count", arguments.count, "How many items");
    add_file(command, "--titles", arguments.titles,
             "Lines `item|title|...`, as in MovieLens' u.item", false);
  }
  best->callback(
      [&] { recommend(arguments.model, arguments.user, arguments.count, arguments.titles); });
  near->callback(
      [&] { similar(arguments.model, arguments.item, arguments.count, arguments.titles); });
}

void add_generate(CLI::App& app, Arguments& arguments) {
  GenerateSettings& settings = arguments.generate;
  CLI::App* command = app.add_subcommand("generate", "Make ratings with known factors");
  add_file(command, "--output", settings.output, "File for the ratings, which is replaced");
  add_count(command, "--users", settings.users, "Users", 10'000'000);
  add_count(command, "--items", settings.items, "Items", 1'000'000);
  add_count(command, "--ratings", settings.ratings, "Ratings; at most a quarter of all pairs");
  add_count(command, "--factors", settings.factors, "Size of the vectors of users and items", 1000);
  add_number(command, "--noise", settings.noise, "Standard deviation of the noise", 1000);
  add_seed(*command, settings.seed, "The same seed gives the same ratings");
  command->callback([&] { generate_file(arguments.generate); });
}

int run(int argc, char** argv) {
  CLI::App app("Predicts how users would rate items, from ratings.", "recommender");
  app.require_subcommand(1);
  Arguments arguments;
  add_train(app, arguments);
  add_eval(app, arguments);
  add_lists(app, arguments);
  add_add_users(app, arguments);
  add_generate(app, arguments);
  app.footer(
      "Examples:\n"
      "  recommender generate --output ratings.tsv\n"
      "  recommender train --input ratings.tsv --output ratings.model\n"
      "  recommender recommend --model ratings.model --user 7\n"
      "  recommender train --help                      lists the options of train");
  if (!parse(app, argc, argv)) return 0;
  return status_of(arguments.signal);
}

}  // namespace
}  // namespace recommender

int main(int argc, char** argv) {
  return examples::run_main("recommender", [&] { return recommender::run(argc, argv); });
}
