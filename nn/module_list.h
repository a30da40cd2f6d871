// ModuleList and ModuleDict: registered modules of one class, by position or by name. Read next:
// nn/attention.h.
//
//   struct Deep : tapegrad::nn::Module {
//     ModuleList<Linear> layers;
//     Deep() : layers(register_module("layers", ModuleList<Linear>())) {
//       for (int i = 0; i < 3; ++i) layers.push_back(Linear(8, 8));   // layers.0.weight, ...
//     }
//     Variable operator()(Variable x) const {
//       for (const Linear& layer : layers) x = relu(layer(x));
//       return x;
//     }
//   };
//
// Modules of several classes are separate members, or parts of a Sequential.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

// Modules registered as "0", "1", ... A module that is appended to one copy of the list is in all
// copies.
template <class M>
class ModuleList : public Module {
 public:
  ModuleList() = default;
  explicit ModuleList(const std::vector<M>& modules) {
    for (const M& module : modules) push_back(module);
  }
  ModuleList(std::initializer_list<M> modules) {
    for (const M& module : modules) push_back(module);
  }

  void push_back(M module) {
    const std::string name = std::to_string(modules_->size());
    modules_->push_back(register_module(name, std::move(module)));
  }

  void append(M module) { push_back(std::move(module)); }  // PyTorch's name

  std::size_t size() const { return modules_->size(); }
  M& operator[](std::size_t i) & { return at(i); }
  const M& operator[](std::size_t i) const& { return at(i); }
  M operator[](std::size_t i) const&& { return at(i); }
  auto begin() { return modules_->begin(); }
  auto end() { return modules_->end(); }
  auto begin() const { return std::as_const(*modules_).begin(); }
  auto end() const { return std::as_const(*modules_).end(); }
  std::string description() const override { return "ModuleList"; }

 private:
  M& at(std::size_t i) const {
    if (i < size()) return (*modules_)[i];
    throw IndexError("ModuleList: module " + std::to_string(i) + " out of range for " +
                     std::to_string(size()));
  }

  Shared<std::vector<M>> modules_{std::vector<M>()};
};

// Modules registered under their names, in the order of insertion.
template <class M>
class ModuleDict : public Module {
 public:
  ModuleDict() = default;
  explicit ModuleDict(const std::vector<std::pair<std::string, M>>& modules) {
    for (const auto& [name, module] : modules) insert(name, module);
  }

  // ValueError for a name that is taken, empty, or contains a dot.
  void insert(const std::string& name, M module) {
    modules_->emplace_back(name, register_module(name, std::move(module)));
  }

  std::size_t size() const { return modules_->size(); }
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  M& operator[](const std::string& name) & { return at(name); }
  const M& operator[](const std::string& name) const& { return at(name); }
  M operator[](const std::string& name) const&& { return at(name); }
  auto begin() { return modules_->begin(); }
  auto end() { return modules_->end(); }
  auto begin() const { return std::as_const(*modules_).begin(); }
  auto end() const { return std::as_const(*modules_).end(); }
  std::string description() const override { return "ModuleDict"; }

 private:
  M& at(const std::string& name) const {
    if (M* const found = find(name)) return *found;
    std::string names;
    for (const auto& each : *modules_) names += (names.empty() ? " '" : ", '") + each.first + "'";
    throw IndexError("ModuleDict: no module '" + name + "'; there are" +
                     (names.empty() ? " none" : names));
  }
  M* find(const std::string& name) const {
    for (auto& each : *modules_) {
      if (each.first == name) return &each.second;
    }
    return nullptr;
  }

  using Modules = std::vector<std::pair<const std::string, M>>;
  Shared<Modules> modules_{Modules()};
};

}  // namespace tapegrad::nn
