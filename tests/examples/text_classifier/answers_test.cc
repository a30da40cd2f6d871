// The command predict: one line of output for each line of input, whatever the lines hold; JSON;
// answers while the stream is open; abstention. Read next: examples/text_classifier/answers.h.
#include "text_classifier/answers.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "examples/text_classifier/session.h"
#include "text_classifier/input_lines.h"

using namespace text_classifier_test;
using nlohmann::json;

namespace {

std::vector<json> objects_in(const std::string& text) {
  std::vector<json> objects;
  for (const std::string& line : lines_in(text)) objects.push_back(json::parse(line));
  return objects;
}

// The probability in `LABEL  0.987  text`.
double probability_in(const std::string& line) {
  return std::stod(line.substr(line.find("  ") + 2));
}

}  // namespace

TEST_CASE("predict answers each line, also blank and bad ones", "[text_answers]") {
  Session session;
  session.train();
  const std::string input =
      std::string("who sang\n\nwhere ") + '\0' + " to\n\xE8\xA5\xE8\xE8\xFF\x85\no\xF9 ?\r\n" +
      std::string(text_classifier::kLongestLine + 1, 'a') + "\n  \nwhere is Paris";
  const Output output = session.run("predict --model model", input);
  CHECK(output.status == 1);
  CHECK(output.error ==
        "text_classifier: predict: 3 of 8 lines could not be read; their answers "
        "say why\n");
  const std::vector<std::string> lines = lines_in(output.out);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0].starts_with("HUM  "));
  CHECK(lines[1].size() == std::string("HUM  0.500  ").size());  // a text without words
  CHECK(lines[2] == "(error)  line 3: NUL byte: this is binary, not text");
  CHECK(lines[3] ==
        "(error)  line 4: byte 0xE8 is neither UTF-8 nor Windows-1252; convert with iconv");
  CHECK(lines[4].ends_with("  où ?"));
  CHECK(lines[5] == "(error)  line 6: longer than 1000000 bytes");
  CHECK(lines[6] == lines[1]);
  CHECK(lines[7].starts_with("LOC  "));
  CHECK(lines[7].ends_with("  where is Paris"));

  session.write("input", input);
  const Output from_file = session.run("predict --model model --file input");
  CHECK(from_file.out == output.out);
  CHECK(from_file.status == 1);
  CHECK(session.run("predict --model model --file -", input).out == output.out);

  const std::vector<json> objects =
      objects_in(session.run("predict --model model --json", input).out);
  REQUIRE(objects.size() == 8);
  CHECK(objects[0]["label"] == "HUM");
  CHECK(objects[0]["line"] == 1);
  CHECK(objects[1]["text"] == "");
  CHECK(objects[2] == json{{"line", 3}, {"error", "NUL byte: this is binary, not text"}});
  CHECK(objects[5]["error"] == "longer than 1000000 bytes");
  CHECK(objects[7]["line"] == 8);
}

TEST_CASE("predict gives the same answers to lines together and alone", "[text_answers]") {
  const std::string arch = GENERATE("bag --ngrams 2", "rnn", "cnn", "attention");
  Session session;
  session.train("--arch " + arch);
  std::string input, alone;
  for (int i = 0; i < 150; ++i) {  // more than a batch of the model
    std::string line = i % 3 == 0 ? "where" : "who";
    for (int word = 0; word < i % 7; ++word) line += word % 2 == 0 ? " is" : " the city";
    input += line + "\n";
    if (i < 21) alone += session.run_well("predict --model model '" + line + "'").out;
  }
  const std::string together = session.run_well("predict --model model", input).out;
  CHECK(lines_in(together).size() == 150);
  CHECK(together.starts_with(alone));
}

