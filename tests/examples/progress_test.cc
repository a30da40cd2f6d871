// The bar and the plain lines. The test sets the clock.
#include "common/progress.h"

#include <sstream>

#include "catch.h"

using namespace examples;

namespace {

// The clock is a variable of the test; the interval is the usual one, 5 seconds.
ProgressOptions options_with(const double& now) {
  ProgressOptions options;
  options.seconds = [&now] { return now; };
  return options;
}

}  // namespace

TEST_CASE("a time is written in hours, minutes and seconds") {
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(65.4) == "1:05");
  CHECK(clock_text(7389) == "2:03:09");
  CHECK(clock_text(-3) == "0:00");
}

TEST_CASE("plain lines: at most one per interval") {
  double now = 100;
  const ProgressOptions options = options_with(now);
  std::ostringstream out;
  Progress progress(out, options);
  progress.start("training", 1000);
  for (int done = 0; done <= 200; done += 20) {
    progress.update(done, "loss 0.5");
    now += 1;
  }
  CHECK(out.str() ==
        "training  10%  20/s  0:45 left  loss 0.5\n"
        "training  20%  20/s  0:40 left  loss 0.5\n");
  progress.print("epoch 1  loss 0.4");
  CHECK(out.str().ends_with("\nepoch 1  loss 0.4\n"));
}

TEST_CASE("a bar is redrawn, makes room for printed lines, and ends its line") {
  double now = 0;
  ProgressOptions options = options_with(now);
  options.bar = true;
  options.columns = 50;
  options.interval = 0.1;
  std::ostringstream out;
  {
    Progress progress(out, options);
    progress.start("training", 40'000);
    progress.update(0);
    CHECK(out.str().empty());
    now = 2;
    progress.update(20'000);
    CHECK(out.str() == "training [########........] 50%  10k/s  0:02 left");
    now = 3;
    progress.print("epoch 1");
    CHECK(out.str().ends_with("left\r\x1b[Kepoch 1\n"));
    progress.update(40'000);
    CHECK(out.str().ends_with("\ntraining [###############] 100%  13k/s  0:00 left"));
  }
  CHECK(out.str().ends_with("left\n"));
}

TEST_CASE("a bar fits into the terminal, and is colored only on request") {
  double now = 0;
  ProgressOptions options = options_with(now);
  options.bar = true;
  options.columns = 20;
  std::ostringstream narrow;
  {
    Progress progress(narrow, options);
    progress.start("training", 10);
    now = 6;
    progress.update(5, "loss 0.5");
    CHECK(narrow.str() == "training 50%  1/s  ");
  }
  CHECK(narrow.str().find('\x1b') == std::string::npos);

  options.columns = 80;
  options.color = true;
  std::ostringstream green;
  Progress progress(green, options);
  progress.start("training", 10);
  now = 12;
  progress.update(5);
  CHECK(green.str().find("[\x1b[32m####") != std::string::npos);
  CHECK(green.str().find("#\x1b[0m....") != std::string::npos);
}
