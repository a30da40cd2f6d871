// Parts in one file, and loading all or none of them. Read next: tensor/io/npy.cc.
#include <tapegrad/tensor/io/checkpoint.h>

#include <algorithm>
#include <cctype>
#include <exception>
#include <map>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad::detail {
namespace {

constexpr const char* kPartsKey =
    "tapegrad.checkpoint";  // metadata: the names, with a space between

bool has_space(const std::string& text) {
  return std::ranges::any_of(text, [](unsigned char c) { return std::isspace(c) != 0; });
}

// Numbers the unnamed parts of one kind, and checks the names.
void finish_names(const char* operation, std::vector<AnyPart>& parts) {
  std::map<std::string, int> kinds;
  for (AnyPart& part : parts) {
    if (part.named) continue;
    const int number = ++kinds[part.name];
    if (number > 1) part.name += "_" + std::to_string(number);
  }
  for (const AnyPart& part : parts) {
    const std::string start = std::string(operation) + ": part \"" + part.name + "\": ";
    if (part.name.empty() || part.name.find('.') != std::string::npos || has_space(part.name)) {
      throw ValueError(start + "a name must not be empty or contain a dot or a space");
    }
    const auto same = [&](const AnyPart& other) { return other.name == part.name; };
    if (std::ranges::count_if(parts, same) > 1) {
      throw ValueError(start + "two parts have this name; write another one before one of them");
    }
  }
}

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// The state of each part in a file that holds exactly these parts.
std::vector<StateDict> states_of_parts(const std::string& path, const std::vector<AnyPart>& parts) {
  const Checkpoint file = load_with_metadata(path);
  const std::string start = "load_checkpoint: " + path + " ";
  const auto listed = file.metadata.find(kPartsKey);
  if (listed == file.metadata.end()) {
    throw FormatError(start + "is not a checkpoint of save_checkpoint(); load() reads the file");
  }
  const std::vector<std::string> names = words_of(listed->second);
  std::map<std::string, StateDict> states;
  for (const std::string& name : names) states[name];
  for (const auto& [key, value] : file.state) {
    const std::size_t dot = std::min(key.find('.'), key.size() - 1);
    const auto part = states.find(key.substr(0, dot));
    if (part == states.end())
      throw FormatError(start + "has no part for its tensor \"" + key + "\"");
    part->second.insert(key.substr(dot + 1), value);
  }

  std::vector<std::string> missing, asked, unexpected;
  for (const AnyPart& part : parts) {
    asked.push_back(part.name);
    if (!contains(names, part.name)) missing.push_back(part.name);
  }
  for (const std::string& name : names) {
    if (!contains(asked, name)) unexpected.push_back(name);
  }
  if (!missing.empty() || !unexpected.empty()) {
    throw FormatError(start + "holds the parts " + joined(names, ", ") +
                      (missing.empty() ? "" : "; missing: " + joined(missing, ", ")) +
                      (unexpected.empty() ? "" : "; unexpected: " + joined(unexpected, ", ")) +
                      "; pass the same parts to save_checkpoint() and load_checkpoint()");
  }
  std::vector<StateDict> result;
  for (const std::string& name : asked) result.push_back(std::move(states.at(name)));
  return result;
}

}  // namespace

void save_parts(const std::string& path, std::vector<AnyPart> parts) {
  finish_names("save_checkpoint", parts);
  StateDict all;
  std::vector<std::string> names;
  for (const AnyPart& part : parts) {
    names.push_back(part.name);
    for (const auto& [key, value] : part.save()) all.insert(part.name + "." + key, value);
  }
  save(path, all, {{kPartsKey, joined(names, " ")}});
}

void load_parts(const std::string& path, std::vector<AnyPart> parts) {
  finish_names("load_checkpoint", parts);
  const std::vector<StateDict> states = states_of_parts(path, parts);
  std::vector<StateDict> earlier;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    try {
      earlier.push_back(parts[i].save());
      parts[i].load(states[i]);
    } catch (...) {
      for (std::size_t j = 0; j < earlier.size(); ++j) parts[j].load(earlier[j]);
      try {
        throw;
      } catch (const Error& error) {
        throw FormatError("load_checkpoint: " + path + ", part " + parts[i].name + ": " +
                          error.what());
      }
    }
  }
}

// Numbers -----------------------------------------------------------------------------------------

namespace {

const Tensor& number_in(const StateDict& saved, DType dtype) {
  const Tensor* const found = saved.find("value");
  if (found == nullptr || saved.size() != 1 || found->dim() != 0 || found->dtype() != dtype) {
    throw FormatError(std::string("the state is not a number, needed one ") + name(dtype) +
                      " \"value\"");
  }
  return *found;
}

}  // namespace

StateDict number_state(std::int64_t value) { return {{"value", tensor(value)}}; }
StateDict number_state(double value) { return {{"value", tensor(value, float64)}}; }

void read_number(const StateDict& saved, std::int64_t& value) {
  value = number_in(saved, int64).item<std::int64_t>();
}
void read_number(const StateDict& saved, double& value) {
  value = number_in(saved, float64).item<double>();
}

void refuse_number(const StateDict& saved) {
  throw FormatError("the number " + std::to_string(saved.at("value").item<std::int64_t>()) +
                    " is out of range for the variable");
}

}  // namespace tapegrad::detail
