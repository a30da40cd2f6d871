// Fuzzes read_corpus() with files in the format of fastText, `__label__X text`. Read next:
// tests/fuzz/optimizer.cc.
#include "fuzz/corpus.h"

namespace tapegrad::test {

void run(const std::string& input) { check_corpus(input); }

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {"__label__",
                                                 "__label__A ",
                                                 "__label__A __label__B x\n",
                                                 "__label__B who\n",
                                                 " ",
                                                 "\t",
                                                 "\n",
                                                 "\r\n",
                                                 "\r",
                                                 "_",
                                                 "\xEF\xBB\xBF",
                                                 "\xE9",
                                                 "\xC3\xA9",
                                                 "\xC3",
                                                 std::string_view("\0", 1),
                                                 ",",
                                                 "\"x\",y\n",
                                                 "HUM:x y\n"};
  return mutate_text(std::move(input), random, kTokens);
}

std::vector<std::string> good_inputs() {
  return {"__label__HUM who wrote hamlet\n__label__LOC where is it\n", "__label__1\tx",
          "__label__\xC3\xA9 a b\r\n\r\n__label__b c\r\n", "\xEF\xBB\xBF__label__a b\n"};
}

}  // namespace tapegrad::test
