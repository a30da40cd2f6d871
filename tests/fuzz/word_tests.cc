// Fuzzes evaluate_similarity() and evaluate_analogies(). Read next: tests/fuzz/vocabulary.cc.
#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>

#include "fuzz/fuzzer.h"
#include "fuzz/memory_files.h"

namespace tapegrad::test {

void run(const std::string& input) {
  static MemoryFiles files;
  static const nn::WordVectors vectors(
      {"a", "b", "c", "d", "King", "king"},
      tensor(
          {{1.0f, 0.0f}, {0.0f, 1.0f}, {-1.0f, 0.5f}, {2.0f, 2.0f}, {0.0f, 0.0f}, {1.0f, 3.0f}}));
  static const Tensor units = vectors.unit_vectors();  // computed before the memory is measured
  files.clear();
  files["/memory/in"] = input;
  const nn::WordTestOptions options{.fold_case = input.size() % 2 == 1};
  const auto similarity = attempt(
      input.size(), [&] { return nn::evaluate_similarity(vectors, "/memory/in", options); });
  if (similarity) {
    check(0 <= similarity->covered && similarity->covered <= similarity->pairs,
          "more pairs are covered than there are");
    check(std::isnan(similarity->spearman) || std::abs(similarity->spearman) <= 1 + 1e-12,
          "a correlation is not in [-1, 1]");
  }
  const auto analogies =
      attempt(input.size(), [&] { return nn::evaluate_analogies(vectors, "/memory/in", options); });
  if (analogies) {
    std::int64_t questions = 0;
    for (const nn::AnalogyScore& score : analogies->sections) {
      check(
          0 <= score.correct && score.correct <= score.covered && score.covered <= score.questions,
          "more answers are correct than there are questions");
      questions += score.questions;
    }
    check(questions == analogies->total.questions, "the sections do not add up to the total");
  }
}

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {"\t",
                                                 " ",
                                                 "\n",
                                                 "\r\n",
                                                 "#",
                                                 ": section\n",
                                                 ":",
                                                 "a",
                                                 "king",
                                                 "a\tb\t1\n",
                                                 "a b c d\n",
                                                 "nan",
                                                 "inf",
                                                 "1e400",
                                                 "-1",
                                                 "1,5",
                                                 "\xEF\xBB\xBF",
                                                 "\xE9",
                                                 "\xC3\xA9",
                                                 std::string_view("\0", 1)};
  return mutate_text(std::move(input), random, kTokens);
}

std::vector<std::string> good_inputs() {
  return {"a\tb\t1.5\nb\tc\t3\nking\tzebra\t0.5\n", "# comment\n\nA\tKing\t10\r\na\td\t2",
          ": one\na b c d\nking a b c\n: two\na a b zebra\n",
          "\xEF\xBB\xBF"
          "a\tb\t1\n"};
}

}  // namespace tapegrad::test
