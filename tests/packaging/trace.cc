// A user's program that writes the page of its tape.
#include <tapegrad/autograd/trace/check_tape.h>
#include <tapegrad/autograd/trace/trace.h>
#include <tapegrad/tapegrad.h>

namespace tg = tapegrad;

int main() {
  const tg::Variable w = tg::parameter(tg::ones({2}));
  {
    tg::Trace trace;
    sum(square(w)).backward();
    trace.write_html("tape.html");
  }
  return tg::check_tape([&] { return sum(square(w)); }).passed ? 0 : 1;
}