TEST_CASE("predict --top and --all give the labels by decreasing probability", "[text_answers]") {
  Session session;
  session.write("train.tsv",
                std::string(kTrainTexts) + "how many\tNUM\nhow far\tNUM\nhow long is it\tNUM\n");
  session.train();
  const std::string one = session.run_well("predict --model model 'how far'").out;
  const std::string two = session.run_well("predict --model model --top 2 'how far'").out;
  const std::string all = session.run_well("predict --model model --all 'how far'").out;
  CHECK(one.starts_with("NUM  0.9"));
  CHECK(two.starts_with(one.substr(0, 10)));
  CHECK(two.ends_with("  how far\n"));
  CHECK(session.run_well("predict --model model --top 99 'how far'").out == all);

  const json best = json::parse(session.run_well("predict --model model --json 'how far'").out);
  CHECK_FALSE(best.contains("top"));
  const json object =
      json::parse(session.run_well("predict --model model --json --all 'how far'").out);
  REQUIRE(object["top"].size() == 3);
  double sum = 0, before = 1;
  for (const json& entry : object["top"]) {
    sum += entry["probability"].get<double>();
    CHECK(entry["probability"].get<double>() <= before);
    before = entry["probability"].get<double>();
  }
  CHECK(std::abs(sum - 1) < 1e-5);
  CHECK(object["top"][0]["label"] == "NUM");
  CHECK(object["probability"] == object["top"][0]["probability"]);
  CHECK(object["probability"] == best["probability"]);
  CHECK(json::parse(session.run_well("predict --model model --json --top 2 x").out)["top"].size() ==
        2);
}

TEST_CASE("predict writes JSON that any reader reads", "[text_answers]") {
  Session session;
  session.write(
      "train.tsv",
      "who\t\"quoted\" \\label\nwho is\t\"quoted\" \\label\nwhere\t\xE8\xB4\xA2\xE7\xBB\x8F\n"
      "where is\t\xE8\xB4\xA2\xE7\xBB\x8F\n");
  session.run_well("train --train train.tsv --format tab --arch bag --epochs 30 --out model");
  std::string input;
  for (char c = 1; c < 127; ++c) {
    if (c != '\n' && c != '\r') input += std::string("a") + c + "b\n";
  }
  input += "\xF0\x9F\x98\x80 \xE2\x80\xA8 \xEF\xBF\xBD\n";
  const Output output = session.run_well("predict --model model --json --all", input);
  const std::vector<json> objects = objects_in(output.out);
  const std::vector<std::string> lines = lines_in(input);
  REQUIRE(objects.size() == lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) CHECK(objects[i]["text"] == lines[i]);
  CHECK(json::parse(session.run_well("predict --model model --json who").out)["label"] ==
        "\"quoted\" \\label");
  const std::vector<json> lines_of_argument =
      objects_in(session.run_well("predict --model model --json 'one\ntwo'").out);
  REQUIRE(lines_of_argument.size() == 1);
  CHECK(lines_of_argument[0]["text"] == "one\ntwo");
  CHECK(lines_in(session.run_well("predict --model model 'one\ntwo'").out).size() == 1);
}

TEST_CASE("predict --threshold abstains, and eval counts it", "[text_answers]") {
  Session session;
  session.train();
  const std::string input = "who sang\nwhere was\nwho where\n";
  const std::vector<std::string> usual =
      lines_in(session.run_well("predict --model model", input).out);
  const double sure = probability_in(usual[0]), unsure = probability_in(usual[2]);
  REQUIRE(sure > unsure + 0.01);
  const std::string threshold = " --threshold " + std::to_string((sure + unsure) / 2);
  const std::vector<std::string> lines =
      lines_in(session.run_well("predict --model model" + threshold, input).out);
  CHECK(lines[0] == usual[0]);
  CHECK(lines[2] == "(unsure)" + usual[2].substr(3));
  const std::vector<json> objects =
      objects_in(session.run_well("predict --json --model model" + threshold, input).out);
  CHECK(objects[0]["label"] == "HUM");
  CHECK(objects[2]["label"].is_null());
  CHECK(objects[2]["probability"].get<double>() < (sure + unsure) / 2);

  session.write("test.tsv", "who sang\tLOC\nwhere was\tLOC\nwho where\tHUM\n");
  CHECK(lines_in(session.run_well("eval --model model --test test.tsv" + threshold).out)
            .back()
            .find(": coverage 0.667 (2 of 3 texts answered), accuracy of these 0.500, 95 % "
                  "interval 0.095 to 0.905") != std::string::npos);
  CHECK(lines_in(session.run_well("eval --model model --test test.tsv --threshold 1").out).back() ==
        "threshold 1: coverage 0.000 (0 of 3 texts answered)");
  CHECK(lines_in(session.run_well("eval --model model --test test.tsv --threshold 0").out)
            .back()
            .starts_with("threshold 0: coverage 1.000 (3 of 3 texts answered)"));
}

