// The four formats and their detection, the errors in each, and the real data sets if they exist.
#include "text_classifier/corpus.h"

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace text_classifier;
using tapegrad::test::error_text;

namespace {

Corpus corpus_of(std::string_view content) { return read_corpus(TemporaryFile(content).path()); }

// The message after the path: `2: no label; ...`.
std::string corpus_error(std::string_view content) {
  const TemporaryFile file(content);
  const std::string text = error_text<tapegrad::FormatError>([&] { read_corpus(file.path()); });
  if (!text.starts_with(file.path() + ":")) return text;
  return text.substr(file.path().size() + 1);
}

}  // namespace

TEST_CASE("text TAB label") {
  const Corpus corpus = corpus_of("Who wrote it?\tHUM\r\n\n  \nHow, and\twhy? \t DESC \n");
  CHECK(corpus.format == Format::kTab);
  REQUIRE(corpus.rows.size() == 2);
  CHECK(corpus.rows[0].text == "Who wrote it?");
  CHECK(corpus.rows[0].label == "HUM");
  CHECK(corpus.rows[0].line == 1);
  CHECK(corpus.rows[1].text == "How, and\twhy?");
  CHECK(corpus.rows[1].label == "DESC");
  CHECK(corpus.rows[1].line == 4);
}

TEST_CASE("TREC: the label is the part before the colon") {
  const Corpus corpus = corpus_of("DESC:manner How, then ?\nHUM:ind Who : he ?\n");
  CHECK(corpus.format == Format::kTrec);
  REQUIRE(corpus.rows.size() == 2);
  CHECK(corpus.rows[0].label == "DESC");
  CHECK(corpus.rows[0].text == "How, then ?");
  CHECK(corpus.rows[1].text == "Who : he ?");
}

TEST_CASE("TREC in Latin-1") {
  const Corpus corpus = corpus_of("LOC:city Where is S\xE3o Paulo ?\nHUM:ind Who was Ren\xE9 ?\n");
  CHECK(corpus.rows[0].text == "Where is São Paulo ?");
  CHECK(corpus.rows[1].text == "Who was René ?");
}

TEST_CASE("fastText") {
  const Corpus corpus = corpus_of("__label__2 one , two\n__label__a-b\tthree\n");
  CHECK(corpus.format == Format::kFastText);
  REQUIRE(corpus.rows.size() == 2);
  CHECK(corpus.rows[0].label == "2");
  CHECK(corpus.rows[0].text == "one , two");
  CHECK(corpus.rows[1].label == "a-b");
  CHECK(corpus.rows[1].text == "three");
}

TEST_CASE("CSV: the label, and the other fields joined") {
  const Corpus corpus = corpus_of("\"3\",\"Fears\",\"Unions\nsay\"\n\"4\",\"The #39;race\"\n");
  CHECK(corpus.format == Format::kCsv);
  REQUIRE(corpus.rows.size() == 2);
  CHECK(corpus.rows[0].label == "3");
  CHECK(corpus.rows[0].text == "Fears Unions\nsay");
  CHECK(corpus.rows[1].text == "The 'race");
  CHECK(corpus.rows[1].line == 3);

  const Corpus with_header = corpus_of("Class Index,Title\n1,hello there\n2,bye\n");
  CHECK(with_header.format == Format::kCsv);
  REQUIRE(with_header.rows.size() == 2);
  CHECK(with_header.rows[0].label == "1");
}

TEST_CASE("one odd line does not change the format") {
  CHECK(corpus_of("NASA:probe launched when?\tNUM\nWho, me?\tHUM\n").format == Format::kTab);
  CHECK(corpus_of("\"Hello,\" who said?\tHUM\n").format == Format::kTab);
  CHECK(corpus_error("Who?\tHUM\nWhere is it\nWhen?\tNUM\n") ==
        "2: no label; expected `text<TAB>label`");
  CHECK(corpus_error("HUM:ind Who ?\nWhere is it ?\nNUM:date When ?\n") ==
        "2: no label; expected `LABEL:sub text`");
  CHECK(corpus_error("__label__a x\ny\n__label__b z\n") ==
        "2: no label; expected `__label__X text`");
  CHECK(corpus_error("1,x\n2\n3,y\n") == "2: no label; expected `label,text`");
  CHECK(corpus_error("1;x\n2\n3;y\n1;z\n3;a\n1;b\n") == "2: no label; expected `label;text`");
  CHECK(corpus_error("1|x\n2\n3|y\n1|z\n3|a\n1|b\n") == "2: no label; expected `label|text`");
  CHECK(corpus_error("{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\"}\n") ==
        "2: no label; expected an object such as `{\"text\": ..., \"label\": ...}`");
}

