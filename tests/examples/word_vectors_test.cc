// The commands of word_vectors, on vectors whose neighbors are known. Read next:
// word_vectors_picture_test.cc.
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "catch.h"
#include "common/intervals.h"
#include "examples/example_program.h"
#include "examples/grammar.h"

using namespace example_test;
namespace tg = tapegrad;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(WORD_VECTORS) {
    write_file(file("v.vec"),
               "6 2\nking 1 1\nqueen 0.8 1.2\nman 1 0\nwoman 0.8 0.2\ntree -1 0\nbush -3 0.3\n");
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("word_vectors neighbors: by angle, distance and product") {
  const Session session;
  CHECK(session.run_well("neighbors --vectors v.vec -k 2 tree king").out ==
        "tree\n"
        "    cosine  word\n"
        "    0.9950  bush\n"
        "   -0.5547  queen\n"
        "\n"
        "king\n"
        "    cosine  word\n"
        "    0.9806  queen\n"
        "    0.8575  woman\n");
  CHECK(session.run_well("neighbors --vectors v.vec -k 1 --metric euclidean man").out ==
        "man\n  distance  word\n    0.2828  woman\n");
  CHECK(session.run_well("neighbors --vectors v.vec -k 1 --metric dot man").out ==
        "man\n   product  word\n    1.0000  king\n");
  CHECK(has(session.run_well("neighbors --vectors v.vec --max-words 3 -k 9 king").out, "man"));
  CHECK(!has(session.run_well("neighbors --vectors v.vec --max-words 3 -k 9 king").out, "tree"));
}

TEST_CASE("word_vectors analogy and distance") {
  const Session session;
  CHECK(has(session.run_well("analogy --vectors v.vec man woman king -k 1").out,
            "man is to woman as king is to\n    cosine  word\n"));
  CHECK(has(session.run_well("analogy --vectors v.vec man woman king -k 1").out, "  queen\n"));
  CHECK(session.run_well("distance --vectors v.vec man tree king").out ==
        "    cosine   Euclidean  words\n"
        "   -1.0000      2.0000  man tree\n"
        "    0.7071      1.0000  man king\n"
        "   -0.7071      2.2361  tree king\n");
}

TEST_CASE("word_vectors eval: scores, intervals and coverage") {
  const Session session;
  write_file(
      session.file("pairs"),
      "# a comment\nKing\tqueen\t9\nman\tking\t5\nman\ttree\t1\nman\twoman\t8\nking\tice\t2\n");
  write_file(session.file("questions"),
             ": royal\nman woman King queen\nman woman king tree\n: none\nice snow rain hail\n");
  const std::string out =
      session.run_well("eval --vectors v.vec --similarity pairs --analogies questions").out;
  INFO(out);
  // Cosines 0.98, 0.71, -1 and 0.97 are in the order of the scores.
  CHECK(has(out,
            "pairs: Spearman's correlation x 100: 100.0 (95 % interval 100.0 to 100.0); 4 of 5 "
            "pairs have vectors\n"));
  CHECK(has(out, "         1          2        2        50.0     9.5 to 90.5  royal\n"));
  CHECK(has(out, "         0          0        1                              none\n"));
  CHECK(has(out, "         1          2        3        50.0     9.5 to 90.5  total\n"));
  CHECK(has(session.run_well("eval --vectors v.vec --similarity pairs --case").out,
            "3 of 5 pairs have vectors"));
  CHECK(has(session.run_well("eval --vectors v.vec --similarity pairs --most-frequent 1").out,
            "Spearman's correlation x 100: none; 0 of 5 pairs have vectors"));
}

TEST_CASE("spearman_interval: values by its formula, and its limits") {
  const examples::Interval interval = examples::spearman_interval(0.5, 103);
  // atanh(0.5) = 0.549306; 1.959964 sqrt(1.125 / 100) = 0.207886
  CHECK(interval.low == Approx(std::tanh(0.341420)).epsilon(1e-5));
  CHECK(interval.high == Approx(std::tanh(0.757192)).epsilon(1e-5));
  CHECK(examples::spearman_interval(0.5, 3).low == -1);
  CHECK(examples::spearman_interval(-1, 50).high == -1);
}

TEST_CASE("word_vectors convert: every format holds the same words and bits") {
  const Session session;
  write_file(session.file("random"),
             "3 4\nb\xC3\xA4r 0.1 -2e-7 3 4\nx -1 1e30 0 7.25\ny 1 2 3 4\n");
  const auto original = tg::nn::load_word_vectors(session.file("random"));
  std::string from = "random";
  for (const std::string to : {"a.bin", "a.npz", "a.safetensors", "a.vec", "b.npz", "b.bin"}) {
    CHECK(session.run_well("convert --vectors " + from + " --output " + to).out ==
          to + ": 3 vectors of 4\n");
    from = to;
  }
  session.run_well("convert --vectors b.bin --output last --format glove");
  const auto last = tg::nn::load_word_vectors(session.file("last"));
  CHECK(last.report().format == tg::nn::WordVectorsFormat::glove_text);
  CHECK(last.words() == original.words());
  CHECK(equal(last.vectors(), original.vectors()));
  CHECK(equal(tg::load(session.file("a.safetensors")).at("vectors"), original.vectors()));
  CHECK(tg::load_with_metadata(session.file("a.safetensors")).metadata.at("words") ==
        "b\xC3\xA4r\nx\ny\n");
  CHECK(tg::load_npz(session.file("a.npz")).at("words").numel() == 9);
}

TEST_CASE("word_vectors tsv: numbers without a header, and a word on each line") {
  const Session session;
  CHECK(session.run_well("tsv --vectors v.vec --output p").out == "p: 6 vectors of 2\n");
  CHECK(read_file(session.file("p_vectors.tsv")) ==
        "1\t1\n0.8\t1.2\n1\t0\n0.8\t0.2\n-1\t0\n-3\t0.3\n");
  CHECK(read_file(session.file("p_metadata.tsv")) == "king\nqueen\nman\nwoman\ntree\nbush\n");
}

TEST_CASE("word_vectors neighbors --confidence: neighbors by chance do not stay, others do") {
  const Session session;
  // Categories are what the grammar decides; the words a0 to a23 are near each other by
  // chance.
  tg::Generator generator(3);
  std::string text = grammar(4000);
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 6; ++j)
      text += "a" + std::to_string(examples::draw_below(24, generator)) + " ";
    text.back() = '\n';
  }
  write_file(session.file("text"), text);
  const Output output = session.run_well(
      "neighbors --confidence text --samples 8 --dim 40 --window 2 -k 7 c0w0 c5w3 a7");
  INFO(output.out);
  CHECK(output.out.starts_with("c0w0, in 8 bootstrap samples of text\n"));
  double shares[3] = {};
  std::size_t at = 0;
  for (double& share : shares) {
    at = output.out.find("On average, ", at);
    REQUIRE(at != std::string::npos);
    share = std::stod(output.out.substr(at + 12));
    ++at;
  }
  CHECK(shares[0] > 90);
  CHECK(shares[1] > 90);
  CHECK(shares[2] < 60);
  CHECK(session
            .run_well("neighbors --confidence text --samples 8 --dim 40 --window 2 -k 7 c0w0 "
                      "c5w3 a7")
            .out == output.out);

  // Neighbors of other vectors: one is near in the text, one is not, one is rare.
  write_file(session.file("w.vec"), "4 2\nc0w0 1 0\nc0w1 1 0.1\nc5w5 1 0.2\nrare 1 0.3\n");
  const std::string mixed =
      session.run_well("neighbors --vectors w.vec --confidence text --samples 4 --dim 40 -k 7 c0w0")
          .out;
  INFO(mixed);
  CHECK(has(mixed, "    0.9950   100 %       51 to 100"));
  CHECK(has(mixed, "    yes  c0w1\n"));
  CHECK(has(mixed, "    0.9806     0 %         0 to 49"));
  CHECK(has(mixed, "     no  c5w5\n"));
  CHECK(has(mixed, "    0.9578     0 %         0 to 49      rare     no  rare\n"));
  CHECK(has(mixed, "Also near in at least half of the samples: c0w"));
}

