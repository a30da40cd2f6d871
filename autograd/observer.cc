// The reports of an observer that does not want them. For how a thread gets an observer see
// autograd/tape_threads.cc. Read next: autograd/functional.h.
#include <tapegrad/autograd/observer.h>

#include <tapegrad/autograd/attributes.h>

namespace tapegrad {

void Observer::recorded(const Entry&, Variable&, std::span<const Variable* const>) {}
void Observer::describes(const char*, std::vector<Attribute>) {}
void Observer::adds(std::uint64_t, const Entry*, Node&, const Variable&) {}
void Observer::adds(std::uint64_t, const Entry*, Node&, const RowSparse&) {}
void Observer::fires(std::uint64_t, const Entry&, const Variable&) {}
void Observer::releases(const Entry&) {}
void Observer::released(const Entry&) {}
void Observer::commits(std::uint64_t, Leaf&, const Variable&, std::span<const RowSparse>) {}
void Observer::enters(const std::string&, const std::string&) {}
void Observer::leaves() {}
void Observer::names(const Variable&, const std::string&) {}
void Observer::will_update(const ParameterStep&) {}
void Observer::updated(const ParameterStep&) {}

Variable detail::reported(const Entry& entry, Variable result,
                          std::span<const Variable* const> inputs) {
  Observer::current()->recorded(entry, result, inputs);
  return result;
}

}  // namespace tapegrad
