// Prints a program as C++. Read next: print.cc.
#pragma once

#include <string>

#include "tapes/check.h"
#include "tapes/program.h"

namespace tapegrad::tapes {

// A Catch2 test that can be pasted into tests/autograd/: the leaves, one line for each operation,
// and the check that fails.
std::string as_test(const Program& program, const Finding& finding);

}  // namespace tapegrad::tapes
