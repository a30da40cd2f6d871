// The options of the commands, with their defaults. Read next: ratings.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace recommender {

// mf: matrix factorization. neural: a small network looks at both vectors, too.
enum class ModelKind { mf, neural };

struct TrainSettings {
  std::string input;
  std::string output;
  ModelKind model = ModelKind::mf;
  std::int64_t dim = 16;
  std::int64_t hidden = 32;  // neural
  double l2 = 0.05;
  std::int64_t epochs = 30;
  std::int64_t batch = 256;
  double lr = 0.01;
  double held_out = 0.1;
  std::int64_t seed = 1;
};

struct AddUsersSettings {
  std::string model;
  std::string input;
  std::string output;
  bool unfrozen = false;
  std::int64_t epochs = 100;
  std::int64_t batch = 256;
  double lr = 0.05;
  std::int64_t seed = 1;
};

struct EvalSettings {
  std::int64_t count = 10;                     // the k of recall@k
  std::optional<double> liked = std::nullopt;  // default: the mean of the ratings
};

struct GenerateSettings {
  std::string output{};
  std::int64_t users = 1000;
  std::int64_t items = 1000;
  std::int64_t ratings = 200'000;
  std::int64_t factors = 4;
  double noise = 0.5;
  std::int64_t seed = 1;
};

}  // namespace recommender
