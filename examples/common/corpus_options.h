// The options of programs that read a corpus, with the same names everywhere. Only a main.cc
// includes it. Read next: cooccurrences.h.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

#include "common/command_line.h"
#include "common/corpus.h"

namespace examples {

inline void add_input(CLI::App& app, CorpusSettings& settings) {
  app.add_option("--input", settings.input, "Text to learn from; a line is a sentence")
      ->type_name("FILE")
      ->required();
}

// --tokens and --min-count.
inline void add_words(CLI::App& app, CorpusSettings& settings) {
  add_choice<Tokens>(app, "--tokens", settings.tokens,
                     "words: in lowercase, without punctuation;\n"
                     "spaces: everything between spaces, as it is",
                     {{"words", Tokens::words}, {"spaces", Tokens::spaces}}, "words|spaces",
                     "words");
  app.add_option("--min-count", settings.min_count, "Words that occur less often are left out")
      ->type_name("N")
      ->check(from_to(std::int64_t{1}, std::int64_t{1'000'000'000}))
      ->capture_default_str();
}

}  // namespace examples
