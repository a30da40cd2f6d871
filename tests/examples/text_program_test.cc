// The program as a whole. Each command runs in a process of its own; the tests check what it
// prints, which files it writes, and the errors for bad input. Read next:
// examples/text_classifier/main.cc.
#include <sys/wait.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "catch.h"
#include "examples/without_descriptions.h"
#include "tensor/temporary_folder.h"

namespace {

using tapegrad::test::TemporaryFolder;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  REQUIRE(file.flush());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

struct Output {
  int status = 0;  // after a crash, 128 plus the number of the signal
  std::string out;
  std::string error;
};

// Texts of two classes; one word is enough to separate them.
constexpr std::string_view kTrain =
    "who wrote it\tHUM\nwho is the king\tHUM\nwho was that\tHUM\nwho sang\tHUM\n"
    "where is Paris\tLOC\nwhere is the city\tLOC\nwhere was that\tLOC\nwhere to\tLOC\n";
constexpr std::string_view kTest = "who sang\tHUM\nwhere is Rome\tLOC\nwho was that\tHUM\n";

// The program runs in this folder, which holds training and test texts.
class Session {
 public:
  Session() {
    write(file("train.tsv"), kTrain);
    write(file("test.tsv"), kTest);
  }

  std::string file(const std::string& name) const { return folder_.file(name); }

  Output run(const std::string& arguments, std::string_view input = "") const {
    write(file("stdin"), input);
    const std::string command =
        "cd '" + folder_.path() + "' && '" TEXT_CLASSIFIER "' " + arguments +
        (arguments.find("0<") == std::string::npos ? " <stdin" : "") + " >stdout 2>stderr";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read(file("stdout")),
            read(file("stderr"))};
  }

  Output run_well(const std::string& arguments, std::string_view input = "") const {
    const Output output = run(arguments, input);
    INFO(arguments << "\n" << output.error);
    REQUIRE(output.status == 0);
    return output;
  }

  // Trains a small model in `model`; `more` begins with the number of epochs.
  Output train(const std::string& more = "") const {
    const std::string hidden = more.find("--hidden") == std::string::npos ? " --hidden 5" : "";
    return run_well("train --train train.tsv --test test.tsv --dim 4 --out model" + hidden +
                    " --epochs " + (more.empty() ? "2" : more));
  }

 private:
  TemporaryFolder folder_;
};

// Requires status 1 and an error of one line after the descriptions of the files, which begins with
// the program's name and contains `expected`.
void require_error(const Session& session, const std::string& arguments,
                   const std::string& expected, std::string_view input = "") {
  Output output = session.run(arguments, input);
  INFO(arguments << "\n" << output.error);
  output.error = without_descriptions(output.error);
  CHECK(output.status == 1);
  CHECK(output.out.empty());
  CHECK(std::count(output.error.begin(), output.error.end(), '\n') == 1);
  CHECK(output.error.starts_with("text_classifier: "));
  // The user knows commands and files, but no functions of the libraries.
  for (const char* internal : {"read_text", "read_file", "write_file", "filesystem", "[json",
                               "std::", "basic_string", "vector::", "OnnxGraph::save"}) {
    CAPTURE(internal);
    CHECK_FALSE(output.error.starts_with(std::string("text_classifier: ") + internal));
  }
  CHECK(output.error.find("json.exception") == std::string::npos);
  CHECK(output.error.find(expected) != std::string::npos);
}

const std::array<const char*, 2> kModelFiles = {"model/model.safetensors", "model/metrics.jsonl"};

std::vector<std::string> model_bytes(const Session& session) {
  std::vector<std::string> bytes;
  for (const char* name : kModelFiles) bytes.push_back(read(session.file(name)));
  return bytes;
}

// A text in the file of the model: `vocabulary` or `settings`.
std::string text_in_model(const Session& session, const std::string& key) {
  return tapegrad::load_with_metadata(session.file("model/model.safetensors")).metadata.at(key);
}

// Changes the model into a folder as older versions wrote it, with three files.
void make_older(const Session& session) {
  session.run_well(
      "export --model model --vocabulary model/vocabulary.txt --settings model/settings.json");
  const std::string path = session.file("model/model.safetensors");
  tapegrad::save(path, tapegrad::load(path));
}

}  // namespace

