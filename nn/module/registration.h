// How register_module() finds the members of a module that were not registered: a copy of the
// module copies its members, and their copy constructors tell a MemberScan. Read next:
// nn/module/module.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tapegrad::nn {

// Whether a module, or a parameter, is registered with a module.
struct Registration {
  Registration();
  std::uint64_t created;  // a count: later ones have larger numbers
  bool is_registered = false;
  bool is_listed = false;  // by a MemberScan
};

// While it exists on a thread, the copy constructors of Module and Parameter call visit(), and it
// lists what was created after `module` and is not registered. A handle that was given to the
// constructor of `module` was created earlier, and is not listed.
class MemberScan {
 public:
  struct Member {
    std::string description;
    std::shared_ptr<const Registration> registration;
  };

  explicit MemberScan(const Registration& module);
  ~MemberScan();
  MemberScan(const MemberScan&) = delete;
  MemberScan& operator=(const MemberScan&) = delete;

  static MemberScan* current();  // null if there is none
  template <class Description>
  void visit(const std::shared_ptr<Registration>& copied, const Description& description) {
    if (copied->is_registered || copied->is_listed || copied->created <= after_) return;
    copied->is_listed = true;
    members_.push_back({description(), copied});
  }
  const std::vector<Member>& members() const { return members_; }

 private:
  MemberScan* outer_;
  std::uint64_t after_;
  std::vector<Member> members_;
};

}  // namespace tapegrad::nn