TEST_CASE("predict answers a line before it waits for the next one", "[text_answers]") {
  Session session;
  session.train();
  std::array<int, 2> to{}, from{};
  REQUIRE(pipe2(to.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(from.data(), O_CLOEXEC) == 0);
  Process process(session.command("predict --model model"),
                  {.in = to[0], .out = from[1], .error = -1});
  close(to[0]);
  close(from[1]);
  const auto answer = [&] {
    std::string line;
    for (char c = 0; ::read(from[0], &c, 1) == 1 && c != '\n';) line += c;
    return line;
  };
  const auto send = [&](std::string_view text) {
    REQUIRE(::write(to[1], text.data(), text.size()) == std::ssize(text));
  };
  send("who sang\n");
  CHECK(answer().ends_with("  who sang"));
  send("where is Paris\nwho");
  CHECK(answer().ends_with("  where is Paris"));
  send(" was that\n");
  CHECK(answer().ends_with("  who was that"));
  send("where to");
  close(to[1]);
  CHECK(answer().ends_with("  where to"));
  CHECK(process.wait() == 0);
  close(from[0]);
}

TEST_CASE("predict refuses a stream that has no lines of text", "[text_answers]") {
  Session session;
  session.train();
  session.require_error("predict --model model",
                        "predict: standard input is compressed with gzip, needed text; convert it "
                        "with gunzip -c FILE",
                        "\x1F\x8B\x08 who\n");
  for (const char* text : {"\xFF\xFEw\nh\n", "\xFE\xFFwh\n"}) {
    session.write("input", text);
    session.require_error("predict --model model --file input",
                          "predict: input is UTF-16, needed UTF-8; convert it with iconv");
  }
  // Later lines are only lines.
  CHECK(lines_in(session.run("predict --model model", "who\n\x1F\x8B\x08\n").out).size() == 2);
}

TEST_CASE("predict warns of a text that is the name of a file", "[text_answers]") {
  Session session;
  session.train();
  const Output output = session.run_well("predict --model model test.tsv who model");
  CHECK(lines_in(output.out).size() == 3);
  CHECK(output.error ==
        "predict: 'test.tsv' is classified as a text, but it is also a file; --file test.tsv "
        "classifies its lines\n");
}

TEST_CASE("predict refuses options that contradict each other", "[text_answers]") {
  Session session;
  session.train();
  session.require_error("predict --model model --file test.tsv who",
                        "predict: got texts and --file test.tsv, needed one of the two");
  session.require_error("predict --model model --all --top 2 who",
                        "predict: --all prints all labels, --top N the first N");
  session.require_error("predict --model model --top 0 who", "predict: --top: ");
  session.require_error("predict --model model --threshold 1.5 who", "predict: --threshold: ");
  session.require_error("eval --model model --test test.tsv --threshold x", "eval: --threshold");
  session.require_error("predict --model model --file missing",
                        "predict: cannot read missing: No such file");
  session.require_error("predict --model model --file .", "predict: cannot read .: Is a directory");
}
