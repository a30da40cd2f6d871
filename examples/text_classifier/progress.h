// Telling somebody who waits how far it is: a bar on a terminal, plain lines elsewhere.
// Read next: commands.h.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace text_classifier {

struct ProgressOptions {
  bool bar = false;                 // redraw one line; else print lines that stay
  bool color = false;               // the bar in green
  int columns = 80;                 // that the bar may take
  double interval = 5.0;            // seconds between two plain lines, or between two redrawings
  std::function<double()> seconds;  // a clock; empty: the steady clock
};

// For standard error: a bar if that is a terminal (and not TERM=dumb), colour unless the variable
// NO_COLOR is set (no-color.org).
ProgressOptions progress_options_for_stderr();

//   Progress progress(std::cerr, progress_options_for_stderr());
//   progress.start("training", epochs * rows);
//   for each epoch:
//     for each batch: progress.update(rows_done, "epoch 1/10  loss 0.52");
//     progress.print("epoch 1/10  loss 0.48  accuracy 0.83");
class Progress {
 public:
  Progress(std::ostream& out, ProgressOptions options);
  ~Progress();  // leaves the cursor at the start of a line, so that an error reads well
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void start(std::string title, std::int64_t total);
  // Prints only if `interval` has passed, so it may be called for every batch.
  void update(std::int64_t done, std::string_view note = {});
  // A line that stays. The bar comes back below it with the next update.
  void print(std::string_view line);

 private:
  void clear_bar();

  std::ostream& out_;
  ProgressOptions options_;
  std::string title_;
  std::int64_t total_ = 0;
  double started_ = 0;
  double printed_ = 0;  // when the last line or bar was printed
  bool bar_shown_ = false;
};

// `1:05` or `2:03:09`
std::string clock_text(double seconds);

}  // namespace text_classifier
