// The settings of a run, and the run. Read next: training.cc.
#pragma once

#include <cstdint>
#include <string>

namespace digits {

enum class Model { lenet, linear };

struct Settings {
  Model model = Model::lenet;
  std::string idx;              // folder with IDX files; empty: images are drawn
  std::int64_t train = 10'000;  // images to draw
  std::int64_t test = 2'000;
  std::int64_t epochs = 8;
  std::int64_t batch = 32;
  double lr = 2e-3;
  std::int64_t seed = 0;
  int threads = 1;
  std::string output;    // file for the weights; empty: none
  std::string mistakes;  // file for the picture; empty: none
};

// Trains and prints the accuracy after each epoch. Returns the signal that stopped it, or 0.
int train(const Settings& settings);

// Draws images and writes them as IDX files into `folder`.
void write(const Settings& settings, const std::string& folder);

}  // namespace digits
