// StateDict: named tensors, the form in which a model is saved. Read next: tensor/io/file_io.h.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tapegrad/tensor/tensor.h>

namespace tapegrad {

// Pairs of name and tensor in the order of insertion, found by name in constant time. The tensors
// are handles: they share memory with the tensors that were inserted.
//
//   StateDict state;
//   state.insert("embedding.weight", weight);
//   for (const auto& [name, tensor] : state) std::cout << name << ' ' << tensor.shape() << '\n';
//   Tensor table = state.at("embedding.weight");
class StateDict {
 public:
  using value_type = std::pair<std::string, Tensor>;
  using const_iterator = std::vector<value_type>::const_iterator;

  StateDict() = default;
  StateDict(std::initializer_list<value_type> entries);

  // ValueError if the name exists already or the tensor is undefined.
  void insert(std::string name, Tensor tensor);

  const Tensor& at(std::string_view name) const&;  // FormatError lists the existing names
  Tensor at(std::string_view name) const&& { return at(name); }
  const Tensor& operator[](std::string_view name) const& { return at(name); }
  Tensor operator[](std::string_view name) const&& { return at(name); }
  const Tensor* find(std::string_view name) const&;  // null if there is none
  const Tensor* find(std::string_view name) const&& = delete;
  bool contains(std::string_view name) const { return find(name) != nullptr; }

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const {
      return std::hash<std::string_view>()(name);
    }
  };

  std::vector<value_type> entries_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> positions_;
};

}  // namespace tapegrad
