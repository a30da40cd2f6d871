// The claim: the smallest text classifier, a mean of word vectors and a linear layer, trains faster
// than libtorch's EmbeddingBag, and faster than fastText, which is made for this model alone.
//
// A row is the speed of training with SGD, in million words per second: vocabulary 100,000,
// documents of 274 and of 38 words (documents.h). The peers are libtorch's EmbeddingBag with sparse
// gradients, "tuned" (peer.h), and fastText on one thread. From fastText's time for six epochs the
// time for one is subtracted, so reading the text counts, but start-up and writing the model do
// not. The other rows are accuracies on unseen documents after six epochs. All start from the same
// kind of random weights; the rate per document is the same, and falls to 0 as in fastText.
// Read next: recurrent_classifier.cc.
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "documents.h"
#include "fasttext.h"
#include "measure.h"
#include "peer.h"
#include "process.h"

namespace tg = tapegrad;

namespace {

constexpr std::int64_t kEpochs = 6;
constexpr double kRate =
    0.1;  // per document; for the mean loss of a batch, it is multiplied by the size

struct BagClassifier : tg::nn::Module {
  tg::nn::EmbeddingBag embedding;
  tg::nn::Linear head;

  explicit BagClassifier(std::int64_t dim)
      : embedding(register_module("embedding", tg::nn::EmbeddingBag(Documents::kVocabulary, dim))),
        head(register_module("head", tg::nn::Linear(dim, Documents::kClasses))) {
    const double bound = 1.0 / static_cast<double>(dim);  // fastText's initial values
    tg::nn::init::uniform_(embedding.weight, -bound, bound);
    tg::nn::init::zeros_(head.weight);
    tg::nn::init::zeros_(head.bias);
  }
  tg::Variable operator()(const tg::Tensor& words) const { return head(embedding(words)); }
};

// The words (batch, length) and labels (batch) of each batch.
using Batches = std::vector<std::pair<tg::Tensor, tg::Tensor>>;
Batches batches_of(const Documents& documents, std::int64_t batch) {
  const tg::Tensor words =
      reshape(tg::tensor(documents.words), {documents.count, documents.length});
  const tg::Tensor labels = tg::tensor(documents.labels);
  Batches batches;
  for (std::int64_t i = 0; i < documents.count; i += batch) {
    const std::int64_t size = std::min(batch, documents.count - i);
    batches.emplace_back(narrow(words, 0, i, size), narrow(labels, 0, i, size));
  }
  return batches;
}

// A model, its optimizer, and the batches that it trains on.
class Training {
 public:
  Training(std::int64_t dim, std::int64_t batch, const Documents& documents)
      : batch_(batch),
        model_(dim),
        rate_(kRate * static_cast<double>(batch)),
        sgd_(model_.parameters(), {.lr = rate_}),
        batches_(batches_of(documents, batch)) {}

  std::int64_t batch() const { return batch_; }
  std::size_t steps_of_epoch() const { return batches_.size(); }
  void step() {
    const auto& [words, labels] = batches_[turn_++ % batches_.size()];
    sgd_.zero_grad();
    tg::nn::cross_entropy(model_(words), labels).backward();
    sgd_.step();
  }
  // `left` falls from 1 to 0.
  void set_rate(double left) { sgd_.set_lr(rate_ * left); }
  const BagClassifier& model() const { return model_; }

 private:
  std::int64_t batch_;
  BagClassifier model_;
  double rate_;
  tg::optim::SGD sgd_;
  Batches batches_;
  std::size_t turn_ = 0;
};

// The accuracy in percent on documents that the training did not contain.
double our_accuracy(std::int64_t dim, std::int64_t batch, const Documents& to_train,
                    const Documents& to_test) {
  tg::manual_seed(0);
  Training training(dim, batch, to_train);
  const std::size_t steps = kEpochs * training.steps_of_epoch();
  for (std::size_t i = 0; i < steps; ++i) {
    training.set_rate(1.0 - static_cast<double>(i) / static_cast<double>(steps));
    training.step();
  }
  const tg::NoGrad guard;
  const auto [words, labels] = batches_of(to_test, to_test.count)[0];
  const tg::Tensor answers = argmax(training.model()(words).value(), 1);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < to_test.count; ++i) {
    right += answers.item<std::int64_t>({i}) == labels.item<std::int64_t>({i}) ? 1 : 0;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(to_test.count);
}

// Writes the documents in fastText's format.
void write(const Documents& documents, const std::string& path) {
  std::ofstream file(path);
  for (std::size_t i = 0; i < documents.labels.size(); ++i) {
    file << "__label__" << documents.labels[i];
    const auto length = static_cast<std::size_t>(documents.length);
    for (std::size_t t = 0; t < length; ++t) file << " w" << documents.words[i * length + t];
    file << '\n';
  }
}

// fastText, with its training and test files.
class FastTextOnDocuments {
 public:
  FastTextOnDocuments(const measure::FastText& fasttext, const Documents& to_train,
                      const Documents& to_test)
      : fasttext_(fasttext), words_(static_cast<double>(to_train.count * to_train.length)) {
    if (!is_here()) return;
    write(to_train, file("train"));
    write(to_test, file("test"));
  }
  bool is_here() const { return fasttext_.is_here(); }

