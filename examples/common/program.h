// How the example programs begin and end. Read next: short_help.h.
#pragma once

#include <tapegrad/tensor/error.h>

#include <exception>
#include <iostream>
#include <new>
#include <string>

namespace examples {

// The body of a main(): calls run(), which returns the exit status, and turns an exception into
// `program: its text` on standard error and the status 1. Output that cannot be written is an error
// too.
template <class Run>
int run_main(const std::string& program, Run&& run) {
  try {
    const int status = run();
    if (!std::cout.flush()) throw tapegrad::IoError("standard output: cannot write");
    return status;
  } catch (const std::bad_alloc&) {
    std::cerr << program << ": there is not enough memory\n";
  } catch (const std::exception& error) {
    const std::string text = error.what();
    std::cerr << (text.rfind(program + ": ", 0) == 0 ? "" : program + ": ") << text << '\n';
  }
  return 1;
}

// The exit status of a run that a signal stopped (0: none did), as shells have it.
inline int status_of(int signal) { return signal == 0 ? 0 : 128 + signal; }

}  // namespace examples
