// The scores, compared with values computed by hand; the tables; and metrics.jsonl.
#include "text_classifier/metrics.h"

#include <limits>
#include <sstream>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace text_classifier;
using tapegrad::test::error_text;

namespace {

// Class a: 3 right, 1 predicted as b. Class b: 2 right. Class c: 1 predicted as a.
ConfusionMatrix example() {
  ConfusionMatrix matrix({"a", "b", "c"});
  for (int i = 0; i < 3; ++i) matrix.add(0, 0);
  matrix.add(0, 1);
  matrix.add(1, 1);
  matrix.add(1, 1);
  matrix.add(2, 0);
  return matrix;
}

}  // namespace

TEST_CASE("precision, recall and F1") {
  const ConfusionMatrix matrix = example();
  CHECK(matrix.total() == 7);
  CHECK(matrix.correct() == 5);
  CHECK(matrix.accuracy() == Approx(5.0 / 7));
  CHECK(matrix.count(0, 1) == 1);
  const ClassScore a = matrix.score(0);
  CHECK(a.precision == Approx(3.0 / 4));
  CHECK(a.recall == Approx(3.0 / 4));
  CHECK(a.f1 == Approx(3.0 / 4));
  CHECK(a.texts == 4);
  const ClassScore b = matrix.score(1);
  CHECK(b.precision == Approx(2.0 / 3));
  CHECK(b.recall == Approx(1.0));
  CHECK(b.f1 == Approx(0.8));
  const ClassScore c = matrix.score(2);
  CHECK(c.precision == 0.0);
  CHECK(c.recall == 0.0);
  CHECK(c.f1 == 0.0);
  CHECK(matrix.mean_score().precision == Approx((3.0 / 4 + 2.0 / 3) / 3));
  CHECK(matrix.mean_score().recall == Approx((3.0 / 4 + 1) / 3));
  CHECK(matrix.mean_score().f1 == Approx((3.0 / 4 + 0.8) / 3));
  CHECK(matrix.mean_score().texts == 7);
  CHECK(ConfusionMatrix({"a"}).accuracy() == 0.0);
}

TEST_CASE("a class out of range is refused, and nothing is counted") {
  ConfusionMatrix matrix({"a", "b"});
  CHECK(error_text<tapegrad::IndexError>([&] { matrix.add(0, 2); }) ==
        "confusion matrix: class 2 is out of range for 2 classes");
  CHECK(error_text<tapegrad::IndexError>([&] { matrix.add(-1, 0); }) ==
        "confusion matrix: class -1 is out of range for 2 classes");
  CHECK(matrix.total() == 0);
}

TEST_CASE("the report is aligned and ends with the accuracy") {
  std::ostringstream out;
  print_report(out, example(), "test");
  CHECK(out.str() ==
        "  class  precision  recall     F1  texts\n"
        "  a          0.750   0.750  0.750      4\n"
        "  b          0.667   1.000  0.800      2\n"
        "  c          0.000   0.000  0.000      1\n"
        "  mean       0.472   0.583  0.517      7\n"
        "\n"
        "  confusion matrix: rows are the true class, columns the predicted one\n"
        "     a  b  c\n"
        "  a  3  1  0\n"
        "  b  0  2  0\n"
        "  c  1  0  0\n"
        "\n"
        "95 % interval of the accuracy: 0.359 to 0.918 (5 of 7 right)\n"
        "test accuracy 0.714 (n=7)\n");
}

TEST_CASE("labels that are wide, long or many") {
  ConfusionMatrix wide({"体育", "Entertainment"});
  wide.add(0, 1);
  std::ostringstream out;
  print_report(out, wide, "test");
  CHECK(out.str().find("                 体育  Enterta~\n"
                       "  体育              0         1\n"
                       "  Entertainment     0         0\n") != std::string::npos);

  ConfusionMatrix many(std::vector<std::string>(21, "x"));
  many.add(3, 4);
  many.add(5, 5);
  std::ostringstream list;
  print_report(list, many, "dev");
  CHECK(list.str().find("the most frequent mistakes\n"
                        "  true class  predicted  texts\n"
                        "  x                   x      1\n") != std::string::npos);
  CHECK(list.str().ends_with("dev accuracy 0.500 (n=2)\n"));
}

TEST_CASE("metrics.jsonl holds one object per line") {
  const TemporaryFile file("old\n");
  MetricsLog log(file.path());
  log.write({1, 0.5, 0.75, std::nullopt, std::nullopt, 2});
  CHECK(file.content() ==
        "{\"epoch\":1,\"train_loss\":0.5,\"train_accuracy\":0.75,\"seconds\":2.0}\n");
  log.write({2, std::numeric_limits<double>::quiet_NaN(), 1, 0.25, 0.5, 3});
  CHECK(file.content().ends_with(
      "\n{\"epoch\":2,\"train_loss\":null,\"train_accuracy\":1.0,\"test_loss\":0.25,"
      "\"test_accuracy\":0.5,\"seconds\":3.0}\n"));
  CHECK(error_text<tapegrad::IoError>([] { MetricsLog("/no/such/metrics.jsonl"); }) ==
        "/no/such/metrics.jsonl: cannot write: No such file or directory");
}

TEST_CASE("a full disk is an error") {
  if (!std::filesystem::exists("/dev/full")) return;
  MetricsLog log("/dev/full");
  CHECK(error_text<tapegrad::IoError>([&] { log.write({}); }) ==
        "/dev/full: cannot write: No space left on device");
}
