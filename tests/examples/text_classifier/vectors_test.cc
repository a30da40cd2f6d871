// Word vectors from a file, which the training may leave as they are; and which vectors a step
// moves. Read next: examples/text_classifier/training.h.
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <string>
#include <vector>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

TEST_CASE("text_classifier leaves frozen vectors unchanged to the byte", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  session.write(
      "glove.txt",
      "where 0.1 -0.2 0.3\nunseen 1 1 1\nwho 1e-3 2.5 -7\nthe 0 0 0\nparis 0.7 0.7 0.7\n");
  const std::vector<float> who = {1e-3F, 2.5F, -7.0F};
  const auto row_of_who = [&] {
    const std::vector<std::string> words = lines_in(session.text_in_model("vocabulary"));
    const auto row = std::find(words.begin(), words.end(), "who") - words.begin() - 1;
    const tapegrad::StateDict state = tapegrad::load(session.file("model/model.safetensors"));
    const tapegrad::Tensor* table = state.find("embedding.weight");
    REQUIRE(table != nullptr);
    REQUIRE(table->size(1) == 3);
    return tapegrad::to_vector<float>(select(*table, 0, row));
  };
  const Output output =
      session.train_epochs("2 --vectors glove.txt --freeze-embeddings --arch " + arch);
  CHECK(output.error.find("4 of ") != std::string::npos);
  CHECK(row_of_who() == who);
  session.train_epochs("2 --vectors glove.txt --arch " + arch);
  CHECK(row_of_who() != who);
}

TEST_CASE("text_classifier freezes the known words and trains the others", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  session.write("binary", std::string("2 1\nwho \0\0\0\x40<pad> \0\0\x80\x3F", 22));
  const auto table_after = [&](const std::string& more) {
    session.train_epochs(more + " --vectors binary --arch " + arch);
    const tapegrad::StateDict state = tapegrad::load(session.file("model/model.safetensors"));
    return tapegrad::to_vector<float>(*state.find("embedding.weight"));
  };
  const std::vector<float> first = table_after("0");
  const std::vector<float> last = table_after("9 --dropout 0 --freeze-known");
  const std::vector<std::string> words = lines_in(session.text_in_model("vocabulary"));
  REQUIRE(words.size() == first.size() + 1);
  REQUIRE(first.size() == last.size());
  std::size_t moved = 0;
  for (std::size_t id = 0; id < first.size(); ++id) {
    CAPTURE(words[id + 1]);
    if (words[id + 1] == "who") CHECK(last[id] == 2);
    if (words[id + 1] == "<pad>") CHECK(last[id] == 0);
    if (first[id] != last[id]) ++moved;
  }
  // All but padding and who; unknown too in a bag.
  CHECK(moved == first.size() - (arch == "bag" ? 3 : 2));
}

TEST_CASE("text_classifier --all-vectors keeps all words of the file", "[text_program]") {
  const Session session;
  session.write("glove.txt", "where 0.1 -0.2\nunseen 7 -8\nU.S. 1 1\nUnseen 2 2\n");
  const auto words_after = [&](const std::string& more) {
    session.train_epochs("1 --vectors glove.txt --min-count 2 " + more);
    return lines_in(session.text_in_model("vocabulary"));
  };
  const std::vector<std::string> usual = words_after("");
  const std::vector<std::string> all = words_after("--all-vectors");
  // The tokenizer splits `U.S.` into several tokens and writes `Unseen` in lowercase.
  REQUIRE(all.size() == usual.size() + 1);
  CHECK(all.back() == "unseen");
  const tapegrad::StateDict state = tapegrad::load(session.file("model/model.safetensors"));
  const tapegrad::Tensor vector = select(*state.find("embedding.weight"), 0, -1);
  CHECK(tapegrad::to_vector<float>(vector) == std::vector<float>{7, -8});
  CHECK(session.run_well("neighbors --model model UNSEEN").out.starts_with("unseen\n"));
}

TEST_CASE("text_classifier --sparse moves only the vectors of words in the batch",
          "[text_program]") {
  const Session session;
  const auto table = [&](const std::string& more) {
    session.train_epochs("3 --arch bag --dropout 0 " + more);
    return tapegrad::load(session.file("model/model.safetensors")).at("embedding.weight");
  };
  // SparseAdam adds eps in another place: that moves a vector by 1e-5, momentum moves it by 1e-2.
  const auto same = [](const tapegrad::Tensor& a, const tapegrad::Tensor& b) {
    return allclose(a, b, 0, 1e-4);
  };
  // Adam's momentum also moves other words. SGD moves none, and a batch of 8 contains all words.
  CHECK_FALSE(same(table("--batch 2"), table("--batch 2 --sparse")));
  CHECK(same(table("--batch 8"), table("--batch 8 --sparse")));
  CHECK(same(table("--batch 2 --optimizer sgd"), table("--batch 2 --optimizer sgd --sparse")));
}
