// Settings that are options of the command line and are saved with a model. Read next: settings.cc.
#pragma once

#include <tapegrad/tensor/io/safetensors.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace language_model {

namespace tg = tapegrad;

// One field of a struct of settings, whose value is its default at first.
struct Setting {
  const char* name;  // "hidden" is the option --hidden
  std::variant<std::int64_t*, double*, bool*, std::string*> value;
  const char* help;
  double least = 0;  // of a number
  double greatest = 0;
  std::vector<std::string> words = {};  // the values of a text
};

// The values as text, by name.
tg::Metadata values_of(const std::vector<Setting>& settings);

// Sets all fields to saved values. The values are not trusted: a FormatError, which begins with
// `name`, says which setting is missing or out of range, and then no field has changed.
void set_values(const std::vector<Setting>& settings, const tg::Metadata& values,
                const std::string& name);

// The options of a training run, whatever the model is. Each program has its own defaults.
struct TrainSettings {
  std::int64_t epochs = 5;
  std::int64_t batch = 32;
  double lr = 2e-3;
  double clip = 1;
  double held_out = 0.1;
  std::int64_t report = 500;
  std::int64_t sample = 200;
  std::int64_t seed = 1;

  std::vector<Setting> list();
};

}  // namespace language_model
