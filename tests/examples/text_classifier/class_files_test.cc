// One file of texts for each class, and texts that occur more than once. Read next:
// examples/text_classifier/class_files.h.
#include <string>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

namespace {

// `pos.txt` and `neg.txt`, with the classes of a few words each.
class ClassFiles : public Session {
 public:
  ClassFiles() {
    write("pos.txt", "a good film\nvery good indeed\n\ngreat fun\n a lovely film \n");
    write("neg.txt", "a bad film\r\nvery bad indeed\r\nawful bore\r\na terrible film\r\n");
  }
  Output train_on(const std::string& files) const {
    return run_well("train " + files + " --dim 4 --epochs 30 --lr 0.05 --dropout 0 --out model");
  }
};

const std::string kBoth = "--train pos=pos.txt --train neg=neg.txt ";

}  // namespace

TEST_CASE("text_classifier reads one file of texts for each class", "[text_program]") {
  const ClassFiles session;
  session.write("test.txt", "good fun\nlovely\n");
  const Output output = session.train_on(kBoth + "--test pos=test.txt --dev neg=neg.txt");
  CHECK(
      output.error.starts_with("pos.txt and neg.txt: 8 texts, 2 classes; a file for each class\n"
                               "test.txt: 2 texts, 1 class; a file for each class\n"));
  CHECK(output.out.ends_with("test accuracy 1.000 (n=2)\n"));
  CHECK(session.run_well("predict --model model 'a bad bore' 'a lovely film'").out.find("neg  ") ==
        0);
  CHECK(session.run_well("eval --model model --test neg=neg.txt --test pos=pos.txt")
            .out.ends_with("test accuracy 1.000 (n=8)\n"));
  CHECK(session.run_well("compare --model model --with model --test neg=neg.txt --test pos=pos.txt")
            .out.find("(n=8)") != std::string::npos);
  // The same class may have several files; a suspect is named with its file.
  session.write("more.txt", "good\ngreat\nlovely\nfun\nterrible awful bore\n");
  const Output found = session.run_well("suspects " + kBoth +
                                        "--train pos=more.txt --epochs 60 --lr 0.05 --folds 13");
  CHECK(found.out.find("more.txt:5  pos ") != std::string::npos);
}

TEST_CASE("text_classifier takes a file whose name contains = as a file", "[text_program]") {
  const ClassFiles session;
  session.write("a=b.tsv", kTrainTexts);
  CHECK(session.train_on("--train a=b.tsv").error.starts_with("a=b.tsv: 8 texts, 2 classes; "));
  CHECK(session.run_well("eval --model model --test a=b.tsv").out.ends_with("(n=8)\n"));
  session.write("x=y.txt", "good\ngreat\n");
  CHECK(session.train_on("--train pos=x=y.txt --train neg=neg.txt")
            .error.starts_with("x=y.txt and neg.txt: 6 texts, 2 classes; "));
}

TEST_CASE("text_classifier names the file and the line of what is wrong with files of classes",
          "[text_program]") {
  const ClassFiles session;
  session.write("empty.txt", " \n\n");
  session.write("bytes.txt", std::string("good\nb\0d\n", 9));
  const auto refused = [&](const std::string& files, const std::string& expected) {
    session.require_error("train --out model " + files, expected);
  };
  refused("--train pos=none.txt", "train: cannot open none.txt: No such file or directory");
  refused("--train pos=pos.txt --train neg=empty.txt",
          "empty.txt:1: empty file; expected a text of the class `neg` on each line");
  refused("--train pos=pos.txt --train neg=bytes.txt", "bytes.txt:2");
  refused("--train pos=pos.txt", "pos.txt:1: all 4 texts have the label `pos`, needed two or more");
  refused("--train pos=pos.txt --train train.tsv",
          "train: got 2 files, pos.txt and train.tsv; needed one file of labeled texts, or "
          "LABEL=FILE for each class");
  refused("--train train.tsv --train test.tsv",
          "train: got 2 files, train.tsv and test.tsv; needed one file of labeled texts");
  refused("--train =pos.txt --train neg=neg.txt", "train: a file has no label: `=pos.txt`");
  refused("--train pos= --train neg=neg.txt", "train: the label `pos` has no file");
  refused(kBoth + "--test good=pos.txt",
          "pos.txt:1: label `good` is unknown; the known ones are neg, pos");
  for (const char* option :
       {"--text-col 1", "--label-col 2", "--header no", "--format csv", "--weight-col 3"}) {
    refused(kBoth + option, "is about columns, and a file of one class has none");
  }
}

