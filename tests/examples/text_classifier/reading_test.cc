// Small files as people have them, and what must come of each: the line that says what was taken
// and the first text with its label, or the error.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"
#include "text_classifier/corpus.h"

using namespace text_classifier;
using tapegrad::test::error_text;
using std::string_literals::operator""s;

namespace {

struct File {
  std::string name;
  std::string content;
  std::string description;  // of the corpus; `error: ...` of reading, `train: ...` of training
  std::string first{};      // `text -> label` of the first row
  Reading reading{};
};

std::string without_path(std::string text, const std::string& path) {
  return text.starts_with(path + ":") ? text.substr(path.size() + 1) : text;
}

std::string outcome_of(const std::string& path, const Reading& reading, std::string& first) {
  try {
    const Corpus corpus = read_corpus(path, "train", reading);
    first = corpus.rows[0].text + " -> " + corpus.rows[0].label;
    try {
      check_trainable(corpus, reading);
    } catch (const tapegrad::FormatError& error) {
      return "train: " + without_path(error.what(), path);
    }
    return description(corpus);
  } catch (const tapegrad::Error& error) {
    return "error: " + without_path(error.what(), path);
  }
}

// Rows of `text SEPARATOR label` or the other way round, long enough for counts to tell.
std::string rows(const std::string& pattern, int count = 12) {
  const char* const texts[] = {"the film is good", "what a bore it was", "an old story well told"};
  const char* const labels[] = {"pos", "neg", "pos"};
  std::string all;
  for (int i = 0; i < count; ++i) {
    for (const char c : pattern) {
      if (c == 'T') {
        all += std::string(texts[i % 3]) + " " + std::to_string(i);
      } else if (c == 'L') {
        all += labels[i % 3];
      } else if (c == 'I') {
        all += std::to_string(1000 + i);
      } else if (c == 'N') {
        all += std::to_string(i % 2);
      } else {
        all += c;
      }
    }
    all += '\n';
  }
  return all;
}

std::string utf16(std::string_view ascii, bool big_endian) {
  std::string bytes = big_endian ? "\xFE\xFF" : "\xFF\xFE";
  for (const char c : ascii) bytes += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  return bytes;
}

// `the film is good 0 TAB pos` and so on, compressed by gzip.
const std::string kGzip =
#include "gzip_file.inc"
    ;

const std::string kGood = "the film is good 0 -> pos";
const std::string kText1 = "text: column 1, label: column 2";
const std::string kText2 = "text: column 2, label: column 1";

std::vector<File> files() {
  const std::string twelve = "12 texts, 2 classes; ";
  return {
      // Two columns, either order.
      {"tab, label last", rows("T\tL"), twelve + kText1, kGood},
      {"tab, label first (SMS Spam Collection)", rows("L\tT"), twelve + kText2, kGood},
      {"tab, stray quotes", rows("\"T\tL"), twelve + kText1, "\"" + kGood},
      {"tab, tabs in texts", rows("T\tL") + "one\ttwo\tpos\n", "13 texts, 2 classes; " + kText1,
       kGood},
      {"csv, label first", rows("L,T"), twelve + kText2, kGood},
      {"csv, label last", rows("T,L"), twelve + kText1, kGood},
      {"csv, quotes", rows("\"T\",\"L\""), twelve + kText1, kGood},
      {"csv, a comma in a text without quotes", rows("T,L") + "well, well,neg\n",
       "13 texts, 2 classes; " + kText1, kGood},
      {"csv, numbers as labels", rows("N,T"), twelve + kText2, "the film is good 0 -> 0"},
      {"semicolons", rows("L;T"), twelve + kText2, kGood},
      {"semicolons and quotes", rows("\"T\";\"L\""), twelve + kText1, kGood},
      {"semicolons, Excel's first line", "sep=;\n" + rows("T;L"), twelve + kText1, kGood},
      {"bars", rows("L|T"), twelve + kText2, kGood},
      {"space (SST)", rows("N T"), twelve + "label and text", "the film is good 0 -> 0"},
      {"space, commas in texts", rows("N T, they say, and well"), twelve + "label and text",
       "the film is good 0, they say, and well -> 0"},

      // Headers.
      {"GLUE", "sentence\tlabel\n" + rows("T\tN"),
       twelve + "text: column 1 `sentence`, label: column 2 `label`, header skipped",
       "the film is good 0 -> 0"},
      {"category,message", "Category,Message\n" + rows("L,T"),
       twelve + "text: column 2 `Message`, label: column 1 `Category`, header skipped", kGood},
      {"spam.csv of Kaggle", "v1,v2,,,\n" + rows("L,T,,,"),
       twelve + "text: column 2 `v2`, label: column 1 `v1`, header skipped", kGood},
      {"text,label", "text,label\n" + rows("T,L"),
       twelve + "text: column 1 `text`, label: column 2 `label`, header skipped", kGood},
      {"id,text,label", "id,text,label\n" + rows("I,T,L"),
       twelve + "text: column 2 `text`, label: column 3 `label`, header skipped", kGood},
      {"IMDB", "review,sentiment\n" + rows("\"T\",L"),
       twelve + "text: column 1 `review`, label: column 2 `sentiment`, header skipped", kGood},
      {"AG News of the publisher", "Class Index,Title,Description\n" + rows("N,\"T\",\"T again\""),
       twelve + "text: column 2 `Title` and column 3 `Description`, label: column 1 `Class Index`, "
                "header skipped",
       "the film is good 0 the film is good 0 again -> 0"},
      {"capitals", "TEXT,LABEL\n" + rows("T,L"),
       twelve + "text: column 1 `TEXT`, label: column 2 `LABEL`, header skipped", kGood},
      {"unknown names", "Satz;Urteil\n" + rows("T;L", 24),
       "24 texts, 2 classes; text: column 1 `Satz`, label: column 2 `Urteil`, header skipped",
       kGood},
      {"a label called text", rows("T\tL") + "a word\ttext\nmore words\ttext\n",
       "14 texts, 3 classes; " + kText1, kGood},
      {"header, said",
       "a,b\n" + rows("T,L"),
       twelve + "text: column 1 `a`, label: column 2 `b`, header skipped",
       kGood,
       {.header = true}},
      {"no header, said",
       "text,label\n" + rows("T,L"),
       "13 texts, 3 classes; " + kText1,
       "text -> label",
       {.header = false}},

      // More columns.
      {"id, text, label without header", rows("I,T,L"), twelve + "text: column 2, label: column 3",
       kGood},
      {"label, title, text", rows("N,\"T\",\"T again\""),
       twelve + "text: column 2 and column 3, label: column 1",
       "the film is good 0 the film is good 0 again -> 0"},
      {"CoLA", rows("gj04\tN\t\tT"), twelve + "text: column 4, label: column 2",
       "the film is good 0 -> 0"},
      {"a constant last column", rows("T,L,x"), twelve + kText1, kGood},
      {"a constant number last", rows("T,L,1"), twelve + kText1, kGood},
      {"sentiment140", rows("N,I,Mon Apr 06,NO_QUERY,userI,\"T\""),
       twelve + "text: column 6, label: column 1", "the film is good 0 -> 0"},
      {"columns by number",
       rows("T,L,N"),
       twelve + "text: column 1, label: column 3",
       "the film is good 0 -> 0",
       {.text_column = "1", .label_column = "3"}},
      {"columns by name",
       "a,b,c\n" + rows("T,L,N"),
       twelve + "text: column 1 `a`, label: column 2 `b`, header skipped",
       kGood,
       {.text_column = "a", .label_column = "b", .header = true}},
      {"two columns of text, said",
       rows("T,more,L"),
       twelve + "text: column 1 and column 2, label: column 3",
       "the film is good 0 more -> pos",
       {.text_column = "1,2"}},
      {"a model's labels decide",
       rows("L,T,N"),
       twelve + kText2,
       kGood,
       {.labels = {"pos", "neg"}}},

      // JSON.
      {"JSON lines", rows("{\"text\": \"T\", \"label\": \"L\"}"),
       twelve + "text: column 1 `text`, label: column 2 `label`", kGood},
      {"JSON, numbers and ids", rows("{\"idx\": I, \"sentence\": \"T\", \"label\": N}"),
       twelve + "text: column 2 `sentence`, label: column 3 `label`", "the film is good 0 -> 0"},
      {"JSON, keys said",
       rows("{\"a\": \"T\", \"b\": \"L\", \"c\": N}"),
       twelve + "text: column 1 `a`, label: column 2 `b`",
       kGood,
       {.text_column = "a", .label_column = "b"}},
      {"JSON, a list",
       "[{\"text\": \"a b\", \"label\": \"x\"},\n {\"text\": \"c d\", \"label\": \"y\"}]\n",
       "2 texts, 2 classes; text: column 1 `text`, label: column 2 `label`", "a b -> x"},
      {"JSON, escapes",
       "{\"text\": \"caf\\u00e9\\nbar\", \"label\": \"x\"}\n"
       "{\"text\": \"b\", \"label\": \"y\"}\n",
       "2 texts, 2 classes; text: column 1 `text`, label: column 2 `label`", "café\nbar -> x"},

      // fastText and TREC.
      {"fastText", rows("__label__L T"), twelve + "fastText", kGood},
      {"fastText, label last", rows("T __label__L"), twelve + "fastText", kGood},
      {"TREC", "HUM:ind Who is it ?\nLOC:city Where is it ?\n", "2 texts, 2 classes; TREC",
       "Who is it ? -> HUM"},

      // Encodings and line ends.
      {"byte order mark", "\xEF\xBB\xBF" + rows("T\tL"), twelve + kText1, kGood},
      {"Latin-1", "caf\xE9 noir\tpos\nmauvais\tneg\n", "2 texts, 2 classes; " + kText1,
       "café noir -> pos"},
      {"Windows-1252", "\x93well\x94 it\x92s \x80 5\tpos\nbad\tneg\n",
       "2 texts, 2 classes; " + kText1, "“well” it’s € 5 -> pos"},
      {"UTF-16, little endian", utf16(rows("T\tL"), false), twelve + kText1, kGood},
      {"UTF-16, big endian", utf16(rows("T\tL"), true), twelve + kText1, kGood},
      {"CRLF", "good film\tpos\r\nbad film\tneg\r\n", "2 texts, 2 classes; " + kText1,
       "good film -> pos"},
      {"CR only", "good film\tpos\rbad film\tneg\r", "2 texts, 2 classes; " + kText1,
       "good film -> pos"},
      {"no last line end", "good film\tpos\nbad film\tneg", "2 texts, 2 classes; " + kText1,
       "good film -> pos"},
      {"gzip", kGzip, twelve + kText1, kGood},

      // Texts.
      {"rows without text", rows("T\tL") + "\tpos\n  \tneg\n",
       twelve + kText1 + "; 2 rows without text skipped", kGood},
      {"\\n as two characters", rows("T\\n\tL"), twelve + kText1, kGood},
      {"\\n inside", rows("so\\nT\tL"), twelve + kText1, "so " + kGood},
      {"backslashes that are none of these", rows("C:\\dir T\tL"), twelve + kText1,
       "C:\\dir " + kGood},
      {"HTML in a CSV", "a,it #39;s &amp; on\nb,x\n", "2 texts, 2 classes; " + kText2,
       "it 's & on -> a"},

      // Refused, with the reason and the remedy.
      {"one class", rows("T\tpos"),
       "train: 1: all 12 texts have the label `pos` in column 2, needed two or more; name the "
       "columns with --text-col and --label-col",
       kGood},
      {"texts as labels", rows("I\tT"),
       "train: 1: 12 different labels for 12 texts in column 2, such as `the film is good 0`: "
       "these "
       "look like texts or ids, not classes; name the columns with --text-col and --label-col",
       "1000 -> the film is good 0"},
      {"a label over two lines", "\"a\nb\",text\nc,more text\n",
       "error: 1: a label has several lines; is a quote missing?"},
      {"two labels", rows("__label__a , __label__b T"),
       "error: 1: two labels; needed one label for each text, or --multi-label"},
      {"no label", "just a text\nand another one\n",
       "error: 1: no label; expected `text<TAB>label`, `LABEL:sub text`, `__label__X text` or CSV"},
      {"empty", "", "error: 1: empty file; expected a labeled text on each line"},
      {"header only", "text,label\n", "error: 1: no labeled text after the header"},
      {"an open quote", "a,\"b\nc,d\n", "error: 1: quote is never closed"},
      {"a line without a label", rows("T\tL") + "no tab here\n",
       "error: 13: no label; expected `text<TAB>label`"},
      {"binary", "a\tb\n\0\1"s, "error: 2: NUL byte: this is binary, not text"},
      {"damaged gzip", kGzip.substr(0, 40), "error:  damaged gzip file: it was cut off"},
      {"JSON, damaged", "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": }\n",
       "error: 2: not valid JSON; expected an object such as `{\"text\": ..., \"label\": ...}`"},
      {"no such column",
       rows("T,L"),
       "error: 1: --label-col: there is no column `klass`; there are 2, without names",
       "",
       {.label_column = "klass"}},
      {"no such name",
       "text,label\n" + rows("T,L"),
       "error: 1: --text-col: there is no column `body`; there are 2: text, label",
       "",
       {.text_column = "body"}},
  };
}

}  // namespace

