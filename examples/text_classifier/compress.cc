// Which rows are kept, and which codes they get. Read next: size.h.
//
// 1. Only the logits count. If there are fewer classes than elements of a word vector, each row is
//    replaced by what it adds to the logits, less their mean, which changes no probability of a
//    model with one label.
// 2. The rows with the largest weighted norms stay. The weight of a word falls with its rank: a
//    vocabulary is sorted by decreasing counts, and a rare word decides fewer texts.
// 3. The rows are coded as int8 or as a product, whichever loses least at this size: the sum over
//    all rows, also those left out, of the squared differences times the frequency of the word.
#include "text_classifier/compress.h"

#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "text_classifier/quantize.h"
#include "text_classifier/saved_settings.h"
#include "text_classifier/size.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

constexpr std::int64_t kRowsForClass = 3;       // that are kept for each class at least
constexpr std::int64_t kCodings[] = {0, 2, 4};  // int8, and products with subvectors of this size

// Subtracts the mean of each row of (rows, classes).
void center(tg::Tensor& logits) { logits = logits - mean(logits, 1, true); }

// The buckets of character n-grams have no order, so they count as words in the middle.
double rank_of(std::int64_t row, std::int64_t vocabulary) {
  return static_cast<double>(row < vocabulary ? row : std::max<std::int64_t>(vocabulary / 2, 1));
}

// Sorts by importance, the rows first that each class needs most, and removes rows whose key a more
// important one has.
void sort_candidates(std::vector<Candidate>& candidates, const tg::Tensor& logits) {
  const std::span<const float> all = logits.span<float>();
  const std::int64_t classes = logits.size(1);
  const auto logit = [&](const Candidate& candidate, std::int64_t k) {
    return candidate.weight * double{all[static_cast<std::size_t>(candidate.row * classes + k)]};
  };
  const auto importance = [&](const Candidate& candidate) {
    double sum = 0;
    for (std::int64_t k = 0; k < classes; ++k) sum += logit(candidate, k) * logit(candidate, k);
    return sum;
  };
  std::unordered_set<std::int64_t> first;
  for (std::int64_t k = 0; k < classes; ++k) {
    const auto count = std::min<std::ptrdiff_t>(kRowsForClass, std::ssize(candidates));
    std::vector<Candidate> best(static_cast<std::size_t>(count));
    std::ranges::partial_sort_copy(candidates, best, [&](const Candidate& a, const Candidate& b) {
      return std::pair(-logit(a, k), a.row) < std::pair(-logit(b, k), b.row);
    });
    for (const Candidate& candidate : best) first.insert(candidate.row);
  }
  std::vector<std::pair<double, Candidate>> order;
  for (const Candidate& candidate : candidates) {
    order.emplace_back(first.contains(candidate.row) ? INFINITY : importance(candidate), candidate);
  }
  std::ranges::stable_sort(order, std::ranges::greater(),
                           [](const auto& entry) { return entry.first; });
  std::unordered_set<std::uint32_t> keys;
  candidates.clear();
  for (const auto& [value, candidate] : order) {
    if (keys.insert(candidate.key).second) candidates.push_back(candidate);
  }
}

Rows rows_of(const Trained& trained, bool projected, const std::string& operation) {
  const tg::StateDict state = trained.model.state_dict();
  const tg::Tensor table = state.at("embedding.weight").contiguous();
  tg::Tensor logits = matmul(table, transpose(state.at("head.weight"), 0, 1));  // (rows, classes)
  if (!trained.answering.multi_label()) center(logits);
  logits = logits.contiguous();
  const tg::Tensor source = projected ? logits : table;
  if (!all(isfinite(table)).item<bool>() || !all(isfinite(logits)).item<bool>()) {
    throw tg::ValueError(operation + ": the weights are not finite; train with a lower --lr");
  }
  Rows rows{tg::to_vector<float>(source), source.size(1), {}};
  const std::int64_t vocabulary = trained.vocabulary.size();
  for (std::int64_t row = Vocabulary::kUnknown + 1; row < table.size(0); ++row) {
    const double norm = squared_norm(rows[row]);
    if (norm == 0) continue;
    const std::uint32_t key =
        row < vocabulary ? key_of(trained.vocabulary.word(row)) : key_of_bucket(row - vocabulary);
    // By Zipf's law the frequency is one over the rank. The exponent of the weight was chosen on
    // models of TREC and AG News.
    const double rank = rank_of(row, vocabulary);
    rows.candidates.push_back({row, key, std::pow(rank, -0.2), 1 / rank});
    rows.lost += norm / rank;
  }
  sort_candidates(rows.candidates, logits);
  return rows;
}

// Size --------------------------------------------------------------------------------------------