  double seconds_per_word(std::int64_t dim) const {
    return (train(dim, kEpochs) - train(dim, 1)) / (kEpochs - 1) / words_;
  }
  double accuracy(std::int64_t dim) const {
    train(dim, kEpochs);
    return fasttext_.accuracy(file("test"), file("model"));
  }

 private:
  std::string file(const char* name) const { return (folder_.path / name).string(); }
  double train(std::int64_t dim, std::int64_t epochs) const {
    return fasttext_.train(file("train"), file("model"),
                           {"-dim", std::to_string(dim), "-epoch", std::to_string(epochs), "-lr",
                            std::to_string(kRate)});
  }

  const measure::FastText& fasttext_;
  measure::TemporaryFolder folder_;
  double words_;
};

std::string spaced(std::initializer_list<std::int64_t> numbers) {
  std::string text;
  for (const std::int64_t number : numbers) text += " " + std::to_string(number);
  return text;
}

// The rows for one length of documents and one size of vectors.
class Rows {
 public:
  Rows(measure::Report& report, measure::PeerProgram& libtorch, const FastTextOnDocuments& fasttext,
       const Documents& to_train, const Documents& to_test, std::int64_t dim)
      : report_(report),
        libtorch_(libtorch),
        fasttext_(fasttext),
        to_train_(to_train),
        to_test_(to_test),
        dim_(dim) {
    for (const std::int64_t batch : {16, 64}) trainings_.emplace_back(dim, batch, to_train);
  }

  void speed_beside_libtorch() {
    for (Training& training : trainings_) {
      const auto words = static_cast<double>(training.batch() * to_train_.length);
      report_.compare(name(training.batch()), measure::rate("M/s", 1e-6 * words),
                      measure::ours([&training] { training.step(); }),
                      libtorch_.at("bag" + sizes(training.batch())));
    }
  }

  // fastText cannot run single batches. Each round measures a whole run of fastText and one of each
  // of our trainings.
  void speed_beside_fasttext() {
    if (!fasttext_.is_here()) return;
    std::vector<double> peer;
    std::vector<std::vector<double>> ours(trainings_.size());
    std::vector<std::vector<double>> ratios(trainings_.size());
    const int rounds = report_.settings().brief ? 1 : 5;
    for (int round = 0; round < rounds; ++round) {
      peer.push_back(fasttext_.seconds_per_word(dim_));
      for (std::size_t i = 0; i < trainings_.size(); ++i) {
        ours[i].push_back(seconds_per_word(trainings_[i]));
        ratios[i].push_back(peer.back() / ours[i].back());
      }
    }
    for (std::size_t i = 0; i < trainings_.size(); ++i) {
      report_.row(name(trainings_[i].batch()), "M/s", 1e-6 / measure::median(ours[i]),
                  measure::Report::Peer{"fastText", 1e-6 / measure::median(peer),
                                        measure::median(ratios[i])});
    }
  }

  void accuracy() {
    std::optional<double> fasttext;
    if (fasttext_.is_here()) fasttext = fasttext_.accuracy(dim_);
    for (const Training& training : trainings_) {
      const std::int64_t batch = training.batch();
      const double ours = our_accuracy(dim_, batch, to_train_, to_test_);
      const auto row = [&](const std::string& peer, double theirs) {
        report_.row(name(batch) + ": right", "%", ours,
                    measure::Report::Peer{peer, theirs, ours / theirs});
      };
      const std::string rate = std::to_string(kRate * static_cast<double>(batch));
      const auto libtorch =
          libtorch_.figure("bag_accuracy" + sizes(batch) + spaced({kEpochs}) + " " + rate);
      if (libtorch) row(libtorch_.name(), *libtorch);
      if (fasttext) row("fastText", *fasttext);
      if (!libtorch && !fasttext) report_.row(name(batch) + ": right", "%", ours);
    }
  }

 private:
  std::string name(std::int64_t batch) const {
    return std::to_string(to_train_.length) + " words, dim " + std::to_string(dim_) + ", batch " +
           std::to_string(batch);
  }
  std::string sizes(std::int64_t batch) const {
    return spaced({dim_, to_train_.length, batch, to_train_.count});
  }
  double seconds_per_word(Training& training) const {
    const auto steps = static_cast<std::int64_t>(training.steps_of_epoch());
    const auto step = [&training] { training.step(); };
    return measure::time_of(2 * steps, step) /
           static_cast<double>(2 * to_train_.count * to_train_.length);
  }

  measure::Report& report_;
  measure::PeerProgram& libtorch_;
  const FastTextOnDocuments& fasttext_;
  const Documents& to_train_;
  const Documents& to_test_;
  std::int64_t dim_;
  std::vector<Training> trainings_;
};

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    measure::PeerProgram libtorch("peer_libtorch", " tuned", measure::kKeepMemory);
    const measure::FastText fasttext;
    report.begin("Mean of word vectors, training");
    for (const std::int64_t length : {274, 38}) {
      const std::int64_t count = 1'000'000 / length;
      const Documents to_train(count, length, Documents::kToTrain);
      const Documents to_test(count, length, Documents::kToTest);
      const FastTextOnDocuments text(fasttext, to_train, to_test);
      for (const std::int64_t dim : {10, 100}) {
        if (report.settings().brief && dim == 100 && length == 38) continue;
        Rows rows(report, libtorch, text, to_train, to_test, dim);
        rows.speed_beside_libtorch();
        rows.speed_beside_fasttext();
        rows.accuracy();
      }
    }
  });
}
