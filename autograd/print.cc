// How the tape and Variables are printed. Read next: autograd/tape_threads.cc.
#include <iostream>

#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {

std::ostream& operator<<(std::ostream& out, const Tape& tape) {
  for (const Entry* entry = tape.oldest(); entry != nullptr; entry = Tape::next(entry)) {
    out << '#' << entry->number() << ' ' << entry->name() << ' ' << to_string(entry->sizes());
    const char* separator = " <- ";
    for (std::size_t i = 0; i < entry->input_count(); ++i) {
      Node* const input = entry->input(i);
      if (input == nullptr) continue;
      out << separator;
      separator = ", ";
      if (input->is_leaf()) {
        out << "leaf " << to_string(input->as_leaf().stored().sizes());
      } else {
        out << '#' << input->as_entry().number();
      }
    }
    out << '\n';
  }
  return out;
}

void Tape::print() const { std::cout << *this; }

std::ostream& operator<<(std::ostream& out, const Variable& variable) {
  out << variable.value();
  if (!variable.requires_grad()) return out;
  if (variable.is_leaf()) return out << " (leaf, requires_grad)";
  const Entry& entry = variable.node()->as_entry();
  return out << " (#" << entry.number() << ' ' << entry.name() << ')';
}

}  // namespace tapegrad