// The bytes of a file without the rows: the texts, the names of the tensors, the head.
std::int64_t bytes_without_rows(const Trained& trained, const ModelSettings& settings) {
  std::int64_t bytes = 64;
  // The temperature and the thresholds are not known before the end of a run, so they count with
  // all their digits.
  const Answering answering{
      .length_unit = trained.answering.length_unit,
      .temperature = 0.12345678901234567,
      .thresholds = std::vector<double>(trained.answering.thresholds.size(), 0.12345678901234567)};
  const std::string settings_json =
      settings_text(settings, trained.max_length, trained.labels, answering) +
      std::string(20 + 4 * trained.answering.thresholds.size(), ' ');
  for (const std::string& text :
       {settings_json, Vocabulary::build({}, trained.vocabulary.tokenizer()).text()}) {
    bytes += std::ssize(nlohmann::json(text).dump()) + 32;
  }
  CompressedTable one;
  one.dim = settings.dim;
  one.subvector_size = settings.compression.subvector_size;
  for (const auto& [name, shape] : compressed_shapes(settings)) {
    bytes += std::ssize(name) + 128;
    if (name.starts_with("head.")) {
      bytes += 4 * std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies());
    }
  }
  bytes += one.subvectors() * CompressedTable::kCentroids * one.subvector_size;
  return bytes;
}

// The settings of a compressed model with no row but that of unknown words.
ModelSettings small_settings(const ModelSettings& settings, std::int64_t subvector_size) {
  ModelSettings small = settings;
  const bool projected = settings.classes <= std::min(settings.dim, kMostProjected);
  if (projected) small.dim = settings.classes;
  small.vocabulary = Vocabulary::build({}).size();
  small.compression = {.rows = 1, .subvector_size = subvector_size, .projected = projected};
  return small;
}

// How many rows fit.
struct Room {
  std::int64_t rows;      // besides that of unknown words; may be negative
  std::int64_t smallest;  // the size that the least rows need
};

Room room_for(const Trained& trained, const ModelSettings& small, std::int64_t size) {
  CompressedTable one;
  one.dim = small.dim;
  one.subvector_size = small.compression.subvector_size;
  const std::int64_t bytes_of_row = 4 + 1 + one.bytes_of_row();
  const std::int64_t rest = bytes_without_rows(trained, small) + bytes_of_row;
  return {size < rest ? -1 : (size - rest) / bytes_of_row,
          rest + kRowsForClass * small.classes * bytes_of_row};
}

struct Choice {
  CompressedTable table;
  ModelSettings settings;
  double loss = INFINITY;
};

}  // namespace

void check_size(const Trained& trained, std::int64_t size, const std::string& operation) {
  const ModelSettings& settings = trained.settings();
  if (settings.arch != "bag") {
    throw tg::ValueError(operation + ": only a bag can be compressed, and this model is a " +
                         settings.arch + "; needed --arch bag");
  }
  if (trained.compressed != nullptr) {
    throw tg::ValueError(
        operation + ": this model is compressed already; needed the one that it was made from");
  }
  std::int64_t smallest = INT64_MAX;
  for (const std::int64_t subvector_size : kCodings) {
    smallest = std::min(smallest,
                        room_for(trained, small_settings(settings, subvector_size), size).smallest);
  }
  if (size < smallest) {
    throw tg::ValueError(operation + ": " + std::to_string(size) +
                         " bytes are too few for the labels and some words of each; needed " +
                         std::to_string(smallest) + " or more");
  }
}

Trained compressed(const Trained& trained, std::int64_t size, const std::string& operation) {
  check_size(trained, size, operation);
  const ModelSettings& settings = trained.settings();
  const Rows rows = rows_of(trained, small_settings(settings, 0).compression.projected, operation);
  Choice best;
  for (const std::int64_t subvector_size : kCodings) {
    Choice choice{.table = {}, .settings = small_settings(settings, subvector_size)};
    const Room room = room_for(trained, choice.settings, size);
    if (size < room.smallest) continue;
    const std::int64_t kept = std::min(room.rows, std::ssize(rows.candidates));
    choice.table = quantized(rows, kept, subvector_size);
    choice.loss = loss_of(choice.table, rows, kept);
    choice.settings.compression.rows = choice.table.rows();
    if (best.table.rows() == 0 || choice.loss < best.loss) best = std::move(choice);
  }
  Trained small{Classifier(best.settings),
                Vocabulary::build({}, trained.vocabulary.tokenizer()),
                trained.labels,
                trained.max_length,
                trained.answering,
                std::make_shared<const CompressedTable>(best.table)};
  small.model.load_state_dict(parameters_of(best.table, best.settings, trained.model.state_dict()));
  small.model.eval();
  return small;
}

std::string description(const Trained& trained) {
  const CompressedTable& table = *trained.compressed;
  return std::to_string(table.rows()) + " rows of " + std::to_string(table.bytes_of_row()) +
         (table.subvector_size > 0 ? " product" : " int8") + " codes";
}

void compress(const CompressOptions& options) {
  std::optional<std::int64_t> size;
  if (!options.size.empty()) size = parse_size(options.size, "compress: --size");
  const Trained trained = load(options.model);
  namespace fs = std::filesystem;
  if (fs::exists(options.out) && fs::equivalent(options.model, options.out)) {
    throw tg::ValueError("compress: --out is the folder of --model; needed another folder");
  }
  const auto bytes_in = [](const std::string& folder) {
    return static_cast<std::int64_t>(fs::file_size(folder + "/model.safetensors"));
  };
  const std::int64_t before = bytes_in(options.model);
  const Trained small = compressed(trained, size.value_or(before / 10), "compress");
  save(small, options.out);
  std::cerr << "compressed from " << before << " to " << bytes_in(options.out) << " bytes, "
            << description(small) << "; saved in " << options.out << '\n';
}

}  // namespace text_classifier
