// What recommender learns from ratings whose best prediction is known, and how it treats files and
// options. Read next: examples/recommender/main.cc.
#include <signal.h>
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "examples/example_program.h"
#include "recommender/evaluation.h"
#include "recommender/generated.h"
#include "recommender/model.h"
#include "recommender/ratings.h"
#include "recommender/saved_model.h"

using namespace recommender;
using namespace example_test;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(RECOMMENDER) {}
};

constexpr const char* kSmall = " --users 60 --items 40 --ratings 600 --factors 2";

// The number after `name` in a text.
double figure(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name);
  INFO(text);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + name.size()));
}

// `RMSE ... popular items)`, which train and eval print.
std::string scores_in(const std::string& text) {
  const std::size_t begin = text.find("RMSE ");
  const std::size_t end = text.find(" for the most popular items)", begin);
  INFO(text);
  REQUIRE(end != std::string::npos);
  return text.substr(begin, end - begin);
}

std::vector<std::vector<std::string>> table_in(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, '\t');) rows.back().push_back(field);
  }
  return rows;
}

}  // namespace

TEST_CASE("recommender recovers the factors of generated ratings, by both models") {
  const Session session;
  const std::string sizes = "--users 400 --items 400 --ratings 40000 --factors 2 --seed 3";
  const double noise = figure(session.run_well("generate --output ratings " + sizes).out,
                              "best possible prediction ");
  CHECK(noise == Approx(0.5).epsilon(0.02));
  const Generated truth =
      generate({.users = 400, .items = 400, .ratings = 40'000, .factors = 2, .seed = 3});
  for (const std::string model : {"mf", "neural"}) {
    const Output output =
        session.run_well("train --input ratings --output model --dim 2 --l2 0.01 --model " + model);
    CAPTURE(output.out);
    CHECK(output.out.find("ratings: 40,000 ratings of 400 users for 400 items; 4,000 are held "
                          "out\n") == 0);
    CHECK(figure(output.out, "held-out RMSE ") < 1.05 * noise);
    CHECK(figure(output.out, "held-out RMSE ") > 0.95 * noise);
    // The spread of the ratings is 0.9 or so.
    CHECK(figure(scores_in(output.out), "(") > 1.7 * noise);
    CHECK(figure(output.out, "recall@10 ") > 0.06);  // 10 of 300 or so by chance: 0.03

    // Against the ratings without noise, of all pairs.
    const SavedModel saved = load_model(session.file("model"));
    double squares = 0;
    for (std::int64_t user = 0; user < 400; ++user) {
      const tg::Tensor predicted = predict_all(saved, *saved.users.find(std::to_string(user + 1)));
      for (std::int64_t item = 0; item < 400; ++item) {
        const auto id = *saved.items.find(std::to_string(item + 1));
        const double error = static_cast<double>(predicted.item<float>({id})) -
                             truth.expected.item<double>({user, item});
        squares += error * error;
      }
    }
    CHECK(std::sqrt(squares / 160'000) < 0.2);
  }
}

TEST_CASE("recommender: the same seed gives the same bytes, and another seed others") {
  const Session session;
  const auto generated = [&](const std::string& seed) {
    session.run_well("generate --output ratings --seed " + seed + kSmall);
    return read_file(session.file("ratings"));
  };
  const std::string other = generated("2");
  const std::string first = generated("1");
  CHECK(generated("1") == first);
  CHECK(other != first);
  for (const std::string options : {"", " --model neural"}) {
    const auto bytes = [&](const std::string& seed) {
      session.run_well("train --input ratings --output model --epochs 3 --seed " + seed + options);
      return read_file(session.file("model"));
    };
    const std::string model = bytes("1");
    CHECK(bytes("1") == model);
    CHECK(bytes("2") != model);
  }
}

TEST_CASE("recommender: eval finds what train held out, and scores another file") {
  const Session session;
  session.run_well(std::string("generate --output ratings") + kSmall);
  const Output trained = session.run_well("train --input ratings --output model --held-out 0.2");
  const Output same = session.run_well("eval --input ratings --model model");
  CHECK(same.out.find("ratings: 120 ratings (480 were trained on, and 0 are of unknown users or "
                      "items): ") == 0);
  CHECK(scores_in(same.out) == scores_in(trained.out));

  session.run_well("train --input ratings --output model --held-out 0");
  write_file(session.file("others"), "1\t1\t4\nnobody\t1\t4\n1\tnothing\t4\n");
  session.require_error("eval --input ratings --model model",
                        "ratings: no ratings to evaluate: 600 were trained on, and 0 are of "
                        "unknown users or items");
  const SavedModel saved = load_model(session.file("model"));
  std::int64_t item = 0;
  while (saved.rated.contains(0, item)) ++item;
  const double predicted = static_cast<double>(predict_all(saved, 0).item<float>({item}));
  write_file(session.file("others"), saved.users.name(0) + "\t" + saved.items.name(item) + "\t" +
                                         std::to_string(predicted + 0.25) + "\nnobody\t1\t4\n");
  const Output other = session.run_well("eval --input others --model model --liked 100");
  CHECK(other.out.find("others: 1 ratings (0 were trained on, and 1 are of unknown users or "
                       "items): RMSE 0.2500 (") == 0);
  CHECK(other.out.find("no recall, because nobody likes an item") != std::string::npos);
}

TEST_CASE("recommender: lists the best items that the user has not rated, and similar ones") {
  const Session session;
  // Two groups of users and of items: everybody likes the items of the own group.
  std::string text;
  std::string titles;
  for (int user = 0; user < 20; ++user) {
    for (int item = 0; item < 20; ++item) {
      if ((3 * user + 5 * item) % 4 == 0) continue;  // not rated
      text += "u" + std::to_string(user) + "\ti" + std::to_string(item) + "\t" +
              (user % 2 == item % 2 ? "5" : "1") + "\t881250949\r\n";
    }
  }
  for (int item = 0; item < 20; ++item) {
    titles += "i" + std::to_string(item) + "|Caf\xE9 " + std::to_string(item) + "|1995\n";
  }
  write_file(session.file("ratings"), text + "\n");
  write_file(session.file("titles"), titles);
  for (const std::string model : {"mf", "neural"}) {
    session.run_well(
        "train --input ratings --output model --held-out 0 --dim 2 --batch 32 "
        "--epochs 100 --l2 0.001 --model " +
        model);
    const auto best = table_in(
        session.run_well("recommend --model model --user u0 --count 2 --titles titles").out);
    REQUIRE(best.size() == 2);
    for (const auto& row : best) {
      CAPTURE(model, row[0]);
      const int item = std::stoi(row[0].substr(1));
      CHECK(item % 4 == 0);  // u0 has not rated these five
      CHECK(std::stod(row[1]) == Approx(5).margin(0.3));
      CHECK(row[2] == "Caf\xC3\xA9 " + std::to_string(item));
    }
    CHECK(table_in(session.run_well("recommend --model model --user u0").out).size() == 5);
    const auto near = table_in(session.run_well("similar --model model --item i3 --count 9").out);
    REQUIRE(near.size() == 9);
    for (const auto& row : near) {
      CHECK(std::stoi(row[0].substr(1)) % 2 == 1);
      CHECK(row[0] != "i3");
      CHECK(row.size() == 2);
    }
  }
  session.require_error("recommend --model model --user u20",
                        "model: has no user u20; add-users adds new ones");
  session.require_error("similar --model model --item i20", "model: has no item i20");
  write_file(session.file("titles"), "i0|Good\nno title\n");
  session.require_error("similar --model model --item i0 --titles titles",
                        "titles:2: needed: item|title, or item TAB title");
}

// Solves the normal equations of (rating - known)^2 + l2 (|p|^2 + b^2), summed over n ratings, for
// [p_0, p_1, b] by Gaussian elimination.
std::array<double, 3> ridge(const std::vector<std::array<double, 3>>& rows,
                            const std::vector<double>& targets, double l2) {
  double a[3][4] = {};
  for (std::size_t n = 0; n < rows.size(); ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) a[i][j] += rows[n][i] * rows[n][j];
      a[i][3] += rows[n][i] * targets[n];
      a[i][i] += l2;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      if (i == j) continue;
      const double factor = a[j][i] / a[i][i];
      for (std::size_t k = 0; k < 4; ++k) a[j][k] -= factor * a[i][k];
    }
  }
  return {a[0][3] / a[0][0], a[1][3] / a[1][1], a[2][3] / a[2][2]};
}

TEST_CASE("recommender: add-users finds the best vectors of new users, and moves nothing else") {
  const Session session;
  session.run_well("generate --output ratings --users 100 --items 50 --ratings 1000 --factors 2");
  session.run_well("train --input ratings --output model --dim 2 --l2 0.1");
  write_file(session.file("new"), "x\t1\t5\nx\t2\t1\ny\t3\t4\nx\tnothing\t3\nx\t9\t2\ny\t4\t2.5\n");
  const Output output = session.run_well(
      "add-users --model model --input new --output more "
      "--epochs 2000 --lr 0.02");
  CHECK(output.out.find("new: 5 ratings of 2 new users; 1 of unknown items are left out\n"
                        "more: 102 users; ") == 0);
  const tg::StateDict before = tg::load(session.file("model"));
  const tg::StateDict after = tg::load(session.file("more"));
  for (const auto& [name, tensor] : before) {
    if (name == "rated.offsets" || name == "rated.items") continue;
    CAPTURE(name);
    CHECK(equal(narrow(after.at(name), 0, 0, tensor.size(0)), tensor));
  }

  const SavedModel saved = load_model(session.file("more"));
  CHECK(saved.rated.of(100).size() == 3);
  const auto element = [&](const char* name, std::int64_t row, std::int64_t column) {
    return static_cast<double>(after.at(name).item<float>({row, column}));
  };
  std::vector<std::array<double, 3>> rows;
  std::vector<double> targets;
  for (const auto& [item, rating] :
       {std::pair("1", 5.0), std::pair("2", 1.0), std::pair("9", 2.0)}) {
    const std::int64_t id = *saved.items.find(item);
    rows.push_back({element("items.weight", id, 0), element("items.weight", id, 1), 1});
    targets.push_back(rating - static_cast<double>(after.at("mean").item<float>({0})) -
                      element("item_bias.weight", id, 0));
  }
  const std::array<double, 3> best = ridge(rows, targets, 0.1);
  const std::int64_t x = *saved.users.find("x");
  CHECK(x == 100);
  CHECK(element("users.weight", x, 0) == Approx(best[0]).margin(0.01));
  CHECK(element("users.weight", x, 1) == Approx(best[1]).margin(0.01));
  CHECK(element("user_bias.weight", x, 0) == Approx(best[2]).margin(0.01));

  session.run_well("recommend --model more --user y");
  session.require_error("add-users --model more --input new --output more",
                        "new:1: user x is in the model; add-users takes new users only");
  session.run_well("add-users --model model --input new --output more --unfrozen");
  CHECK(!equal(tg::load(session.file("more")).at("items.weight"), before.at("items.weight")));
  write_file(session.file("new"), "x\tnothing\t5\n");
  session.require_error("add-users --model model --input new --output more",
                        "new: no ratings of items that the model knows");
}

TEST_CASE("recommender: Ctrl-C saves what was learned and says so") {
  const Session session;
  session.run_well(std::string("generate --output ratings") + kSmall);
  const Output output = session.interrupt("train --input ratings --output model --epochs 1000000",
                                          "held out", SIGINT);
  CHECK(output.status == 128 + SIGINT);
  CAPTURE(output.error);
  CHECK(output.error.find("stopped by SIGINT after ") != std::string::npos);
  CHECK(output.error.ends_with("what was learned is saved in model\n"));
  session.run_well("eval --input ratings --model model");
}

TEST_CASE("recommender: files that it cannot read or write, and options that it refuses") {
  const Session session;
  const auto with = [&](const std::string& content) {
    write_file(session.file("ratings"), content);
    write_file(session.file("model"), "old");
    return std::string("train --input ratings --output model");
  };
  session.require_error(with(""), "ratings: no ratings");
  session.require_error(with("1\t1\t3\n1 2 3\n"),
                        "ratings:2: 1 fields between tabs, needed: user, item, rating, timestamp");
  session.require_error(with("1\t1\tgood\n"), "ratings:1: the rating is 'good', needed a number");
  session.require_error(with("1\t1\tnan\n"), "ratings:1: the rating is 'nan', needed a number");
  session.require_error(with("\n\t1\t3\n"), "ratings:2: the user or the item is empty");
  session.require_error(with("1\t1\t3\n2\t1\t3\n\n1\t1\t4\n"),
                        "ratings:4: the same user and item as in line 1; remove one of them");
  session.require_error(with("1\t1\t3\n") + " --lr -1",
                        "--lr: Value -1 not in range 0.000000 to 100.000000; see --help");
  session.require_error("train --input ratings --output ratings",
                        "--output ratings is the file with the ratings; needed another one");
  session.require_error("train --input none --output model",
                        "cannot read none: No such file or directory");
  session.require_error("train --input ratings --output none/model",
                        "cannot write none/model: there is no folder none");
  session.require_error("", "A subcommand is required; see --help");
  session.require_error("generate --output x --users 10 --items 10 --ratings 26",
                        "generate: 26 ratings of 10 users for 10 items; needed at most a quarter "
                        "of all pairs, so lower --ratings");
  CHECK(read_file(session.file("model")) == "old");
  const Output large = session.run(with("1\t1\t3e38\n2\t1\t-3e38\n"));
  CHECK(large.error.ends_with("the loss is not finite, nothing was saved; lower --lr\n"));
  CHECK(large.status == 1);
  CHECK(read_file(session.file("model")) == "old");
  // One rating: nothing can be held out.
  CHECK(session.run_well(with("1\t1\t3\n")).out.find("no ratings are held out") !=
        std::string::npos);
  CHECK(session.run("train --help").out.find("--l2") != std::string::npos);
}

TEST_CASE("recommender: a damaged model is refused") {
  const Session session;
  session.run_well(std::string("generate --output ratings") + kSmall);
  session.run_well("train --input ratings --output model --model neural --epochs 1");
  const std::string whole = read_file(session.file("model"));
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    write_file(session.file("model"), whole.substr(0, size));
    const Output output = session.run("recommend --model model --user 1");
    CAPTURE(size, output.error);
    REQUIRE(output.status == 1);
    REQUIRE(output.error.find("model: ") != std::string::npos);
    if (size > 2000) size += 9700;
  }
  write_file(session.file("model"), whole);
  const tg::Checkpoint file = tg::load_with_metadata(session.file("model"));
  const auto refused = [&](const tg::StateDict& state, const tg::Metadata& metadata,
                           const std::string& reason) {
    tg::save(session.file("model"), state, metadata);
    session.require_error("recommend --model model --user 1",
                          "model: this is no whole model of recommender: " + reason);
  };
  for (const char* name : {"format", "model", "users", "items", "least", "greatest", "l2"}) {
    tg::Metadata metadata = file.metadata;
    metadata.erase(name);
    refused(file.state, metadata, "it has no entry '" + std::string(name) + "'");
  }
  const auto replaced = [&](const std::string& name, const tg::Tensor& by) {
    tg::StateDict state;
    for (const auto& [each, tensor] : file.state) state.insert(each, each == name ? by : tensor);
    return state;
  };
  const tg::Tensor items = file.state.at("rated.items");
  refused(replaced("rated.items", items + 1000), file.metadata,
          "the lists of rated items are damaged");
  refused(replaced("rated.items", narrow(items, 0, 1, items.size(0) - 1)), file.metadata,
          "the lists of rated items are damaged");
  refused(replaced("mean", tg::full({1}, NAN)), file.metadata,
          "mean has elements that are not finite");
  tg::Metadata fewer = file.metadata;
  fewer["users"] = "1\n2\n";
  refused(file.state, fewer,
          "it has 2 and 40 different names, but vectors of 60 users and 40 items");
  fewer = file.metadata;
  fewer["l2"] = "much";
  refused(file.state, fewer, "its entry 'l2' is no number");
}

// The parts ---------------------------------------------------------------------------------------

TEST_CASE("recommender: the loss has the value of its formula, and the gradients are right") {
  for (const ModelKind kind : {ModelKind::mf, ModelKind::neural}) {
    tg::manual_seed(4);
    const auto model = make_model({.kind = kind, .users = 3, .items = 4, .dim = 2, .hidden = 5});
    model->to(tg::float64);
    *model->mean = tg::full({1}, 3.0, tg::float64);
    for (const tg::NamedParameter& p : model->parameters()) {
      tg::Variable(p.variable).set_value(tg::randn(p.shape(), tg::float64));
    }
    const tg::Tensor users = tg::tensor({0, 2, 2});
    const tg::Tensor items = tg::tensor({3, 3, 1});
    const tg::Tensor ratings = tg::tensor({4.0, 1.0, 2.0}).to(tg::float64);
    if (kind == ModelKind::mf) {
      double expected = 0;
      for (std::int64_t n = 0; n < 3; ++n) {
        const std::int64_t u = users.item<std::int64_t>({n}), i = items.item<std::int64_t>({n});
        const auto at = [](const tg::nn::Embedding& table, std::int64_t row, std::int64_t column) {
          return table.weight.value().item<double>({row, column});
        };
        double dot = 0, squares = 0;
        for (std::int64_t d = 0; d < 2; ++d) {
          const double p = at(model->users, u, d), q = at(model->items, i, d);
          dot += p * q;
          squares += p * p + q * q;
        }
        const double bu = at(model->user_bias, u, 0), bi = at(model->item_bias, i, 0);
        const double error = 3 + bu + bi + dot - ratings.item<double>({n});
        expected += (error * error + 0.25 * (squares + bu * bu + bi * bi)) / 3;
      }
      CHECK(model->loss(users, items, ratings, 0.25).item<double>() == Approx(expected));
    }
    // The gradient in a random direction against differences.
    std::vector<tg::Tensor> directions;
    double slope = 0;
    model->loss(users, items, ratings, 0.25).backward();
    const auto parameters = model->parameters();
    for (const tg::NamedParameter& p : parameters) {
      directions.push_back(tg::randn(p.shape(), tg::float64));
      slope += sum(p.grad() * directions.back()).item<double>();
    }
    const auto moved = [&](double by) {
      for (std::size_t k = 0; k < parameters.size(); ++k) {
        tg::Variable(parameters[k].variable).set_value(parameters[k].value() + directions[k] * by);
      }
      return model->loss(users, items, ratings, 0.25).item<double>();
    };
    const double above = moved(1e-6);
    const double below = moved(-2e-6);
    CHECK((above - below) / 2e-6 == Approx(slope).epsilon(1e-5));
  }
}

TEST_CASE("recommender: a neural model begins as the matrix factorization") {
  tg::manual_seed(4);
  const auto neural =
      make_model({.kind = ModelKind::neural, .users = 3, .items = 4, .dim = 2, .hidden = 5});
  const tg::Variable p = tg::randn({6, 2}), q = tg::randn({6, 2});
  CHECK(allclose(neural->interaction(p, q).value(), sum(p * q, {1}).value()));
}

TEST_CASE("recommender: a split leaves each user and each item a rating to train on") {
  Ratings ratings;
  Names users;
  Names items;
  for (int i = 0; i < 30; ++i) {
    ratings.add(users.add("u" + std::to_string(i % 10)), items.add("i" + std::to_string(i % 15)),
                static_cast<float>(i));
  }
  ratings.add(users.add("once"), items.add("i0"), 30);
  for (int seed = 0; seed < 20; ++seed) {
    tg::Generator generator(static_cast<std::uint64_t>(seed));
    const Split parts = split(ratings, users, items, 0.9, generator);
    CHECK(parts.train.size() + parts.held_out.size() == 31);
    CHECK(parts.held_out.size() >= 10);
    for (std::int64_t user = 0; user < 11; ++user) {
      CHECK(std::ranges::count(parts.train.users, user) >= 1);
    }
    for (std::int64_t item = 0; item < 15; ++item) {
      CHECK(std::ranges::count(parts.train.items, item) >= 1);
    }
    std::vector<float> all = parts.train.values;
    all.insert(all.end(), parts.held_out.values.begin(), parts.held_out.values.end());
    std::ranges::sort(all);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == static_cast<float>(i));
  }
  tg::Generator generator(0);
  CHECK(split(ratings, users, items, 0.2, generator).held_out.size() == 6);
}

