// The training loop, fit(), and the two commands that call it. Read next: commands.h.
#include "recommender/training.h"

#include <tapegrad/nn/data/loader.h>
#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/numbers.h"
#include "common/output_file.h"
#include "common/progress.h"
#include "common/stop_signals.h"
#include "recommender/evaluation.h"
#include "recommender/saved_model.h"

namespace recommender {
namespace {

using examples::fixed;
using examples::grouped;

int stopped() { return examples::StopSignals::received(); }

int stopped_before_training() {
  std::cerr << "stopped by " << examples::name_of_signal(stopped())
            << " before the training; nothing was saved\n";
  return stopped();
}

void check_output(const std::string& output, const std::string& input) {
  if (output == input) {
    throw tg::ValueError("--output " + output +
                         " is the file with the ratings; needed another one");
  }
  examples::check_output_file("recommender", output);
}

struct FitOptions {
  std::int64_t epochs = 0;
  std::int64_t batch = 0;
  double lr = 0;
  double l2 = 0;
};

// Trains the parameters that are not frozen. The learning rate falls in a straight line to 0.
// Returns how many ratings it has used in a second. ValueError if the loss is not finite.
double fit(const Model& model, const Ratings& ratings, const FitOptions& options) {
  std::vector<tg::NamedParameter> trained = model.parameters();
  std::erase_if(trained, [](const tg::NamedParameter& p) { return !p.requires_grad(); });
  tg::optim::Adam adam(trained, {.lr = options.lr});
  const tg::nn::TensorDataset data(tg::tensor(ratings.users), tg::tensor(ratings.items),
                                   tg::tensor(ratings.values));
  const tg::nn::DataLoader loader(data, {.batch_size = options.batch, .shuffle = true});
  examples::Progress progress(std::cerr, examples::progress_options_for_stderr());
  const std::int64_t total = options.epochs * ratings.size();
  progress.start("ratings", total);
  const double begin = examples::steady_seconds();
  std::int64_t done = 0;
  double recent = 0;  // the mean loss of the last batches
  for (std::int64_t epoch = 0; epoch < options.epochs && stopped() == 0; ++epoch) {
    for (const auto& [users, items, values] : loader) {
      if (stopped() != 0) break;
      adam.set_lr(options.lr * (1 - static_cast<double>(done) / static_cast<double>(total)));
      adam.zero_grad();
      const tg::Variable loss = model.loss(users, items, values, options.l2);
      loss.backward();
      adam.step();
      done += values.numel();
      const auto now = static_cast<double>(loss.item<float>());
      recent = recent == 0 ? now : 0.99 * recent + 0.01 * now;
      progress.update(done, "loss " + fixed(recent, 4));
    }
  }
  if (!std::isfinite(recent)) {
    throw tg::ValueError("the loss is not finite, nothing was saved; lower --lr");
  }
  if (stopped() != 0) {
    progress.print("stopped by " + examples::name_of_signal(stopped()) + " after " + grouped(done) +
                   " of " + grouped(total) + " ratings");
  }
  return static_cast<double>(done) / std::max(examples::steady_seconds() - begin, 1e-9);
}

void print_saved(const std::string& path) {
  if (stopped() != 0) std::cerr << "what was learned is saved in " << path << '\n';
}

// The ratings of users who are not in the model, for items that are.
struct NewRatings {
  Names users;
  Ratings ratings;  // users counted from 0
  std::int64_t left_out = 0;
};

NewRatings read_new_ratings(const std::string& path, const SavedModel& saved) {
  NewRatings result;
  Duplicates duplicates(path);
  for_each_rating(
      path, [&](std::int64_t line, std::string_view user, std::string_view item, float value) {
        if (saved.users.find(user)) {
          tg::nn::throw_format_error(
              path, line,
              "user " + std::string(user) + " is in the model; add-users takes new users only");
        }
        const std::optional<std::int64_t> known = saved.items.find(item);
        if (!known) {
          ++result.left_out;
          return;
        }
        result.ratings.add(result.users.add(user), *known, value);
        duplicates.check(line, result.ratings.users.back(), *known);
      });
  if (result.ratings.size() == 0) {
    throw tg::ValueError(path + ": no ratings of items that the model knows");
  }
  return result;
}

// Everything but the users from `old` on.
void freeze(Model& model, std::int64_t old) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(old));
  std::iota(rows.begin(), rows.end(), 0);
  model.set_requires_grad(false);
  for (tg::nn::Embedding* table : {&model.users, &model.user_bias}) {
    table->weight.set_requires_grad(true);
    table->freeze_rows(rows);
  }
}

}  // namespace

