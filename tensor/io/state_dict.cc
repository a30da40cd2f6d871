// Lookup and insertion by name. Read next: tensor/io/file_format.h.
#include <tapegrad/tensor/io/state_dict.h>

namespace tapegrad {

StateDict::StateDict(std::initializer_list<value_type> entries) {
  for (const value_type& entry : entries) insert(entry.first, entry.second);
}

void StateDict::insert(std::string name, Tensor tensor) {
  if (!tensor.defined()) throw ValueError("StateDict: tensor \"" + name + "\" is undefined");
  if (contains(name)) throw ValueError("StateDict: name \"" + name + "\" is taken already");
  positions_.emplace(name, entries_.size());
  entries_.emplace_back(std::move(name), std::move(tensor));
}

const Tensor* StateDict::find(std::string_view name) const& {
  const auto found = positions_.find(name);
  return found == positions_.end() ? nullptr : &entries_[found->second].second;
}

const Tensor& StateDict::at(std::string_view name) const& {
  if (const Tensor* tensor = find(name)) return *tensor;
  constexpr std::size_t kShown = 10;
  std::string text = "StateDict: no tensor \"" + std::string(name) + "\"";
  for (std::size_t i = 0; i < size() && i < kShown; ++i) {
    text += (i == 0 ? "; there are \"" : ", \"") + entries_[i].first + "\"";
  }
  if (size() > kShown) text += " and " + std::to_string(size() - kShown) + " more";
  throw FormatError(text);
}

}  // namespace tapegrad