TEST_CASE("word_vectors: errors name what is wrong, and write nothing") {
  const Session session;
  session.require_error("", "A subcommand is required; see --help");
  session.require_error("neighbors king",
                        "neighbors: needed --vectors or --confidence; see --help");
  session.require_error("neighbors --vectors v.vec kign",
                        "most_similar: none of the 6 words is `kign`; is its case the same?");
  session.require_error("neighbors --vectors v.vec --samples 3 king",
                        "--samples: only with --confidence");
  session.require_error("eval --vectors v.vec",
                        "eval: needed --similarity or --analogies; see --help");
  CHECK(session.run("distance --vectors v.vec king").error.ends_with("; see --help\n"));
  write_file(session.file("pairs"), "a\tb\t1\na b\n");
  session.require_error("eval --vectors v.vec --similarity pairs",
                        "evaluate_similarity: pairs:2: got 1 fields, needed three: word TAB word "
                        "TAB score");
  session.require_error("convert --vectors v.vec --output none/a",
                        "cannot write none/a: there is no folder none");
  write_file(session.file("bad.npz"), "PK");
  CHECK(session.run("convert --vectors bad.npz --output a.vec").status == 1);
  tg::save(session.file("bare.safetensors"), {{"vectors", tg::ones({2, 3})}});
  session.require_error(
      "convert --vectors bare.safetensors --output a.vec",
      "load_vectors: bare.safetensors: no metadata `words`; needed the words, one "
      "on each line");
  tg::save(session.file("short.safetensors"), {{"vectors", tg::ones({2, 3})}}, {{"words", "a\n"}});
  session.require_error(
      "convert --vectors short.safetensors --output a.vec",
      "load_vectors: short.safetensors: `words` has 1 words, and `vectors` is (2, "
      "3); needed numbers (1, dim)");
  tg::save(session.file("twice.safetensors"), {{"vectors", tg::ones({2, 3})}},
           {{"words", "a\na\n"}});
  session.require_error("convert --vectors twice.safetensors --output a.vec",
                        "load_vectors: twice.safetensors: WordVectors: `a` is both word 0 and word "
                        "1, needed different words");
  tg::save_npz(session.file("odd.npz"),
               {{"vectors", tg::ones({1, 3})}, {"words", tg::tensor({300, 10})}});
  session.require_error("convert --vectors odd.npz --output a.vec",
                        "load_vectors: odd.npz: `words` has a number that is not a byte");
  write_file(session.file("faulty.vec"), "2 2\na 1 2\nb 1 x\n");
  const Output faulty = session.run_well("convert --vectors faulty.vec --output a.vec");
  CHECK(faulty.error ==
        "faulty.vec: 1 of 2 vectors were not used; the first: line 3: `x` is not a "
        "number\n");
  write_file(session.file("text"), "a b a b a b\na b a b c\n");
  session.require_error("neighbors --confidence text --min-count 2 c",
                        "most_similar: none of the 2 words is `c`; is its case the same?");
  write_file(session.file("c.vec"), "2 2\na 1 2\nc 1 3\n");
  session.require_error("neighbors --vectors c.vec --confidence text --min-count 2 c",
                        "text: `c` occurs less than 2 times; lower --min-count, or is its case the "
                        "same?");
}