int train(const TrainSettings& settings) {
  const examples::StopSignals signals;
  check_output(settings.output, settings.input);
  Names users;
  Names items;
  const Ratings ratings = read_ratings(settings.input, users, items);
  if (stopped() != 0) return stopped_before_training();
  tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
  const Split parts = split(ratings, users, items, settings.held_out, tg::default_generator());
  std::cout << settings.input << ": " << grouped(ratings.size()) << " ratings of "
            << grouped(users.size()) << " users for " << grouped(items.size()) << " items; "
            << grouped(parts.held_out.size()) << " are held out" << std::endl;

  std::unique_ptr<Model> model = make_model({.kind = settings.model,
                                             .users = users.size(),
                                             .items = items.size(),
                                             .dim = settings.dim,
                                             .hidden = settings.hidden});
  *model->mean = tg::full({1}, parts.train.mean(), tg::float32);
  const double rate = fit(
      *model, parts.train,
      {.epochs = settings.epochs, .batch = settings.batch, .lr = settings.lr, .l2 = settings.l2});
  const auto [least, greatest] = std::ranges::minmax(parts.train.values);
  const SavedModel saved{.kind = settings.model,
                         .model = std::move(model),
                         .users = users,
                         .items = items,
                         .rated = Rated(parts.train, users.size()),
                         .least = least,
                         .greatest = greatest,
                         .l2 = settings.l2};
  save_model(settings.output, saved);
  print_saved(settings.output);
  std::cout << settings.output << ": ";
  if (parts.held_out.size() > 0) {
    const EvalSettings by_default;
    std::cout << "held-out " << text_of(evaluate(saved, parts.held_out, by_default), by_default);
  } else {
    std::cout << "no ratings are held out";
  }
  std::cout << "; " << grouped(std::llround(rate)) << " ratings/s" << std::endl;
  return stopped();
}

int add_users(const AddUsersSettings& settings) {
  const examples::StopSignals signals;
  check_output(settings.output, settings.input);
  SavedModel saved = load_model(settings.model);
  const NewRatings added = read_new_ratings(settings.input, saved);
  if (stopped() != 0) return stopped_before_training();
  std::cout << settings.input << ": " << grouped(added.ratings.size()) << " ratings of "
            << grouped(added.users.size()) << " new users";
  if (added.left_out > 0) {
    std::cout << "; " << grouped(added.left_out) << " of unknown items are left out";
  }
  std::cout << std::endl;

  tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
  const std::int64_t old = saved.users.size();
  Model& model = *saved.model;
  model.users.resize(old + added.users.size());
  model.user_bias.resize(old + added.users.size());
  if (!settings.unfrozen) freeze(model, old);
  Ratings ratings = added.ratings;
  for (std::int64_t& user : ratings.users) user += old;
  const double rate =
      fit(model, ratings,
          {.epochs = settings.epochs, .batch = settings.batch, .lr = settings.lr, .l2 = saved.l2});
  for (const std::string& name : added.users.names()) saved.users.add(name);
  saved.rated.append(Rated(added.ratings, added.users.size()));
  save_model(settings.output, saved);
  print_saved(settings.output);
  std::cout << settings.output << ": " << grouped(saved.users.size()) << " users; "
            << grouped(std::llround(rate)) << " ratings/s" << std::endl;
  return stopped();
}

}  // namespace recommender
