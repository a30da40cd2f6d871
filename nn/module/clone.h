// How modules share their state, and how clone() copies it. A copy of a module is a handle: both
// have the same parameters, buffers, options and training mode. Inside clone(), the same copy
// constructors make deep copies instead. Each shared object is copied once, so tied parameters stay
// tied.
//
// Read next: nn/module/registration.h.
#pragma once

#include <memory>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <tapegrad/autograd/variable.h>

namespace tapegrad::nn {

// While a CloneScope exists on a thread, copies of modules on that thread are deep.
class CloneScope {
 public:
  CloneScope();
  ~CloneScope();
  CloneScope(const CloneScope&) = delete;
  CloneScope& operator=(const CloneScope&) = delete;

  static CloneScope* current();  // null outside of clone()

  // A new leaf without a gradient: a copy of the value and of the policy that optimizers follow.
  Variable clone_of(const Variable& leaf);

  template <class T>
  std::shared_ptr<T> clone_of(const std::shared_ptr<T>& original) {
    if (const auto found = copies_.find(original.get()); found != copies_.end()) {
      return std::static_pointer_cast<T>(found->second);
    }
    std::shared_ptr<T> copy;
    if constexpr (std::is_same_v<T, Tensor>) {  // copying the handle would share the elements
      copy = std::make_shared<T>(original->defined() ? original->clone() : Tensor());
    } else {
      copy = std::make_shared<T>(*original);
    }
    copies_.emplace(original.get(), copy);
    return copy;
  }

 private:
  CloneScope* outer_;
  std::unordered_map<const void*, std::shared_ptr<void>> copies_;
  std::unordered_map<const Node*, Variable> leaves_;
};

// A value that all copies of a module share.
template <class T>
class Shared {
 public:
  explicit Shared(T value) : value_(std::make_shared<T>(std::move(value))) {}
  Shared(const Shared& other)
      : value_(CloneScope::current() != nullptr ? CloneScope::current()->clone_of(other.value_)
                                                : other.value_) {}
  Shared& operator=(const Shared&) = delete;
  T& operator*() const { return *value_; }
  T* operator->() const { return value_.get(); }
  // A handle to a member of the value, which keeps the value alive.
  template <class Class, class Member>
  std::shared_ptr<Member> share(Member Class::*member) const {
    return {value_, &(value_.get()->*member)};
  }

 private:
  std::shared_ptr<T> value_;
};

}  // namespace tapegrad::nn
