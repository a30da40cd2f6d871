// The bundled questions keep these rules, so that a model cannot classify them by simple patterns.
#include <tapegrad/nn/text/tokenizer.h>

#include <algorithm>
#include <map>
#include <set>

#include "examples/text_classifier/session.h"
#include "text_classifier/corpus.h"

using namespace text_classifier;
using text_classifier_test::bundled_questions;

namespace {

struct Question {
  std::vector<std::string> words;  // without punctuation
  std::string label;
};

std::vector<Question> questions_of(const std::string& split) {
  std::vector<Question> questions;
  for (const Row& row : read_corpus(bundled_questions(split)).rows) {
    Question question{tapegrad::nn::tokenize(row.text), row.label};
    std::erase_if(question.words, [](const std::string& word) {
      return word.size() == 1 && word.find_first_of("?.,!'\"():;-&") == 0;
    });
    questions.push_back(std::move(question));
  }
  return questions;
}

std::vector<Question> all_questions() {
  std::vector<Question> all = questions_of("train");
  const std::vector<Question> test = questions_of("test");
  all.insert(all.end(), test.begin(), test.end());
  return all;
}

const std::map<std::string, std::set<std::string>> kUsualWords = {
    {"HUM", {"who", "whom", "whose"}}, {"LOC", {"where"}}, {"NUM", {"how", "when"}},
    {"DESC", {"why", "how"}},          {"ENTY", {"what"}},
};

std::string opening(const Question& question) {
  return question.words[0] + " " + question.words[1];
}

}  // namespace

TEST_CASE("480 training and 120 test questions, with equally many of each class") {
  for (const auto& [split, rows] : {std::pair("train", 96), std::pair("test", 24)}) {
    std::map<std::string, int> counts;
    for (const Question& question : questions_of(split)) ++counts[question.label];
    REQUIRE(counts.size() == 5);
    for (const auto& [label, words] : kUsualWords) {
      CAPTURE(split, label);
      CHECK(counts[label] == rows);
    }
  }
}

TEST_CASE("at most 6 questions of a class share their first two words") {
  std::map<std::pair<std::string, std::string>, int> counts;
  for (const Question& question : all_questions()) {
    REQUIRE(question.words.size() >= 2);
    ++counts[{question.label, opening(question)}];
  }
  for (const auto& [key, count] : counts) {
    CAPTURE(key.first, key.second);
    CHECK(count <= 6);
  }
}

TEST_CASE("every class has 25 openings with what, which, name or tell me") {
  std::map<std::string, int> counts;
  for (const Question& question : all_questions()) {
    const std::string& first = question.words[0];
    const bool neutral = first == "what" || first == "which" || first == "name";
    if (neutral || opening(question) == "tell me") ++counts[question.label];
  }
  for (const auto& [label, words] : kUsualWords) {
    CAPTURE(label);
    CHECK(counts[label] >= 25);
  }
}

TEST_CASE("a third of each class avoids its usual wh-word") {
  std::map<std::string, int> counts;
  for (const Question& question : all_questions()) {
    const std::set<std::string>& usual = kUsualWords.at(question.label);
    const bool avoids = std::none_of(question.words.begin(), question.words.end(),
                                     [&](const std::string& word) { return usual.contains(word); });
    if (avoids) ++counts[question.label];
  }
  for (const auto& [label, words] : kUsualWords) {
    CAPTURE(label);
    CHECK(counts[label] >= 40);
  }
}

TEST_CASE("no two questions share more than 0.6 of their tokens") {
  std::vector<std::set<std::string>> sets;
  for (const Question& question : all_questions()) {
    sets.emplace_back(question.words.begin(), question.words.end());
  }
  double most = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto shared = std::count_if(sets[i].begin(), sets[i].end(),
                                        [&](const auto& word) { return sets[j].contains(word); });
      const auto in_either = static_cast<std::ptrdiff_t>(sets[i].size() + sets[j].size()) - shared;
      most = std::max(most, static_cast<double>(shared) / static_cast<double>(in_either));
    }
  }
  CHECK(most <= 0.6);  // a duplicate would be 1
}

TEST_CASE("the first word alone predicts at most half") {
  // Even if it is tested on the questions that it was trained on.
  std::map<std::string, std::map<std::string, int>> labels_after;
  for (const Question& question : all_questions())
    ++labels_after[question.words[0]][question.label];
  int right = 0;
  for (const auto& [word, labels] : labels_after) {
    right += std::max_element(labels.begin(), labels.end(), [](const auto& a, const auto& b) {
               return a.second < b.second;
             })->second;
  }
  CHECK(right <= 300);
}
