// The claim: from a file of labeled texts to a saved model of the same quality, text_classifier
// needs less time than fastText.
//
// A row is the processor time of the whole process, with reading the texts and writing the model,
// on one thread. The model is a bag of words, or of words and pairs, with vectors of 16 elements,
// trained with SGD. Both read the same file, in fastText's format, with spaces between words and
// punctuation. The other rows are accuracies on the test texts. fastText has 200,000 buckets for
// pairs; its default of 2,000,000 would make it slower here.
//
// The texts are the bundled questions, and AG News if the environment variable TAPEGRAD_AG_NEWS
// names a folder with train*.csv and test.csv (label first; they are not part of this project).
// Read next: fasttext.h.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tapegrad/nn/text/tokenizer.h>

#include "fasttext.h"
#include "measure.h"
#include "process.h"
#include "text_classifier/corpus.h"

namespace {

namespace fs = std::filesystem;

struct Texts {
  std::string name;
  std::string train;
  std::string test;
  int epochs;
  std::string our_rate;  // of a batch of 8
  std::string rate;      // fastText's, of a text
};

// AG News, if the environment variable names its folder.
std::optional<Texts> ag_news() {
  const char* const folder = std::getenv("TAPEGRAD_AG_NEWS");
  if (folder == nullptr) {
    std::puts("AG News is left out: TAPEGRAD_AG_NEWS names no folder with train*.csv and test.csv");
    return std::nullopt;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("train") && name.ends_with(".csv")) {
      return Texts{"AG News", entry.path().string(), std::string(folder) + "/test.csv", 3, "0.5",
                   "0.5"};
    }
  }
  throw std::runtime_error(std::string("no train*.csv in TAPEGRAD_AG_NEWS, ") + folder);
}

// Writes the texts of a file in fastText's format.
void prepare(const std::string& from, const std::string& to) {
  std::ofstream file(to);
  for (const text_classifier::Row& row : text_classifier::read_corpus(from).rows) {
    file << "__label__" << row.label;
    for (const std::string& token : tapegrad::nn::tokenize(row.text)) file << ' ' << token;
    file << '\n';
  }
}

// The accuracy in percent, from the last line that `text_classifier eval` prints.
double accuracy_in(const std::string& path) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    double share = 0;
    if (word == "accuracy" && file >> share) return 100.0 * share;
  }
  throw std::runtime_error("text_classifier eval printed no accuracy");
}

class Rows {
 public:
  Rows(measure::Report& report, const measure::FastText& fasttext, const Texts& texts)
      : report_(report), fasttext_(fasttext), texts_(texts) {
    prepare(texts.train, file("train"));
    prepare(texts.test, file("test"));
  }

  void of(int ngrams) {
    std::vector<double> ours;
    std::vector<double> theirs;
    std::vector<double> ratios;
    const int rounds = report_.settings().brief ? 1 : 7;
    for (int round = 0; round < rounds; ++round) {
      ours.push_back(train_ours(ngrams));
      if (!fasttext_.is_here()) continue;
      theirs.push_back(train_fasttext(ngrams));
      ratios.push_back(theirs.back() / ours.back());
    }
    const std::string name = texts_.name + (ngrams == 1 ? ", words" : ", words and pairs");
    measure::run_program({TEXT_CLASSIFIER, "eval", "--model", file("ours"), "--test", file("test")},
                         file("report"));
    const double right = accuracy_in(file("report"));
    std::optional<measure::Report::Peer> time;
    std::optional<measure::Report::Peer> accuracy;
    if (fasttext_.is_here()) {
      time = {"fastText", measure::median(theirs), measure::median(ratios)};
      const double peer = fasttext_.accuracy(file("test"), file("fasttext"));
      accuracy = {"fastText", peer, right / peer};
    }
    report_.row(name, "s", measure::median(ours), time);
    report_.row(name + ": right", "%", right, accuracy);
  }

 private:
  std::string file(const char* name) const { return (folder_.path / name).string(); }
  double train_ours(int ngrams) const {
    return measure::run_program({TEXT_CLASSIFIER, "train",
                                 "--train",       file("train"),
                                 "--out",         file("ours"),
                                 "--arch",        "bag",
                                 "--ngrams",      std::to_string(ngrams),
                                 "--dim",         "16",
                                 "--optimizer",   "sgd",
                                 "--batch",       "8",
                                 "--dropout",     "0",
                                 "--lr",          texts_.our_rate,
                                 "--epochs",      std::to_string(texts_.epochs)},
                                "/dev/null", true)
        .seconds;
  }
  double train_fasttext(int ngrams) const {
    return fasttext_.train(file("train"), file("fasttext"),
                           {"-wordNgrams", std::to_string(ngrams), "-bucket", "200000", "-dim",
                            "16", "-lr", texts_.rate, "-epoch", std::to_string(texts_.epochs)});
  }

  measure::Report& report_;
  const measure::FastText& fasttext_;
  Texts texts_;
  measure::TemporaryFolder folder_;
};

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    const measure::FastText fasttext;
    std::vector<Texts> all = {{"questions", BUNDLED_TEXTS "/questions_train.tsv",
                               BUNDLED_TEXTS "/questions_test.tsv", 30, "0.5", "0.5"}};
    if (const std::optional<Texts> more = ag_news()) all.push_back(*more);
    report.begin("From texts to a model");
    for (const Texts& texts : all) {
      Rows rows(report, fasttext, texts);
      for (const int ngrams : {1, 2}) rows.of(ngrams);
    }
  });
}