TEST_CASE("text_classifier resumes with files of classes, also after they have moved",
          "[text_program]") {
  const ClassFiles session;
  const std::string train = kBoth + "--test pos=pos.txt --epochs 300 --dim 4 --batch 2 ";
  session.run_well("train " + train + "--out whole");
  Process process(
      session.command("train " + train + "--out out --checkpoint-every 5 >/dev/null 2>&1"));
  session.await("out/checkpoint.safetensors");
  process.send(SIGTERM);
  REQUIRE(process.wait() == 128 + SIGTERM);
  session.shell("mkdir moved && mv pos.txt neg.txt moved");
  session.require_error("train --resume --out out", "train: cannot open ");
  session.run_well(
      "train --resume --out out --train pos=moved/pos.txt --train neg=moved/neg.txt "
      "--test pos=moved/pos.txt");
  CHECK(session.read("out/model.safetensors") == session.read("whole/model.safetensors"));
}

TEST_CASE("text_classifier tells which texts are in the training and in the test file",
          "[text_program]") {
  const Session session;
  session.write("train.tsv", std::string(kTrainTexts) + "Who  sang\tLOC\nwhere is it\tLOC\n");
  session.write("dev.tsv", "WHERE is it\tHUM\nwhere now\tLOC\n");
  const std::string train =
      "train --train train.tsv --test test.tsv --dev dev.tsv --dim 4 --epochs 2 --out model ";
  const auto lines = [](const Output& output) {
    std::string found;
    for (const std::string& line : lines_in(output.error)) {
      if (line.starts_with("duplicates: ")) found += line + "\n";
    }
    return found;
  };
  const std::string remedy = "; --duplicates remove does not learn them\n";
  const Output told = session.run_well(train);
  CHECK(
      lines(told) ==
      "duplicates: 2 texts of the 3 of test.tsv are training texts, too, such as test.tsv:1 and "
      "train.tsv:4, `who sang`" +
          remedy +
          "duplicates: 1 text of the 2 of dev.tsv is a training text, too (1 with another label), "
          "such as dev.tsv:1 and train.tsv:10, `WHERE is it`" +
          remedy +
          "duplicates: 1 text of train.tsv has different labels at different places (2 lines), "
          "such "
          "as train.tsv:4 `HUM` and train.tsv:9 `LOC`, `who sang`" +
          remedy);
  CHECK(told.error.find("\n10 texts to train on") != std::string::npos);
  CHECK(session.text_in_model("vocabulary").find("\nsang\n") != std::string::npos);

  const Output removed = session.run_well(train + "--duplicates remove");
  // Without `who sang` twice, `who was that` and `where is it`.
  CHECK(removed.error.find("\n6 texts to train on") != std::string::npos);
  CHECK(session.text_in_model("vocabulary").find("\nsang\n") == std::string::npos);
  CHECK(lines(removed).find("; removed from the training texts\n") != std::string::npos);
  CHECK(lines(removed).ends_with("; removed\n"));

  CHECK(lines(session.run_well("train --train dev.tsv --epochs 1 --out model")).empty());
  CHECK(session.refusal("train --train dev.tsv --test dev.tsv --duplicates remove --out other")
            .ends_with("dev.tsv: after --duplicates remove, 0 texts with 0 different labels are "
                       "left, needed two labels or more\n"));
}
