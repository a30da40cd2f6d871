// Every line of docs/from_pytorch.md compiles and runs, and its table is long enough.
#include <cstdio>
#include <exception>

#include "catch.h"
#include "docs/from_pytorch.h"

TEST_CASE("every line of docs/from_pytorch.md compiles and runs", "[docs]") {
  std::streambuf* const screen = std::cout.rdbuf(nullptr);  // some lines print
  for (const Line& line : kLines) {
    try {
      line.run();
    } catch (const std::exception& error) {
      FAIL_CHECK("docs/from_pytorch.md:" << line.number << ": " << error.what());
    }
    CHECK(tapegrad::tape().size() == 0);
  }
  std::cout.rdbuf(screen);
  std::remove(Names().path.c_str());
  std::cout << "docs/from_pytorch.md: " << kLines.size() << " of " << kNames
            << " of PyTorch's names compile\n";
  CHECK(kLines.size() >= 250);
}