TEST_CASE("text_classifier trains, tests and answers", "[text_program]") {
  const std::string arch = GENERATE(
      "bag", "rnn", "bag --ngrams 2", "rnn --ngrams 9", "rnn --pool last", "rnn --pool mean",
      "lstm", "gru --pool mean", "lstm --pool last --bidirectional --layers 2",
      "gru --bidirectional", "cnn", "cnn --filters 3 --ngrams 2", "rnn --bidirectional --layers 2",
      "attention --hidden 16 --heads 2 --layers 2");
  CAPTURE(arch);
  const Session session;
  const Output trained = session.train("30 --lr 0.05 --dropout 0 --arch " + arch);
  const std::string accuracy = lines_of(trained.out).back();
  CHECK(accuracy == "test accuracy 1.000 (n=3)");
  for (const char* name : kModelFiles) CHECK(std::filesystem::exists(session.file(name)));

  const std::vector<std::string> metrics = lines_of(read(session.file("model/metrics.jsonl")));
  REQUIRE(metrics.size() == 30);
  CHECK(metrics[0].starts_with("{\"epoch\":1,\"train_loss\":"));
  CHECK(metrics[29].find("\"test_accuracy\":1.0") != std::string::npos);

  CHECK(session.run_well("eval --model model --test test.tsv").out == trained.out);

  const Output answers = session.run_well("predict --model model 'where is Paris' 'who sang?'");
  const std::vector<std::string> lines = lines_of(answers.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("LOC  "));
  CHECK(lines[0].ends_with("  where is Paris"));
  CHECK(lines[1].starts_with("HUM  "));
  CHECK(lines[1].ends_with("  who sang?"));
  CHECK(session.run_well("predict --model model", "where is Paris\r\n\n who sang?").out ==
        answers.out);
}

TEST_CASE("text_classifier predicts a text without words, and the name of a command",
          "[text_program]") {
  const Session session;
  session.train();
  const std::vector<std::string> lines =
      lines_of(session.run_well("predict --model model '' train '\xE3\x80\x80'").out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].ends_with("  train"));
  CHECK(session.run_well("predict --model model").out.empty());
}

TEST_CASE("text_classifier neighbors prints the nearest words of each word", "[text_program]") {
  const Session session;
  session.train("2 --ngrams 2");
  const std::vector<std::string> lines =
      lines_of(session.run_well("neighbors --model model --count 3 WHO 'who is'").out);
  REQUIRE(lines.size() == 10);
  CHECK(lines[0] == "who");
  CHECK(lines[1].find("cosine similarity") != std::string::npos);
  CHECK(lines[5] == "who is");
  for (const std::string& line : lines) {
    CHECK(line.find("<pad>") == std::string::npos);
    CHECK(line.find("<unk>") == std::string::npos);
  }
  require_error(session, "neighbors --model model who Rome", "the vocabulary has no 'Rome'");
  require_error(session, "neighbors --model model '<pad>'", "the vocabulary has no '<pad>'");
  CHECK(session.run_well("neighbours --model model who").out ==
        session.run_well("neighbors --model model who").out);
}

TEST_CASE("text_classifier leaves frozen vectors unchanged to the byte", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  write(session.file("glove.txt"),
        "where 0.1 -0.2 0.3\nunseen 1 1 1\nwho 1e-3 2.5 -7\nthe 0 0 0\nparis 0.7 0.7 0.7\n");
  const std::vector<float> who = {1e-3F, 2.5F, -7.0F};
  const auto row_of_who = [&] {
    const std::vector<std::string> words = lines_of(text_in_model(session, "vocabulary"));
    const auto row = std::find(words.begin(), words.end(), "who") - words.begin() - 1;
    const tapegrad::StateDict state = tapegrad::load(session.file("model/model.safetensors"));
    const tapegrad::Tensor* table = state.find("embedding.weight");
    REQUIRE(table != nullptr);
    REQUIRE(table->size(1) == 3);
    return tapegrad::to_vector<float>(select(*table, 0, row));
  };
  const Output output = session.train("2 --vectors glove.txt --freeze-embeddings --arch " + arch);
  CHECK(output.error.find("4 of ") != std::string::npos);
  CHECK(row_of_who() == who);
  session.train("2 --vectors glove.txt --arch " + arch);
  CHECK(row_of_who() != who);
}

TEST_CASE("text_classifier freezes the known words and trains the others", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  write(session.file("binary"), std::string("2 1\nwho \0\0\0\x40<pad> \0\0\x80\x3F", 22));
  const auto table_after = [&](const std::string& more) {
    session.train(more + " --vectors binary --arch " + arch);
    const tapegrad::StateDict state = tapegrad::load(session.file("model/model.safetensors"));
    return tapegrad::to_vector<float>(*state.find("embedding.weight"));
  };
  const std::vector<float> first = table_after("0");
  const std::vector<float> last = table_after("9 --dropout 0 --freeze-known");
  const std::vector<std::string> words = lines_of(text_in_model(session, "vocabulary"));
  REQUIRE(words.size() == first.size() + 1);
  REQUIRE(first.size() == last.size());
  std::size_t moved = 0;
  for (std::size_t id = 0; id < first.size(); ++id) {
    CAPTURE(words[id + 1]);
    if (words[id + 1] == "who") CHECK(last[id] == 2);
    if (words[id + 1] == "<pad>") CHECK(last[id] == 0);
    if (first[id] != last[id]) ++moved;
  }
  CHECK(moved == first.size() - 2);  // all but padding and who
}

