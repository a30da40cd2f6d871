// Only std::signal() of the standard library is used, so that a system without SIGHUP or SIGPIPE
// needs no other code. Read next: ranks.h.
#include "common/stop_signals.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

namespace examples {
namespace {

using Handler = void (*)(int);

constexpr std::array kStops = {
    SIGINT,
    SIGTERM,
#ifdef SIGHUP
    SIGHUP,
#endif
};

// A handler may use only lock-free atomics and a few functions.
std::atomic<int> first_signal = 0;
static_assert(std::atomic<int>::is_always_lock_free);

std::array<Handler, kStops.size()> earlier;
#ifdef SIGPIPE
Handler earlier_for_pipe = SIG_DFL;
#endif

// A terminal that closes may send SIGHUP twice, so only SIGINT gets its default action back.
void remember(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  std::signal(SIGINT, SIG_DFL);
  if (signal != SIGINT) std::signal(signal, remember);  // some systems reset the handler
}

void restore(int signal, Handler handler) {
  if (handler != SIG_ERR) std::signal(signal, handler);
}

}  // namespace

StopSignals::StopSignals() {
  first_signal = 0;
  for (std::size_t i = 0; i < kStops.size(); ++i) {
    earlier[i] = std::signal(kStops[i], remember);
    if (earlier[i] == SIG_IGN) std::signal(kStops[i], SIG_IGN);
  }
#ifdef SIGPIPE
  earlier_for_pipe = std::signal(SIGPIPE, SIG_IGN);
#endif
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kStops.size(); ++i) restore(kStops[i], earlier[i]);
#ifdef SIGPIPE
  restore(SIGPIPE, earlier_for_pipe);
#endif
}

int StopSignals::received() { return first_signal; }

std::string name_of_signal(int signal) {
  if (signal == SIGINT) return "SIGINT";
  if (signal == SIGTERM) return "SIGTERM";
#ifdef SIGHUP
  if (signal == SIGHUP) return "SIGHUP";
#endif
  return "signal " + std::to_string(signal);
}

}  // namespace examples
