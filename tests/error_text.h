// The text of an error that a test expects. Read next: test_main.cc.
#pragma once

#include <string>

namespace tapegrad::test {

// The text of the Expected that the call throws; empty if it throws nothing. Other exceptions fail
// the test.
template <class Expected, class Function>
std::string error_text(const Function& function) {
  try {
    function();
  } catch (const Expected& error) {
    return error.what();
  }
  return {};
}

}  // namespace tapegrad::test
