// Checks of all collective functions, for ranks that are threads and for ranks that are processes.
// Each throws an exception that says what was wrong. Read next: collectives.cc.
#pragma once

#include <string>

#include <tapegrad/distributed/communicator.h>

namespace tapegrad::distributed::test {

// Throws a std::runtime_error with this text unless `holds`.
void expect(bool holds, const std::string& text);

// Collective: every function with known answers, for every root, for empty and uneven tensors.
void check_collectives(Communicator& comm);
// Collective: sums of numbers whose sum depends on the order of the additions.
void check_order_of_sums(Communicator& comm);

}  // namespace tapegrad::distributed::test
