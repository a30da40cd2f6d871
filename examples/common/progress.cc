// Prints the progress bar, the rate, and the time that remains. Read next: stop_signals.h.
#include "common/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <utility>

#include "common/numbers.h"

namespace examples {
namespace {

// 950, 9.5k, 12k, 1.2M
std::string rate_text(double rate) {
  const char* unit = "";
  if (rate >= 1e6) {
    rate /= 1e6, unit = "M";
  } else if (rate >= 1e3) {
    rate /= 1e3, unit = "k";
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s/s", rate < 10 && *unit ? 1 : 0, rate, unit);
  return text;
}

}  // namespace

std::string clock_text(double seconds) {
  const long long whole = std::llround(std::clamp(seconds, 0.0, 1e9));
  char text[64];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  }
  return text;
}

ProgressOptions progress_options_for_stderr() {
  ProgressOptions options;
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  if (isatty(STDERR_FILENO) == 0 || dumb) return options;
  const char* no_color = std::getenv("NO_COLOR");
  options.bar = true;
  options.color = no_color == nullptr || *no_color == '\0';
  options.interval = 0.1;
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    options.columns = size.ws_col;
  return options;
}

Progress::Progress(std::ostream& out, ProgressOptions options)
    : out_(out), options_(std::move(options)) {
  if (!options_.seconds) options_.seconds = steady_seconds;
}

Progress::~Progress() {
  if (bar_shown_) out_ << '\n' << std::flush;
}

void Progress::start(std::string title, std::int64_t total, std::int64_t already) {
  clear();
  title_ = std::move(title);
  total_ = std::max<std::int64_t>(total, 1);
  already_ = already;
  started_ = printed_ = options_.seconds();
}

void Progress::update(std::int64_t done, std::string_view note) {
  const double now = options_.seconds();
  if (now - printed_ < options_.interval) return;
  printed_ = now;

  const double part = std::clamp(static_cast<double>(done) / static_cast<double>(total_), 0.0, 1.0);
  const double elapsed = now - started_;
  const auto now_done = static_cast<double>(done - already_);
  const double rate = elapsed > 0 ? now_done / elapsed : 0.0;
  std::string figures = std::to_string(static_cast<int>(100 * part)) + "%  " + rate_text(rate);
  if (now_done > 0) {
    figures += "  " + clock_text(elapsed * static_cast<double>(total_ - done) / now_done) + " left";
  }
  if (!note.empty()) figures += "  " + std::string(note);
  if (!options_.bar) {
    out_ << title_ << "  " << figures << std::endl;
    return;
  }
  // `epoch 1/10 [#####.....] 50%  9.5k/s  0:12 left  loss 0.52`. The last column stays empty: some
  // terminals begin a new line when it is filled.
  const int taken = static_cast<int>(title_.size() + figures.size()) + 5;
  const int width = std::clamp(options_.columns - taken, 0, 40);
  const auto filled = static_cast<std::size_t>(std::lround(part * width));
  std::string line = title_ + " ";
  if (width >= 5) {
    const std::string bar = std::string(filled, '#');
    line += "[" + (options_.color ? "\x1b[32m" + bar + "\x1b[0m" : bar) +
            std::string(static_cast<std::size_t>(width) - filled, '.') + "] ";
  }
  line += figures;
  if (width < 5 && static_cast<int>(line.size()) >= options_.columns) {
    line.resize(static_cast<std::size_t>(std::max(options_.columns - 1, 0)));
  }
  clear();
  out_ << line << std::flush;
  bar_shown_ = true;
}

void Progress::print(std::string_view line) {
  clear();
  out_ << line << std::endl;
}

void Progress::clear() {
  if (!bar_shown_) return;
  out_ << "\r\x1b[K" << std::flush;  // go to the start of the line and delete it
  bar_shown_ = false;
}

}  // namespace examples
