// What each command prints and writes.
#include "recommender/commands.h"

#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <iostream>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "common/numbers.h"
#include "common/output_file.h"
#include "recommender/evaluation.h"
#include "recommender/generated.h"
#include "recommender/saved_model.h"

namespace recommender {
namespace {

using examples::fixed;
using examples::grouped;
using Titles = std::unordered_map<std::string, std::string>;

Titles titles_of(const std::string& path) { return path.empty() ? Titles() : read_titles(path); }

void print_item(const std::string& item, double score, const Titles& titles) {
  std::cout << item << '\t' << fixed(score, 3);
  if (const auto found = titles.find(item); found != titles.end()) {
    std::cout << '\t' << found->second;
  }
  std::cout << '\n';
}

}  // namespace

void eval(const std::string& model, const std::string& input, const EvalSettings& settings) {
  const SavedModel saved = load_model(model);
  Ratings ratings;
  std::int64_t unknown = 0;
  std::int64_t trained = 0;
  Duplicates duplicates(input);
  for_each_rating(
      input, [&](std::int64_t line, std::string_view user, std::string_view item, float value) {
        const std::optional<std::int64_t> user_id = saved.users.find(user);
        const std::optional<std::int64_t> item_id = saved.items.find(item);
        if (!user_id || !item_id) {
          ++unknown;
          return;
        }
        duplicates.check(line, *user_id, *item_id);
        if (saved.rated.contains(*user_id, *item_id)) {
          ++trained;
        } else {
          ratings.add(*user_id, *item_id, value);
        }
      });
  const std::string left_out = grouped(trained) + " were trained on, and " + grouped(unknown) +
                               " are of unknown users or items";
  if (ratings.size() == 0) {
    throw tg::ValueError(input + ": no ratings to evaluate: " + left_out);
  }
  std::cout << input << ": " << grouped(ratings.size()) << " ratings (" << left_out
            << "): " << text_of(evaluate(saved, ratings, settings), settings) << std::endl;
}

void recommend(const std::string& model, const std::string& user, std::int64_t count,
               const std::string& titles_file) {
  const SavedModel saved = load_model(model);
  const Titles titles = titles_of(titles_file);
  const std::optional<std::int64_t> id = saved.users.find(user);
  if (!id) {
    throw tg::ValueError(model + ": has no user " + user + "; add-users adds new ones");
  }
  const tg::Tensor scores = predict_all(saved, *id);
  for (const std::int64_t item : best_items(scores, saved.rated, *id, count)) {
    print_item(saved.items.name(item), static_cast<double>(scores.item<float>({item})), titles);
  }
}

void similar(const std::string& model, const std::string& item, std::int64_t count,
             const std::string& titles_file) {
  const SavedModel saved = load_model(model);
  const Titles titles = titles_of(titles_file);
  if (!saved.items.find(item)) throw tg::ValueError(model + ": has no item " + item);
  const tg::nn::WordVectors vectors(saved.items.names(), saved.model->items.weight.value());
  for (const tg::nn::Neighbor& near : most_similar(vectors, item, count)) {
    print_item(near.word, near.score, titles);
  }
}

void generate_file(const GenerateSettings& settings) {
  examples::check_output_file("recommender", settings.output);
  const Generated generated = generate(settings);
  write_ratings(settings.output, generated.ratings);
  std::cout << settings.output << ": " << grouped(settings.ratings) << " ratings of "
            << grouped(settings.users) << " users for " << grouped(settings.items)
            << " items; RMSE of the best possible prediction " << fixed(generated.noise_rms, 4)
            << std::endl;
}

}  // namespace recommender
