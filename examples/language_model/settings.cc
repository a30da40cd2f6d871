// Read next: program.h.
#include "language_model/settings.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <sstream>
#include <type_traits>

namespace language_model {
namespace {

template <class Value>
std::string text_of(const Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) {
    return value;
  } else {
    std::ostringstream text;
    text.precision(std::numeric_limits<double>::max_digits10);
    text << value;
    return text.str();
  }
}

// False if the text is not a value of the setting.
template <class Value>
bool read(const Setting& setting, const std::string& text, Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) {
    value = text;
    return std::ranges::find(setting.words, text) != setting.words.end();
  } else if constexpr (std::is_same_v<Value, bool>) {
    value = text == "1";
    return text == "0" || text == "1";
  } else {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && rest == end && static_cast<double>(value) >= setting.least &&
           static_cast<double>(value) <= setting.greatest;
  }
}

}  // namespace

tg::Metadata values_of(const std::vector<Setting>& settings) {
  tg::Metadata values;
  for (const Setting& setting : settings) {
    values[setting.name] =
        std::visit([](const auto* value) { return text_of(*value); }, setting.value);
  }
  return values;
}

void set_values(const std::vector<Setting>& settings, const tg::Metadata& values,
                const std::string& name) {
  std::vector<std::function<void()>> assignments;
  for (const Setting& setting : settings) {
    const auto found = values.find(setting.name);
    if (found == values.end()) {
      throw tg::FormatError(name + ": the setting " + setting.name + " is missing");
    }
    std::visit(
        [&]<class Value>(Value* field) {
          Value value{};
          if (!read(setting, found->second, value)) {
            throw tg::FormatError(name + ": the setting " + setting.name + " is '" + found->second +
                                  "', which is out of range");
          }
          assignments.push_back([field, value] { *field = value; });
        },
        setting.value);
  }
  for (const auto& assign : assignments) assign();
}

std::vector<Setting> TrainSettings::list() {
  return {
      {"epochs", &epochs, "Passes over the text; 0 saves the model as it begins", 0, 1e6},
      {"batch", &batch, "Pieces of the text in each step of the optimizer", 1, 1e5},
      {"lr", &lr,
       "Learning rate of Adam. It rises to this in the first 100 batches and\n"
       "falls to a tenth by half a cosine",
       0, 100},
      {"clip", &clip, "Gradients with a larger norm are scaled down to it", 1e-9, 1e9},
      {"held-out", &held_out, "Share of the text, at its end, that is not trained on", 0, 0.5},
      {"report", &report,
       "Batches between two reports, which have the loss on the held-out\n"
       "text and a sample, and save the model",
       1, 1e9},
      {"sample", &sample, "Tokens of the sample in a report", 0, 1e6},
      {"seed", &seed, "The same seed gives the same model", 0, 4294967295.0},
  };
}

}  // namespace language_model
