// Shrinks a failing program to a small one that fails in the same way. Read next: shrink.cc.
#pragma once

#include <functional>

#include "tapes/program.h"

namespace tapegrad::tapes {

// `fails` says whether a program still fails; it must accept programs that are not valid.
Program shrink(const Program& program, const std::function<bool(const Program&)>& fails,
               int most_tries = 3000);

}  // namespace tapegrad::tapes
