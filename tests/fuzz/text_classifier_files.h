// Mutations of the text classifier's settings. Read next: tests/fuzz/settings.cc.
#pragma once

#include <string>
#include <utility>

#include "fuzz/fuzzer.h"

namespace tapegrad::test {

inline std::string mutate_settings(std::string text, Random& random) {
  static constexpr std::string_view kTokens[] = {"{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ",",
                                                 ":",
                                                 "\"",
                                                 "\"dim\": 3,",
                                                 "\"dim\": 8.9,",
                                                 "\"heads\": 0,",
                                                 "\"heads\": 2,",
                                                 "\"format\": 1,",
                                                 "\"format\": 3,",
                                                 "\"arch\": \"attention\",",
                                                 "\"labels\": [\"A\", \"A\"],",
                                                 "\"pool\": \"mean\",",
                                                 "\"temperature\": 1e-300,",
                                                 "\"temperature\": 20,",
                                                 "\"length_unit\": \"tokens\",",
                                                 "sqrt",
                                                 "\"layers\": 100,",
                                                 "\"bidirectional\": true,",
                                                 "\"dropout\": 1,",
                                                 "\"x\": [[[[",
                                                 "bag",
                                                 "rnn",
                                                 "lstm",
                                                 "gru",
                                                 "cnn",
                                                 "attention",
                                                 "last",
                                                 "max",
                                                 "\"chars\": [1, 5],",
                                                 "\"buckets\": 3,",
                                                 "\"words\": false,",
                                                 "\"compressed_rows\": 2,",
                                                 "\"compressed_rows\": 3,",
                                                 "\"compressed_codes\": \"int8\",",
                                                 "\"compressed_codes\": \"product2\",",
                                                 "\"compressed_codes\": \"product4\",",
                                                 "\"compressed_head\": true,",
                                                 "\"compressed_head\": false,",
                                                 "null",
                                                 "true",
                                                 "1e400",
                                                 "2e99",
                                                 "-1",
                                                 "\\ud800",
                                                 "\xFF",
                                                 std::string_view("\0", 1),
                                                 " "};
  return mutate_text(std::move(text), random, kTokens);
}

}  // namespace tapegrad::test
