// word2vec with n-grams of characters: which vectors words have that are not in the text. Read
// next: examples/word2vec/subwords.h.
#include <tapegrad/nn/text/similarity.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "common/characters.h"
#include "common/hashing.h"
#include "examples/example_program.h"
#include "examples/grammar.h"

using namespace example_test;
namespace tg = tapegrad;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(WORD2VEC) {}
};

double held_out_loss(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name);
  INFO(text);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + name.size()));
}

}  // namespace

TEST_CASE("word2vec: words that the text does not have are near those with the same beginning") {
  const Session session;
  write_file(session.file("text"), grammar(4000));
  std::string unseen;
  for (int c = 0; c < kCategories; ++c) unseen += "c" + std::to_string(c) + "w9\n";
  write_file(session.file("more"), unseen + "\n c3w9 \nc3w5\n");  // one twice, and one of the text
  for (const std::string options :
       {"", " --arch cbow", " --simple-loss", " --loss hs --window 1 --lr 0.1"}) {
    const Output output = session.run_well(
        "--input text --output out --dim 20 --epochs 10 --subwords 3-4 --buckets 5000 "
        "--more-words more" +
        options);
    CAPTURE(options, output.out);
    CHECK(held_out_loss(output.out, "held-out loss ") <
          0.97 * held_out_loss(output.out, "(at first "));
    const auto vectors = tg::nn::load_word_vectors(session.file("out"));
    REQUIRE(vectors.size() == kCategories * (kWordsOfCategory + 1));
    CHECK(share_of_right_neighbors(vectors) > 0.9);
    for (int c = 0; c < kCategories; ++c) {
      const std::string beginning = "c" + std::to_string(c) + "w";
      for (const auto& near : most_similar(vectors, beginning + "9", 3)) {
        CHECK(near.word.starts_with(beginning));
      }
    }
  }
}

TEST_CASE("word2vec: a vector is the mean of the rows of the word and of its n-grams") {
  const Session session;
  write_file(session.file("text"), grammar(100));
  write_file(session.file("more"), "new\n");
  session.run_well(
      "--input text --output out --dim 4 --epochs 1 --subwords 3 --buckets 50 --checkpoint state "
      "--more-words more");
  const auto vectors = tg::nn::load_word_vectors(session.file("out"));
  const tg::Tensor table = tg::load(session.file("state")).at("model.input.weight");
  const std::int64_t words = kCategories * kWordsOfCategory;
  REQUIRE(table.shape() == tg::Shape{words + 50, 4});
  const auto bucket = [&](const std::string& ngram) {
    return words + examples::to_32_bits(examples::hash_of(ngram)) % 50;
  };
  const auto mean_of = [&](const std::vector<std::int64_t>& rows) {
    return mean(index_select(table, 0, tg::tensor(rows)), {0});
  };
  const std::int64_t row = *vectors.find("c3w5");
  CHECK(allclose(vectors.vector("c3w5"),
                 mean_of({row, bucket(" c3"), bucket("c3w"), bucket("3w5"), bucket("w5 ")})));
  CHECK(allclose(vectors.vector("new"), mean_of({bucket(" ne"), bucket("new"), bucket("ew ")})));
}

TEST_CASE("word2vec: n-grams do not depend on threads, and a stopped run is resumed with them") {
  const Session session;
  write_file(session.file("text"), grammar(500));
  write_file(session.file("more"), "c3w9\n");
  const std::string run =
      "--input text --dim 16 --epochs 3 --subwords 2-3 --buckets 100 --output out";
  session.run_well(run + " --checkpoint state");
  const std::string one = read_file(session.file("out"));
  session.run_well(run + " --threads 3");
  CHECK(read_file(session.file("out")) == one);
  // The vector of another word, asked for after the training.
  session.run_well(run + " --checkpoint state --resume --more-words more");
  const auto vectors = tg::nn::load_word_vectors(session.file("out"));
  CHECK(vectors.size() == kCategories * kWordsOfCategory + 1);
  CHECK(vectors.words().back() == "c3w9");
  const Output other = session.run(run + " --checkpoint state --resume --buckets 101");
  CHECK(other.error.find("--buckets: At Most 1 required") != std::string::npos);
}

TEST_CASE("word2vec: options for n-grams that are refused") {
  const Session session;
  write_file(session.file("text"), grammar(20));
  const std::string files = "--input text --output out ";
  session.require_error(files + "--subwords 6-3",
                        "--subwords is '6-3', needed the lengths of character n-grams, from 1 to "
                        "9, such as 1-5");
  session.require_error(files + "--subwords 3-6 --negatives shared",
                        "--negatives shared: not with --subwords");
  session.require_error(files + "--buckets 10", "--buckets: only with --subwords");
  session.require_error(files + "--more-words text", "--more-words: only with --subwords");
  session.require_error(files + "--subwords 3 --more-words none",
                        "cannot read none: No such file or directory");
  session.require_error(files + "--subwords 3 --more-words text",
                        "text:1: needed one word on a line");
}