TEST_CASE("files without labeled texts are refused with the line") {
  CHECK(corpus_error("") == "1: empty file; expected a labeled text on each line");
  CHECK(corpus_error("\n \n") == "1: empty file; expected a labeled text on each line");
  CHECK(corpus_error("\nhello there\n") ==
        "2: no label; expected `text<TAB>label`, `LABEL:sub text`, `__label__X text` or CSV");
  CHECK(corpus_error(std::string_view("a\tb\n\0\x01", 6)) ==
        "2: NUL byte: this is binary, not text");
  CHECK(corpus_error("1,\"a\"\n2,\"b\n3,c\n") == "2: quote is never closed");
  CHECK(corpus_error("a\tb\nc\t \n") == "2: no label; expected `text<TAB>label`");
  CHECK(corpus_error("\tb\n\tc\n") == "1: no row has a text");
  CHECK(corpus_of("a\tb\n\tc\n").without_text == 1);
  CHECK(corpus_of("1,a\n2,\n").without_text == 1);
  CHECK(corpus_error("1,a\n,b\n") == "2: no label; expected `label,text`");
  CHECK(corpus_error("1,a b\n\"2\n3\",b c d\n") ==
        "2: a label has several lines; is a quote missing?");
  CHECK(corpus_error("label,text\n") == "1: no labeled text after the header");
  CHECK(corpus_error("__label__a __label__b x\n") ==
        "1: two labels; needed one label for each text, or --multi-label");
  CHECK(error_text<tapegrad::IoError>([] { read_corpus("/no/such"); }) ==
        "read_text: cannot open /no/such: No such file or directory");
}

TEST_CASE("labels become ids, and the error names an unknown label and its line") {
  const Corpus corpus = corpus_of("a\tLOC\nb\tHUM\nc\tLOC\n");
  CHECK(label_names(corpus) == std::vector<std::string>{"HUM", "LOC"});
  CHECK(label_ids(corpus, {"HUM", "LOC"}) == std::vector<std::int64_t>{1, 0, 1});
  CHECK(error_text<tapegrad::FormatError>([&] {
          label_ids(corpus, {"LOC", "NUM"});
        }) == corpus.path + ":2: label `HUM` is unknown; the known ones are LOC, NUM");
}

TEST_CASE("the remains of HTML are removed, and nothing else") {
  CHECK(plain_text("Turner  #39;s  #36;10 quot;Yes quot; AT amp;T") ==
        "Turner  's  $10 \"Yes \" AT &T");
  CHECK(plain_text("a &amp; b &#8212; caf&#233;") == "a & b — café");
  CHECK(plain_text("a second\\team\\\\of") == "a second team  of");
  CHECK(plain_text("&lt;A HREF=\"x\"&gt;DIS.N&lt;/A&gt; rose") == " DIS.N  rose");
  CHECK(plain_text("3 < 4 > 2; x <= y") == "3 < 4 > 2; x <= y");
  CHECK(plain_text("caf#233; page_quot;") == "caf#233; page_\"");
  CHECK(plain_text("it #151;now #; #99999999; #12a; quota; &") ==
        "it  now #; #99999999; #12a; quota; &");
  CHECK(plain_text("open <b and no end") == "open <b and no end");
}

TEST_CASE("all texts of the real data sets are read") {
  const auto folder = data_folder();
  if (!folder) return;
  struct Expected {
    const char* file;
    Format format;
    std::size_t rows;
    std::size_t labels;
  };
  for (const Expected& set : {Expected{"/trec/train_5500.label", Format::kTrec, 5452, 6},
                              Expected{"/trec/TREC_10.label", Format::kTrec, 500, 6},
                              Expected{"/ag_news/train_23690.csv", Format::kCsv, 23690, 4},
                              Expected{"/ag_news/test.csv", Format::kCsv, 7600, 4},
                              Expected{"/thucnews/dev.txt", Format::kTab, 10000, 10},
                              Expected{"/thucnews/test.txt", Format::kTab, 10000, 10}}) {
    CAPTURE(set.file);
    const Corpus corpus = read_corpus(*folder + set.file);
    CHECK(corpus.format == set.format);
    CHECK(corpus.rows.size() == set.rows);
    CHECK(label_names(corpus).size() == set.labels);
  }
}
