// Fuzzes read_corpus() with files in the format of TREC. Read next: tests/fuzz/labels.cc.
#include "fuzz/corpus.h"

namespace tapegrad::test {

void run(const std::string& input) { check_corpus(input); }

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {
      ":",         "HUM",      "HUM:ind ", "LOC:city Where ?\n",
      " ",         "\n",       "\r\n",     "\r",
      "\t",        "A:b c\n",  "a:b c\n",  "\xEF\xBB\xBF",
      "\xE9",      "\xC3\xA9", "\xC3",     std::string_view("\0", 1),
      "\"x\",y\n", ", "};
  return mutate_text(std::move(input), random, kTokens);
}

std::vector<std::string> good_inputs() {
  return {"HUM:ind Who wrote Hamlet ?\nLOC:city Where is it ?\n", "A:b c",
          "DESC:manner How did caf\xE9 start ?\r\n\r\nABBR:exp What is it ?\r\n",
          "\xEF\xBB\xBFNUM:count How many, and \"why\" ?\n"};
}

}  // namespace tapegrad::test
