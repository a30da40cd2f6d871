// Shows the progress of a long computation: a bar on a terminal, plain lines elsewhere. Read next:
// progress.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace examples {

struct ProgressOptions {
  bool bar = false;                 // redraw one line; false: print lines that stay
  bool color = false;               // print the bar in green
  int columns = 80;                 // width of the terminal
  double interval = 5.0;            // least seconds between two updates
  std::function<double()> seconds;  // the clock; empty: std::chrono's steady clock
};

// The options for standard error: a bar if it is a terminal (and not TERM=dumb), and color unless
// the environment variable NO_COLOR is set (no-color.org).
ProgressOptions progress_options_for_stderr();

//   Progress progress(std::cerr, progress_options_for_stderr());
//   progress.start("training", epochs * rows);
//   for each epoch:
//     for each batch: progress.update(rows_done, "epoch 1/10  loss 0.52");
//     progress.print("epoch 1/10  loss 0.48  accuracy 0.83");
class Progress {
 public:
  Progress(std::ostream& out, ProgressOptions options);
  ~Progress();  // ends the line of the bar, so that an error text has a line of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `already`: what was done before, which does not count for the rate.
  void start(std::string title, std::int64_t total, std::int64_t already = 0);
  bool has_bar() const { return options_.bar; }

  // Prints only if `interval` has passed, so it can be called for every batch.
  void update(std::int64_t done, std::string_view note = {});
  // Prints a line that stays. The next update draws the bar below it.
  void print(std::string_view line);
  // Removes the bar, so that another stream can print lines that stay.
  void clear();

 private:
  std::ostream& out_;
  ProgressOptions options_;
  std::string title_;
  std::int64_t total_ = 0;
  std::int64_t already_ = 0;
  double started_ = 0;
  double printed_ = 0;  // when the last line or bar was printed
  bool bar_shown_ = false;
};

// `1:05` or `2:03:09`
std::string clock_text(double seconds);

}  // namespace examples
