// The library tapegrad::text_classifier: its answers are those of the program, from several threads
// too, and the program in the README compiles and runs. Read next:
// examples/text_classifier/text_classifier.h.
#include "text_classifier/text_classifier.h"

#include <filesystem>
#include <thread>

#include "error_text.h"
#include "examples/text_classifier/session.h"

using namespace text_classifier_test;
using text_classifier::Prediction;
using text_classifier::TextClassifier;

namespace {

std::string readme() {
  return read_file(TAPEGRAD_SOURCE_DIR "/examples/text_classifier/README.md");
}

}  // namespace

TEST_CASE("TextClassifier answers as the command predict does", "[text_library]") {
  const std::string arch = GENERATE("bag --ngrams 2", "lstm");
  Session session;
  session.train("--arch " + arch);
  const TextClassifier classifier(session.file("model"));
  CHECK(classifier.labels() == std::vector<std::string>{"HUM", "LOC"});
  const std::vector<std::string> texts{"who sang", "", "where is Paris", "zebra",
                                       "qui est all\xE9"};
  const std::vector<Prediction> answers = classifier.predict(texts);
  REQUIRE(answers.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    char expected[64];
    std::snprintf(expected, sizeof expected, "%s  %.3f  ", answers[i].label.c_str(),
                  answers[i].probability);
    CHECK(session.run_well("predict --model model '" + texts[i] + "'").out.starts_with(expected));
    const Prediction alone = classifier.predict(texts[i]);
    CHECK(alone.label == answers[i].label);
    CHECK(alone.probability == answers[i].probability);
    REQUIRE(alone.probabilities.size() == 2);
    CHECK(alone.probabilities[alone.label == "HUM" ? 0 : 1] == alone.probability);
  }
  CHECK(classifier.predict(std::vector<std::string>()).empty());
}

TEST_CASE("TextClassifier throws tapegrad::Error", "[text_library]") {
  using tapegrad::test::error_text;
  Session session;
  session.train();
  CHECK(error_text<tapegrad::IoError>([] {
          TextClassifier("nowhere");
        }).find("nowhere/model.safetensors") != std::string::npos);
  const TextClassifier classifier(session.file("model"));
  CHECK(error_text<tapegrad::FormatError>([&] {
          classifier.predict(std::vector<std::string>{"who", std::string("a\0b", 3)});
        }) == "predict: text 2: NUL byte: this is binary, not text");
  session.write("model/model.safetensors", "damaged");
  CHECK_THROWS_AS(TextClassifier(session.file("model")), tapegrad::FormatError);
}

TEST_CASE("several threads may ask one TextClassifier", "[text_library]") {
  Session session;
  session.train("--arch bag --ngrams 2");
  const TextClassifier classifier(session.file("model"));
  const std::vector<std::string> texts(200, "who is where the city");
  const double expected = classifier.predict(texts[0]).probability;
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (const Prediction& answer : classifier.predict(texts)) {
        count += answer.probability == expected ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("the program in the README asks a model", "[text_library]") {
  const std::string source =
      read_file(TAPEGRAD_SOURCE_DIR "/examples/text_classifier/library/ask.cc");
  CHECK(readme().find("```cpp\n" + source.substr(source.find("#include")) + "```") !=
        std::string::npos);
  Session session;
  session.train();
  const auto ask = [&](const std::string& folder) {
    return session.shell("'" TEXT_CLASSIFIER_ASK "' " + folder, "who sang\nwhere to\n");
  };
  const Output answers = ask("model");
  CHECK(answers.status == 0);
  const std::vector<std::string> lines = lines_in(answers.out);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("HUM  0.9"));
  CHECK(lines[0].ends_with("  who sang"));
  CHECK(lines[1].starts_with("LOC  0.9"));
  const Output refused = ask("nowhere");
  CHECK(refused.status == 1);
  CHECK(refused.error.find("nowhere/model.safetensors") != std::string::npos);
}

TEST_CASE("the library has one public header", "[text_library]") {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(TEXT_CLASSIFIER_INCLUDE)) {
    if (!entry.is_directory()) files.push_back(entry.path().filename().string());
  }
  CHECK(files == std::vector<std::string>{"text_classifier.h"});
}
