// The signals that ask a program to stop, as a flag that a training loop can ask for. Read next:
// stop_signals.cc.
#pragma once

#include <string>

namespace examples {

// While one exists, SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal) only set a flag, so
// that the program can finish a batch or a file first. A second SIGINT ends the program at once. A
// signal that the program was started to ignore, as with nohup, stays ignored. Writing to a closed
// pipe is an error of that stream and does not end the program. The destructor restores all of
// them.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // The first signal that arrived, or 0.
  static int received();
};

// `SIGINT`
std::string name_of_signal(int signal);

}  // namespace examples
