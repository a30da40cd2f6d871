// A trained model with all that the commands need, in one file. Read next: saved_model.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "recommender/model.h"
#include "recommender/ratings.h"

namespace recommender {

struct SavedModel {
  ModelKind kind = ModelKind::mf;
  std::unique_ptr<Model> model;
  Names users{};
  Names items{};
  Rated rated;      // what was trained on
  float least = 0;  // the range of these ratings, to which predictions are limited
  float greatest = 0;
  double l2 = 0;
};

// The ratings that are predicted for pairs of ids, limited to the range of the ratings.
tg::Tensor predict(const SavedModel& saved, const tg::Tensor& users, const tg::Tensor& items);
// For all items (items).
tg::Tensor predict_all(const SavedModel& saved, std::int64_t user);

// One safetensors file: the state dict, with PyTorch's names; `rated.offsets` and `rated.items`;
// and the rest as metadata. It replaces the file at once. IoError if it cannot be written.
void save_model(const std::string& path, const SavedModel& saved);

// The file is not trusted: FormatError with its name unless it is a whole model. IoError if it
// cannot be read.
SavedModel load_model(const std::string& path);

}  // namespace recommender
