// The commands that use a trained model. Each loads it, computes, and prints. Read next: answers.h.
#include "text_classifier/commands.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/tokenizer.h>
#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string_view>

#include "text_classifier/evaluation.h"
#include "text_classifier/export_c.h"
#include "text_classifier/statistics.h"

namespace text_classifier {
namespace {

using tg::nn::to_utf8;
using tg::nn::Vocabulary;

// The id of a word, or of an n-gram such as "who is"; upper and lower case are the same.
std::int64_t id_of(const Vocabulary& vocabulary, const std::string& word,
                   const std::string& command) {
  std::string key;
  for (const std::string& token : vocabulary.tokenizer().words(to_utf8(word, "word"))) {
    key += (key.empty() ? "" : " ") + token;
  }
  const std::optional<std::int64_t> id = vocabulary.find(key);
  if (!id) throw tg::ValueError(command + ": the vocabulary has no '" + word + "'");
  return *id;
}

void require_words(const Trained& trained, const std::string& operation) {
  if (trained.compressed == nullptr) return;
  throw tg::ValueError(operation +
                       ": this model is compressed and holds hashes in place of words; needed the "
                       "model that it was made from");
}

// The k rows of a table that are nearest to one of its rows, without padding and unknown.
struct Nearest {
  tg::ValuesAndIndices by_angle;
  tg::ValuesAndIndices by_distance;
};

Nearest nearest_to(const tg::Tensor& table, std::int64_t id, std::int64_t k) {
  const tg::Tensor vector = narrow(table, 0, id, 1);  // (1, dim)
  tg::Tensor cosine = cosine_similarity(table, vector, 1);
  tg::Tensor distance = -reshape(cdist(table, vector), {-1});
  for (const std::int64_t row : {Vocabulary::kPadding, Vocabulary::kUnknown, id}) {
    select(cosine, 0, row).fill_(-2);  // less than any cosine: never among the nearest
    select(distance, 0, row).fill_(-1e30);
  }
  return {topk(cosine, k), topk(distance, k)};
}

void print_neighbors(const Vocabulary& vocabulary, std::int64_t id, const Nearest& nearest) {
  std::cout << vocabulary.word(id) << "\n  cosine similarity              Euclidean distance\n";
  const auto entry = [&](const tg::ValuesAndIndices& list, std::int64_t i, double sign) {
    std::cout << std::fixed << std::setprecision(3) << "  " << std::setw(7)
              << sign * list.values.item<double>({i}) << "  " << std::left << std::setw(22)
              << vocabulary.word(list.indices.item<std::int64_t>({i})) << std::right;
  };
  for (std::int64_t i = 0; i < nearest.by_angle.values.numel(); ++i) {
    entry(nearest.by_angle, i, 1);
    entry(nearest.by_distance, i, -1);
    std::cout << '\n';
  }
}

// The share of the texts whose answer is at least as probable as the threshold.
void print_coverage(Trained& trained, const Corpus& corpus, double threshold) {
  std::vector<tg::Tensor> ids;
  for (const Row& row : corpus.rows) ids.push_back(trained.ids(row.text));
  const tg::Tensor p = probabilities(trained, ids);
  const std::vector<std::int64_t> labels = label_ids(corpus, trained.labels);
  std::int64_t answered = 0, right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const tg::Tensor row = select(p, 0, static_cast<std::int64_t>(i));
    const auto best = argmax(row).item<std::int64_t>();
    if (!(row.item<double>({best}) >= threshold)) continue;
    ++answered;
    right += best == labels[i] ? 1 : 0;
  }
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const std::int64_t total = std::ssize(labels);
  std::cout << std::defaultfloat << "threshold " << threshold << std::fixed << std::setprecision(3)
            << ": coverage " << share(answered, total) << " (" << answered << " of " << total
            << " texts answered)";
  if (answered > 0) {
    const Interval interval = wilson_interval(right, answered);
    std::cout << ", accuracy of these " << share(right, answered) << ", 95 % interval "
              << interval.low << " to " << interval.high;
  }
  std::cout << '\n';
}

}  // namespace

void evaluate(const EvalOptions& options) {
  Trained trained = load(options.model);
  Reading reading = reading_of(options.reading);
  reading.labels = trained.labels;
  reading.multi_label = trained.answering.multi_label();
  const Corpus corpus = read_corpus(options.test, "eval", reading);
  std::cerr << corpus.path << ": " << description(corpus) << '\n';
  std::vector<double>& thresholds = trained.answering.thresholds;
  if (options.threshold) thresholds.assign(thresholds.size(), *options.threshold);
  const Score result = score(trained, examples_of(trained, corpus));
  print_report(std::cout, result, trained, "test");
  if (options.threshold && thresholds.empty()) print_coverage(trained, corpus, *options.threshold);
}

void neighbors(const NeighborsOptions& options) {
  const Trained trained = load(options.model);
  const Vocabulary& vocabulary = trained.vocabulary;
  require_words(trained, options.command);
  std::vector<std::int64_t> ids;
  for (const std::string& word : options.words) {
    ids.push_back(id_of(vocabulary, word, options.command));
  }
  const std::int64_t k = std::min(options.count, vocabulary.size() - 3);
  if (k < 1) throw tg::ValueError(options.command + ": the vocabulary has no other words");
  const tg::Tensor table = narrow(trained.model.embedding.weight.value(), 0, 0, vocabulary.size());
  for (const std::int64_t id : ids) print_neighbors(vocabulary, id, nearest_to(table, id, k));
}

void export_model(const ExportOptions& options) {
  if (options.onnx.empty() && options.c.empty() && options.vocabulary.empty() &&
      options.settings.empty()) {
    throw tg::ValueError(
        "export: needed --onnx, --c, --vocabulary or --settings; see export --help");
  }
  const auto [trained, texts] = load_with_texts(options.model);
  if (!options.vocabulary.empty()) require_words(trained, "export: --vocabulary");
  std::string c;
  if (!options.c.empty()) c = c_source(trained);
  const auto write = [](const char* what, const std::string& file, std::string_view bytes) {
    tg::write_file_atomically(file, bytes, "export");
    std::cerr << what << " written to " << file << '\n';
  };
  if (!options.onnx.empty()) {
    write("model", options.onnx, trained.model.onnx(trained.answering.temperature).bytes());
  }
  if (!options.c.empty()) write("C source", options.c, c);
  if (!options.vocabulary.empty()) write("vocabulary", options.vocabulary, texts.vocabulary);
  if (!options.settings.empty()) write("settings", options.settings, texts.settings);
}

}  // namespace text_classifier