TEST_CASE("files as people have them") {
  const std::vector<File> all = files();
  CHECK(all.size() >= 60);
  for (const File& file : all) {
    INFO(file.name);
    const TemporaryFile written(file.content);
    std::string first;
    const std::string outcome = outcome_of(written.path(), file.reading, first);
    CHECK(outcome == file.description);
    CHECK(first == file.first);
    CHECK(outcome.size() < 300);
  }
}

TEST_CASE("messages about long labels are short") {
  const std::string word(3'000'000, 'x');
  const TemporaryFile file("a b c\t" + word + "\nc d e\tpos\n");
  const Corpus corpus = read_corpus(file.path());
  const std::string text = error_text<tapegrad::FormatError>([&] { label_ids(corpus, {"pos"}); });
  CHECK(text.size() < 300);
  CHECK(text.find("label `" + std::string(60, 'x') + "...` is unknown") != std::string::npos);
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) many.push_back("label" + std::to_string(i));
  CHECK(error_text<tapegrad::FormatError>([&] {
          label_ids(corpus, many);
        }).ends_with("label9 and 990 more"));
}

TEST_CASE("a small gzip file that becomes huge is refused") {
  const TemporaryFile file("");
  const std::string command =
      "head -c 100000000 /dev/zero | tr '\\0' a | gzip -9 > '" + file.path() + "'";
  if (std::system(command.c_str()) != 0) return;
  CHECK(error_text<tapegrad::FormatError>([&] {
          read_corpus(file.path());
        }).find("more than 200 times as large") != std::string::npos);
}