TEST_CASE("text_classifier --all-vectors keeps all words of the file", "[text_program]") {
  const Session session;
  write(session.file("glove.txt"), "where 0.1 -0.2\nunseen 7 -8\nU.S. 1 1\nUnseen 2 2\n");
  const auto words_after = [&](const std::string& more) {
    session.train("1 --vectors glove.txt --min-count 2 " + more);
    return lines_of(text_in_model(session, "vocabulary"));
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

TEST_CASE("text_classifier --train-limit trains on some of the texts, drawn by the seed",
          "[text_program]") {
  const Session session;
  const auto vocabulary = [&](const std::string& more) {
    const Output output = session.train("1 --train-limit " + more);
    CHECK(output.error.find(" texts to train on") != std::string::npos);
    return text_in_model(session, "vocabulary");
  };
  CHECK(session.train("1 --train-limit 3").error.find("3 texts to train on") != std::string::npos);
  CHECK(session.train("1 --train-limit 99").error.find("8 texts to train") != std::string::npos);
  CHECK(vocabulary("2 --seed 1") == vocabulary("2 --seed 1"));
  CHECK(vocabulary("2 --seed 1") != vocabulary("2 --seed 2"));
  // All labels are kept, even if no text of a label is left.
  CHECK(session.run_well("eval --model model --test test.tsv").out.ends_with("(n=3)\n"));
  session.train("1 --train-limit 1");
  CHECK(session.run_well("eval --model model --test test.tsv").out.ends_with("(n=3)\n"));
}

TEST_CASE("text_classifier --sparse moves only the vectors of words in the batch",
          "[text_program]") {
  const Session session;
  const auto table = [&](const std::string& more) {
    session.train("3 --arch bag --dropout 0 " + more);
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

TEST_CASE("text_classifier trains the same model from the same seed", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm --layers 2", "gru --bidirectional", "cnn",
                                    "attention --hidden 8");
  const Session session;
  const auto model = [&](const std::string& seed) {
    session.train("2 --arch " + arch + " --seed " + seed);
    return read(session.file("model/model.safetensors"));
  };
  const std::string first = model("7");
  CHECK(model("7") == first);
  CHECK(model("8") != first);
  CHECK(model("-7") != first);
}

// 60 texts, of which 45 are HAM.
std::string many_texts() {
  std::string texts;
  for (int i = 0; i < 60; ++i) {
    const std::string end = " number" + std::to_string(i) + " word" + std::to_string(i % 7);
    texts += (i % 4 == 0 ? "buy this now" : "see you at home") + end +
             (i % 4 == 0 ? "\tSPAM\n" : "\tHAM\n");
  }
  return texts;
}

TEST_CASE("text_classifier says the shares of the classes for a word it does not know",
          "[text_program]") {
  const std::string arch = GENERATE("bag", "bag --ngrams 1 --optimizer sgd", "rnn", "lstm", "gru",
                                    "cnn", "attention --hidden 16");
  CAPTURE(arch);
  const Session session;
  write(session.file("train.tsv"), many_texts());
  session.run_well("train --train train.tsv --dim 16 --epochs 20 --out model --arch " + arch);
  for (const std::string text : {"zzqx", "zzqx qqflr"}) {
    const std::string answer = session.run_well("predict --model model '" + text + "'").out;
    CAPTURE(answer);
    REQUIRE(answer.starts_with("HAM  "));
    CHECK(std::abs(std::stod(answer.substr(5)) - 0.75) < 0.06);
  }
}

TEST_CASE("text_classifier counts words for --max-length, and adds n-grams afterwards",
          "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  write(session.file("train.tsv"), "a b c d e f\tX\ng h i j k l\tY\n");
  write(session.file("test.tsv"), "a b\tX\n");
  session.train("1 --ngrams 2 --max-length 4 --arch " + arch);
  const std::string vocabulary = text_in_model(session, "vocabulary");
  CHECK(vocabulary.find("\nc d\n") != std::string::npos);
  CHECK(vocabulary.find("\nd e\n") == std::string::npos);
  CHECK(vocabulary.find("\ne\n") == std::string::npos);
  const auto answer = [&](const std::string& text) {
    const std::string out = session.run_well("predict --model model '" + text + "'").out;
    return out.substr(0, out.rfind("  "));
  };
  CHECK(answer("a b c d g h i") == answer("a b c d"));
}

TEST_CASE("text_classifier without --epochs looks for their number on held-out texts",
          "[text_program]") {
  const Session session;
  write(session.file("train.tsv"), many_texts());
  write(session.file("dev.tsv"), "buy it now\tSPAM\nsee you\tHAM\nat home\tHAM\n");
  const std::string train = "train --train train.tsv --dim 4 --out model ";
  const auto found = [](const Output& output) {
    const std::size_t at = output.error.find(" the smallest loss on the ");
    INFO(output.error);
    REQUIRE(at != std::string::npos);
    return output.error.substr(at + 26, output.error.find(" held-out") - at - 26);
  };
  CHECK(found(session.run_well(train)) == "60");
  std::string metrics = read(session.file("model/metrics.jsonl"));
  CHECK(metrics.starts_with("{\"search_part\":1,\"epoch\":1,"));
  CHECK(metrics.find("{\"search_part\":5,") != std::string::npos);
  CHECK(metrics.find("{\"epoch\":1,") != std::string::npos);
  CHECK(text_in_model(session, "settings").find("\"temperature\": 1.0\n") == std::string::npos);

  CHECK(found(session.run_well(train + "--dev dev.tsv")) == "3");
  CHECK(read(session.file("model/metrics.jsonl")).find("\"search_part\":2") == std::string::npos);
  CHECK(text_in_model(session, "vocabulary").find("\nit\n") != std::string::npos);  // in dev.tsv

  // What says how long to train is followed.
  for (const char* option : {"--epochs 3", "--schedule linear", "--patience 2", "--arch rnn"}) {
    CAPTURE(option);
    const Output output = session.run_well(train + option);
    CHECK(output.error.find("the smallest loss on the") == std::string::npos);
    CHECK(read(session.file("model/metrics.jsonl")).find("search_part") == std::string::npos);
  }
  session.run_well(train + "--epochs 3");
  metrics = read(session.file("model/metrics.jsonl"));
  CHECK(std::count(metrics.begin(), metrics.end(), '\n') == 3);
  CHECK(text_in_model(session, "settings").find("\"temperature\": 1.0") != std::string::npos);
  // With held-out texts, it still trains so many epochs, and has a temperature.
  const Output held_out = session.run_well(train + "--epochs 3 --dev dev.tsv");
  CHECK(held_out.error.find("  held-out loss ") != std::string::npos);
  CHECK(text_in_model(session, "settings").find("\"temperature\": 1.0,") == std::string::npos);
  require_error(session, train + "--dev missing", "missing: No such file");
  write(session.file("other.tsv"), "a\tSPAM\nb\tEGGS\n");
  require_error(session, train + "--dev other.tsv", "other.tsv:2: label `EGGS` is unknown");
  require_error(session, train + "--folds 2 --dev dev.tsv", "needed one of the two");
}

TEST_CASE("text_classifier prints few lines, and the accuracy with its interval",
          "[text_program]") {
  const Session session;
  write(session.file("train.tsv"), many_texts());
  write(session.file("test.tsv"), "buy it\tSPAM\nsee you\tHAM\n");
  const Output output = session.train("90");
  CHECK(std::count(output.error.begin(), output.error.end(), '\n') < 20);
  const std::vector<std::string> lines = lines_of(output.out);
  CHECK(lines[lines.size() - 3].starts_with("expected calibration error: 0."));
  CHECK(lines[lines.size() - 2].starts_with("95 % interval of the accuracy: "));
}

TEST_CASE("text_classifier reads Chinese and Latin-1", "[text_program]") {
  const Session session;
  write(session.file("train.tsv"), "股市今天上涨\t财经\n球队赢得比赛\t体育\n股市下跌\t财经\n");
  write(session.file("test.tsv"), "股市\t财经\n球队\t体育\n");
  session.train("10 --lr 0.1 --arch bag");
  CHECK(session.run_well("predict --model model 股市").out.starts_with("财经  "));
  CHECK(session.run_well("neighbors --model model --count 1 市").out.starts_with("市\n"));

  write(session.file("train.tsv"), "o\xF9 est le caf\xE9\tLOC\nqui chante\tHUM\n");
  write(session.file("test.tsv"), "o\xF9\tLOC\n");
  session.train();
  CHECK(text_in_model(session, "vocabulary").find("\ncafé\n") != std::string::npos);
  CHECK(session.run_well("predict --model model", "o\xF9 ?\n").out.ends_with("  où ?\n"));
}

TEST_CASE("text_classifier accepts the smallest corpora", "[text_program]") {
  const std::string arch =
      GENERATE("bag", "rnn", "rnn --pool mean", "lstm --pool last",
               "gru --bidirectional --pool last", "cnn", "attention --hidden 8 --pool last");
  const std::string text =
      GENERATE("a\tA\nb\tB\n", "two texts\tA\none\tB\n", "\xE3\x80\x80\tA\nb\tB\nc\tA\n");
  CAPTURE(arch, text);
  const Session session;
  write(session.file("train.tsv"), text);
  write(session.file("test.tsv"), "other\tA\n");
  CHECK(lines_of(session.train("2 --arch " + arch).out).back().ends_with("(n=1)"));
  CHECK(lines_of(session.run_well("predict --model model hello").out).size() == 1);
  session.train("0 --arch " + arch);
  CHECK(read(session.file("model/metrics.jsonl")).empty());
  session.run_well("train --train train.tsv --epochs 1 --min-count 9 --out m --arch " + arch);
  require_error(session, "neighbors --model model zebra", "the vocabulary has no");
}

TEST_CASE("text_classifier refuses bad texts and overwrites nothing", "[text_program]") {
  const Session session;
  session.train();
  const std::vector<std::string> before = model_bytes(session);
  write(session.file("empty"), "");
  write(session.file("binary"), std::string("a\tB\n\0\1\2", 7));
  write(session.file("bad_utf8"), "a\tB\n\xE8\xA5\xE8\xE8\xFF\x85\tA\n");
  write(session.file("quote.csv"), "\"A\",\"text\"\n\"B\",\"more\nA,b\n");
  write(session.file("no_label"), "a\tB\nc\n");
  write(session.file("labels"), "a\tHUM\nc\tENTY\n");
  write(session.file("header.csv"), "label,text\n");
  write(session.file("vectors"), "who 1 2\nwhere 1\n");
  write(session.file("words"), "who 1 2\nwhere 1 x\n");
  const std::vector<std::array<std::string, 2>> cases = {
      {"missing", "missing: No such file"},
      {".", ".: "},
      {"empty", "empty:1: empty file"},
      {"binary", "binary:2: NUL byte"},
      {"bad_utf8", "bad_utf8:2: byte 0x"},
      {"quote.csv", "quote.csv:2: quote is never closed"},
      {"no_label", "no_label:2: no label"},
      {"header.csv", "header.csv:1: no labeled text"},
      {"labels", "labels:2: label `ENTY` is unknown; the known ones are HUM, LOC"}};
  for (const auto& [file, expected] : cases) {
    if (file != "labels") {
      require_error(session, "train --epochs 1 --out model --train " + file, expected);
    }
    require_error(session, "train --epochs 1 --out model --train train.tsv --test " + file,
                  expected);
    require_error(session, "eval --model model --test " + file, expected);
  }
  const std::string train = "train --train train.tsv --epochs 1 --out model ";
  require_error(session, train + "--vectors vectors", "vectors:2: fewer than 2 numbers");
  require_error(session, train + "--vectors words", "words:2: `x` is not a number");
  require_error(session, train + "--vectors missing", "cannot open missing: No such file");
  session.run_well("export --model model --settings settings.json");
  require_error(session, train + "--vectors settings.json", "settings.json:1: needed a word");
  require_error(session, "predict --model model", "standard input:2: NUL byte",
                std::string_view("\n\0\n", 3));
  CHECK(model_bytes(session) == before);
}

TEST_CASE("text_classifier refuses bad options and overwrites nothing", "[text_program]") {
  const Session session;
  session.train();
  const std::vector<std::string> before = model_bytes(session);
  const std::vector<std::array<std::string, 2>> cases = {
      {"--epochs -1", "train: --epochs: Value -1 not in range 0 to 1000000; see train --help"},
      {"--epochs many", "--epochs: "},
      {"--dim 0", "--dim: "},
      {"--hidden 100001", "--hidden: "},
      {"--batch 0", "--batch: "},
      {"--lr -1", "--lr: "},
      {"--lr nan", "learning rate: nan"},
      {"--ngrams 10", "--ngrams: Value 10 not in range 1 to 9"},
      {"--min-count 0", "--min-count: "},
      {"--max-length 0", "--max-length: "},
      {"--dropout 1.5", "--dropout: "},
      {"--dropout nan", "Dropout: p is nan"},
      {"--arch tree", "--arch: tree not in {bag,rnn,lstm,gru,cnn,attention}"},
      {"--arch bag --pool mean",
       "train: --pool combines the states at the words, and bag has none; needed --arch rnn, lstm, "
       "gru or attention"},
      {"--arch cnn --pool max", "train: --pool combines the states at the words, and cnn"},
      {"--arch bag --layers 2",
       "train: --layers is the number of layers with states, and bag has none; needed --arch rnn, "
       "lstm, gru or attention"},
      {"--arch cnn --layers 1", "--layers is the number of layers with states, and cnn has none"},
      {"--arch bag --bidirectional",
       "train: --bidirectional is for recurrent networks, and bag is not one; needed "
       "--arch rnn, lstm or gru"},
      {"--arch attention --bidirectional",
       "and attention is not one; needed --arch rnn, lstm or gru"},
      {"--heads 2",
       "train: --heads is the number of heads of attention, and bag has none; needed --arch "
       "attention"},
      {"--arch attention --heads 3",
       "model: attention with hidden 128 and heads 3, needed a hidden that is a multiple of twice "
       "the heads"},
      {"--arch attention --heads 0", "--heads: "},
      {"--arch attention --max-length 5001",
       "train: --max-length is 5001, needed 5000 or less: attention has no more positions"},
      {"--arch lstm --filters 100",
       "train: --filters is the number of filters of a cnn, and lstm has none; needed --arch cnn"},
      {"--arch gru --pool sum", "--pool: sum not in {last,mean,max}"},
      {"--arch gru --layers 0", "--layers: "},
      {"--arch gru --layers 101", "--layers: "},
      {"--arch cnn --filters 0", "--filters: "},
      {"--optimizer lbfgs", "--optimizer: "},
      {"--train-limit 0", "--train-limit: "},
      {"--sparse --freeze-embeddings", "--freeze-embeddings does not; needed one of the two"},
      {"--freeze-known",
       "train: --freeze-known freezes the vectors from a file; needed --vectors FILE too"},
      {"--all-vectors",
       "train: --all-vectors keeps all words of a file; needed --vectors FILE too"},
      {"--freeze-known --freeze-embeddings --vectors train.tsv",
       "train: --freeze-embeddings freezes all word vectors, --freeze-known some of them; needed "
       "one of the two"},
      {"--folds 2 --test test.tsv",
       "train: --folds tests on parts of the training texts, --test on others; needed one of the "
       "two"},
      {"--arch attention --max-length 3000 --ngrams 2",
       "train: --max-length 3000 with --ngrams gives 5999 positions, and attention has 5000; "
       "needed fewer"},
      {"--folds 9", "k_folds: k is 9 for 8 examples"},
      {"--folds 1", "--folds: "},
      {"--folds 2 --resume",
       "train: --folds saves nothing, so there is nothing for --resume; needed one of the two"},
      {"--folds 2 --checkpoint-every 5",
       "train: --folds saves nothing, so it writes no checkpoints; needed --checkpoint-every 0"},
      {"--checkpoint-every -1", "--checkpoint-every: "},
      {"--vectors .", "train: cannot read .: it is a folder"},
      {"--vectors /dev/null",
       "train: cannot read /dev/null: it is a pipe or a device; write its output into a file "
       "first, and give the name"},
      {"--patience 0", "--patience: "},
      {"--schedule steep", "--schedule: "},
      {"--seed 99999999999999999999", "--seed: "},
      {"--deeper", "--deeper"},
      {"--test", "--test"}};
  for (const auto& [option, expected] : cases) {
    require_error(session, "train --train train.tsv --out model " + option, expected);
  }
  require_error(session, "",
                "needed a command: train, predict, eval, neighbors, compress or export");
  require_error(session, "teach", "needed a command");
  require_error(session, "predict who", "predict: --model is required");
  require_error(session, "predict --model '' who", "predict: --model: needed the name of a folder");
  require_error(session, "train --out ''", "train: --out: needed the name of a folder");
  require_error(session, "predict --model model 0<.", "predict: cannot read standard input");
  require_error(session, "predict --model model 0<&-", "predict: cannot read standard input");
  require_error(session, "eval --model model", "eval: --test is required");
  require_error(session, "neighbors --model model", "word is required");
  require_error(session, "neighbors --model model --count 0 who", "--count: ");
  require_error(session, "train --train train.tsv --out train.tsv/model", "train.tsv/model");
  require_error(session, "train --train /dev/null --out model",
                "train: cannot read /dev/null: it is a pipe or a device; write its output into a "
                "file first, or give the name - and pass it as standard input");
  CHECK(model_bytes(session) == before);
  CHECK(read(session.file("train.tsv")) == kTrain);
}

TEST_CASE("text_classifier saves no model whose loss is not a number", "[text_program]") {
  const Session session;
  session.train();
  const std::string before = read(session.file("model/model.safetensors"));
  write(session.file("huge"), "who 3e38 3e38\nis 3e38 3e38\nthe 3e38 3e38\nwhere 3e38 3e38\n");
  const Output output =
      session.run("train --train train.tsv --arch bag --vectors huge --out model");
  CHECK(output.status == 1);
  CHECK(output.error.find("\ntext_classifier: train: the loss is ") != std::string::npos);
  CHECK(read(session.file("model/model.safetensors")) == before);
}

TEST_CASE("text_classifier refuses a damaged model", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  session.train("2 --arch " + arch);
  make_older(session);
  const auto require_refused = [&](const std::string& expected) {
    require_error(session, "predict --model model who", expected);
    require_error(session, "eval --model model --test test.tsv", expected);
    require_error(session, "neighbors --model model who", expected);
  };
  require_error(session, "predict --model nowhere who", "nowhere/model.safetensors: No such file");
  for (const std::string name : {"model.safetensors", "vocabulary.txt", "settings.json"}) {
    CAPTURE(name);
    const std::string path = session.file("model/" + name);
    const std::string whole = read(path);
    std::filesystem::remove(path);
    require_refused("model/" + name + ": No such file");
    for (const std::size_t left : {std::size_t{0}, std::size_t{5}, whole.size() - 2}) {
      CAPTURE(left);
      write(path, whole.substr(0, left));
      require_error(session, "predict --model model who", "model/" + name + ":");
    }
    write(path, whole);
  }
  const auto with = [&](const std::string& name, const std::string& old, const std::string& by,
                        const std::string& expected) {
    const std::string path = session.file("model/" + name);
    const std::string whole = read(path);
    REQUIRE(whole.find(old) != std::string::npos);
    std::string changed = whole;
    write(path, changed.replace(whole.find(old), old.size(), by));
    require_error(session, "predict --model model who", expected);
    write(path, whole);
  };
  with("settings.json", "\"dim\": 4", "\"dim\": 5", "model.safetensors: embedding.weight is");
  with("settings.json", "\"dim\": 4", "\"dim\": -4", "settings.json: needed a dim");
  with("settings.json", "\"dim\": 4", "\"dim\": \"4\"", "settings.json: ");
  with("settings.json", "\"dim\": 4,", "", "settings.json: ");
  with("settings.json", "\"HUM\"", "\"HUM\", \"NUM\"", "model.safetensors: ");
  const std::string name = "\"" + arch + "\"";
  if (arch == "bag") {  // only a bag has this pool
    with("settings.json", name, "\"rnn\"", "settings.json: needed a pool of last, mean or max");
  } else {
    with("settings.json", name, "\"cnn\"", "model.safetensors: convolutions.0.weight is missing");
    with("settings.json", name, "\"bag\"", "model.safetensors: ");
  }
  with("settings.json", "\"dropout\": 0.5", "\"dropout\": 2", "settings.json: needed a dropout");
  with("settings.json", "\"max_length\": 200", "\"max_length\": 0", "settings.json: needed a max");
  with("settings.json", "\"format\": 3", "\"format\": 4",
       "settings.json: format 4, this program reads 1 to 3");
  with("settings.json", "\"temperature\": 1.0", "\"temperature\": 0",
       "settings.json: needed a temperature from 0.05 to 20");
  with("settings.json", "\"temperature\": 1.0", "\"temperature\": \"1\"", "settings.json: ");
  with("settings.json", "\"length_unit\": \"words\"", "\"length_unit\": \"lines\"",
       "settings.json: needed a length_unit of words or tokens");
  if (arch == "rnn") {
    with("settings.json", "\"hidden\": 5", "\"hidden\": 1000000", "model.safetensors: cell.weight");
  }
  with("vocabulary.txt", "\nwho\n", "\nwho\nwhom\n", "vocabulary.txt:");
  with("vocabulary.txt", "\nwho\n", "\nis\n", "vocabulary.txt:");
}

TEST_CASE("text_classifier saves the settings of each architecture", "[text_program]") {
  const Session session;
  const auto settings = [&](const std::string& arch) {
    session.train("1 --arch " + arch);
    return text_in_model(session, "settings");
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text, part);
    CHECK(text.find(part) != std::string::npos);
  };
  for (const char* arch : {"bag", "rnn", "rnn --pool max"}) {
    const std::string text = settings(arch);
    has(text, "\"format\": 3");
    has(text, arch == std::string_view("bag") ? "\"pool\": \"sqrt\"" : "\"pool\": \"max\"");
    has(text, "\"length_unit\": \"words\"");
    has(text, "\"temperature\": 1.0");
  }
  has(settings("rnn --pool last"), "\"pool\": \"last\"");
  has(settings("rnn --layers 2"), "\"layers\": 2");
  has(settings("rnn --bidirectional"), "\"bidirectional\": true");
  has(settings("cnn --filters 7"), "\"filters\": 7");
  has(settings("attention --hidden 8 --heads 2"), "\"heads\": 2");
  const std::string deep = settings("lstm --pool mean --layers 2 --bidirectional");
  for (const char* part : {"\"format\": 3", "\"arch\": \"lstm\"", "\"pool\": \"mean\"",
                           "\"layers\": 2", "\"bidirectional\": true"}) {
    has(deep, part);
  }
}

TEST_CASE("text_classifier refuses settings that do not fit an architecture", "[text_program]") {
  const Session session;
  const auto train_older = [&](const std::string& options) {
    session.train(options);
    make_older(session);
  };
  const auto with = [&](const std::string& old, const std::string& by,
                        const std::string& expected) {
    const std::string path = session.file("model/settings.json");
    const std::string whole = read(path);
    REQUIRE(whole.find(old) != std::string::npos);
    std::string changed = whole;
    write(path, changed.replace(whole.find(old), old.size(), by));
    require_error(session, "predict --model model who", expected);
    write(path, whole);
  };
  train_older("1 --arch gru --layers 2");
  with("\"gru\"", "\"tree\"",
       "settings.json: needed an arch of bag, rnn, lstm, gru, cnn or attention");
  with("\"gru\"", "\"lstm\"", "model.safetensors: lstm.weight_hh_l1 is missing");
  with("\"gru\"", "\"rnn\"", "model.safetensors: rnn.weight_hh_l1 is missing");
  with("\"gru\"", "\"cnn\"", "settings.json: needed 1 layer, unless");
  with("\"max\"", "\"sum\"", "settings.json: needed a pool of last, mean or max");
  with("\"layers\": 2", "\"layers\": 3", "model.safetensors: gru.weight_hh_l2 is missing");
  with("\"layers\": 2", "\"layers\": 1", "model.safetensors: ");
  with("\"layers\": 2", "\"layers\": 1000000000", "settings.json: needed layers from 1 to 100");
  with("\"layers\": 2,", "", "settings.json: ");
  with("\"bidirectional\": false", "\"bidirectional\": true", "model.safetensors: ");
  with("\"bidirectional\": false", "\"bidirectional\": 0", "settings.json: ");
  with("\"hidden\": 5", "\"hidden\": 1000000", "model.safetensors: gru.weight_hh_l1 is");
  train_older("1 --arch gru --bidirectional");
  with("\"gru\"", "\"cnn\"", "settings.json: needed one direction, unless");
  train_older("1 --arch attention --hidden 16 --heads 2");
  with("\"heads\": 2", "\"heads\": 3", "settings.json: needed a hidden that is a multiple of");
  with("\"heads\": 2", "\"heads\": 0", "settings.json: needed a hidden that is a multiple of");
  with("\"heads\": 2,", "", "settings.json: ");
  with("\"hidden\": 16", "\"hidden\": 1000000",
       "model.safetensors: encoder.layers.0.self_attn.out_proj.weight is");
  with("\"layers\": 1", "\"layers\": 2",
       "model.safetensors: encoder.layers.1.self_attn.out_proj.weight is missing");
  with("\"max_length\": 200", "\"max_length\": 5001", "needed a max_length of 5000 or less");
  train_older("1 --arch cnn");
  with("\"filters\": 100", "\"filters\": 1000000", "model.safetensors: convolutions.0.weight is");
  with("\"filters\": 100", "\"filters\": 0", "settings.json: needed filters from 1");
  with("\"format\": 3", "\"format\": 1", "settings.json: needed an arch of bag or rnn");
}

TEST_CASE("text_classifier keeps the best epoch of any architecture", "[text_program]") {
  const std::string arch =
      GENERATE("lstm --layers 2", "gru --bidirectional", "cnn", "attention --hidden 8");
  const Session session;
  const Output output =
      session.train("20 --patience 2 --schedule constant --lr 0.5 --dropout 0 --arch " + arch);
  CHECK(output.error.find(" is kept\n") != std::string::npos);
  CHECK(session.run_well("eval --model model --test test.tsv").out == output.out);
}

TEST_CASE("text_classifier changes the learning rate as --schedule says", "[text_program]") {
  const Session session;
  std::vector<std::string> models;
  for (const char* schedule : {"linear", "constant", "warm-up", "cosine", "one-cycle"}) {
    for (const char* optimizer : {"adam", "sgd"}) {
      session.train(std::string("5 --batch 2 --lr 0.05 --schedule ") + schedule + " --optimizer " +
                    optimizer);
      models.push_back(read(session.file("model/model.safetensors")));
    }
  }
  std::sort(models.begin(), models.end());
  CHECK(std::adjacent_find(models.begin(), models.end()) == models.end());  // all models differ
  session.train("0 --schedule one-cycle");
}

TEST_CASE("text_classifier stops early and keeps the best epoch", "[text_program]") {
  const Session session;
  // With such a high rate, the loss on the held-out texts soon rises.
  const Output output =
      session.train("100 --patience 2 --schedule constant --lr 0.5 --dropout 0 --arch bag");
  CHECK(output.error.find("7 texts to train on (") != std::string::npos);
  CHECK(output.error.find(" 1 held out, ") != std::string::npos);
  std::size_t best = 0;
  double least = 1e30;
  const std::vector<std::string> metrics = lines_of(read(session.file("model/metrics.jsonl")));
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const std::size_t at = metrics[i].find("\"held_out_loss\":");
    REQUIRE(at != std::string::npos);
    const double loss = std::stod(metrics[i].substr(at + 16));
    if (loss < least) {
      least = loss;
      best = i + 1;
    }
  }
  CHECK(output.error.find("epoch " + std::to_string(best) + " is kept\n") != std::string::npos);
  CHECK((metrics.size() == 100 || metrics.size() == best + 2));
}

TEST_CASE("text_classifier cross-validates and writes nothing", "[text_program]") {
  const Session session;
  const Output output =
      session.run_well("train --train train.tsv --out model --epochs 2 --dim 4 --folds 3");
  const std::vector<std::string> lines = lines_of(output.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].starts_with("fold 1/3  accuracy "));
  CHECK(lines[0].ends_with(" (n=3)"));
  CHECK(lines[2].ends_with(" (n=2)"));
  CHECK(lines[3].starts_with("mean accuracy "));
  CHECK(lines[3].ends_with(" (3 folds, n=8)"));
  CHECK_FALSE(std::filesystem::exists(session.file("model")));
}

TEST_CASE("text_classifier --help lists the commands and their options", "[text_program]") {
  const Session session;
  const std::string help = session.run_well("--help").out;
  for (const std::string command : {"train", "predict", "eval", "neighbors"}) {
    CHECK(help.find("\n  " + command + " ") != std::string::npos);
    for (const std::string& line : lines_of(session.run_well(command + " --help").out)) {
      CHECK(line.size() <= 100);
    }
  }
}
