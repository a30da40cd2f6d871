// The program text_classifier in a folder with small training and test texts, for the tests of its
// commands. Read next: examples/text_classifier/main.cc.
#pragma once

#include <string>
#include <string_view>

#include "examples/program.h"

namespace text_classifier_test {

using ProgramOutput = Program::Output;

// Texts of two classes; one word is enough to separate them.
inline constexpr std::string_view kTrainTexts =
    "who wrote it\tHUM\nwho is the king\tHUM\nwho was that\tHUM\nwho sang\tHUM\n"
    "where is Paris\tLOC\nwhere is the city\tLOC\nwhere was that\tLOC\nwhere to\tLOC\n";
inline constexpr std::string_view kTestTexts =
    "who sang\tHUM\nwhere is Rome\tLOC\nwho was that\tHUM\n";

class ProgramSession : public Program {
 public:
  ProgramSession() {
    write("train.tsv", kTrainTexts);
    write("test.tsv", kTestTexts);
  }

  // A model that tells the two classes apart.
  ProgramOutput train(const std::string& more = "--arch bag", const std::string& out = "model") {
    return run_well(
        "train --train train.tsv --test test.tsv --dim 4 --hidden 8 --epochs 30 "
        "--lr 0.05 --dropout 0 --out " +
        out + " " + more);
  }
};

}  // namespace text_classifier_test
