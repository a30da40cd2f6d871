// Fuzzes parse_csv(), and read_corpus() with CSV and with text<TAB>label. Read next:
// tests/fuzz/trec.cc.
#include <tapegrad/nn/text/csv.h>

#include "fuzz/corpus.h"

namespace tapegrad::test {
namespace {

std::string csv_text(const std::vector<nn::CsvRow>& rows) {
  std::string text;
  for (const nn::CsvRow& row : rows) {
    for (std::size_t i = 0; i < row.fields.size(); ++i) {
      text += i == 0 ? "\"" : ",\"";
      for (const char c : row.fields[i]) text.append(c == '"' ? 2 : 1, c);
      text += '"';
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace

void run(const std::string& input) {
  static const std::string name = "rows.csv";
  const auto rows = attempt(
      input.size(), [&] { return nn::parse_csv(input, name); }, kCorpusFactor);
  if (rows) {
    const std::vector<nn::CsvRow> again = nn::parse_csv(csv_text(*rows), name);
    check(again.size() == rows->size(), "the number of rows differs after they were written");
    std::int64_t line = 0;
    for (std::size_t i = 0; i < again.size(); ++i) {
      check((*rows)[i].fields == again[i].fields, "a row differs after it was written");
      check(!again[i].fields.empty(), "a row has no fields");
      check((*rows)[i].line > line, "the lines do not increase");
      line = (*rows)[i].line;
    }
  }
  check_corpus(input);
}

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {",",
                                                 "\"",
                                                 "\"\"",
                                                 "\",\"",
                                                 "\n",
                                                 "\r\n",
                                                 "\r",
                                                 "\"a\nb\"",
                                                 "label,text\n",
                                                 "\xEF\xBB\xBF",
                                                 "\t",
                                                 " ",
                                                 "#39;",
                                                 "quot;",
                                                 "&lt;",
                                                 "<b>",
                                                 "</b>",
                                                 "&#",
                                                 "\\",
                                                 "a\tB\n",
                                                 "\"1\",\"x\"\n",
                                                 "\xE9",
                                                 "\xC3\xA9",
                                                 std::string_view("\0", 1),
                                                 "__label__a b\n",
                                                 "HUM:x y\n"};
  return mutate_text(std::move(input), random, kTokens);
}

std::vector<std::string> good_inputs() {
  return {
      "label,text\nA,who wrote it\nB,where\n",
      "\"1\",\"Who, \"\"me\"\"?\",\"two\nlines #39;s &lt;b&gt; <b>x</b>\\\"\r\n\"2\",\"b\",\"\"",
      "\xEF\xBB\xBF"
      "\"A\",\"b\"\n\n\"C\",\"d\"\n",
      "who wrote it\tA\nwhere\tB\n", "caf\xE9 au lait, please\tA\n"};
}

}  // namespace tapegrad::test