TEST_CASE("recommender: recall counts the liked items among the best that are not rated") {
  Ratings trained;
  trained.add(0, 0, 5);
  const Rated rated(trained, 1);
  const tg::Tensor scores = tg::tensor({9.0F, 1.0F, 3.0F, 3.0F, 2.0F});
  CHECK(best_items(scores, rated, 0, 3) == std::vector<std::int64_t>{2, 3, 4});
  CHECK(best_items(scores, rated, 0, 9) == std::vector<std::int64_t>{2, 3, 4, 1});

  tg::manual_seed(0);
  SavedModel saved{.model = make_model({.users = 1, .items = 5, .dim = 1}),
                   .rated = rated,
                   .least = 0,
                   .greatest = 10};
  saved.users.add("u");
  for (const char* name : {"a", "b", "c", "d", "e"}) saved.items.add(name);
  saved.model->users.weight.set_value(tg::zeros({1, 1}));
  saved.model->item_bias.weight.set_value(reshape(scores, {5, 1}));
  Ratings held_out;
  held_out.add(0, 1, 5);  // liked, and the last of the four
  held_out.add(0, 2, 4);  // liked, and the first
  held_out.add(0, 3, 3);  // not liked
  const Scores result = evaluate(saved, held_out, {.count = 3, .liked = 4});
  CHECK(result.users == 1);
  CHECK(result.recall == Approx(0.5));
  CHECK(result.recall_of_popular == Approx(1));  // all have 0 ratings: 1, 2 and 3 come first
  CHECK(result.rmse == Approx(std::sqrt((16.0 + 1 + 0) / 3)));
  CHECK(result.rmse_of_mean == Approx(std::sqrt(50.0 / 3)));
}
