// Which rows are kept, and how they are quantized. Read next: export_c.h.
//
// 1. Only the logits count. If there are fewer classes than elements of a word vector, each row is
//    replaced by what it adds to the logits, less their mean, which changes no probability.
// 2. The rows with the largest weighted norms stay. The weight of a word falls with its rank: a
//    vocabulary is sorted by decreasing counts, and a rare word decides fewer texts.
// 3. The rows are coded as int8 or as a product, whichever loses least at this size: the sum over
//    all rows, also those left out, of the squared differences times the frequency of the word.
#include "text_classifier/compress.h"

#include <tapegrad/tensor/io/file_io.h>

#include <algorithm>
#include <array>
#include <charconv>
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

#include "text_classifier/compressed.h"
#include "text_classifier/saved_settings.h"

namespace text_classifier {
namespace {

using tg::nn::Vocabulary;

constexpr std::int64_t kRowsForClass = 3;  // that are kept for each class at least
constexpr std::size_t kMostPart = 4;
constexpr std::int64_t kCodings[] = {0, 2, 4};  // int8, and products with parts of this size
constexpr std::int64_t kCentroids = CompressedTable::kCentroids;

// A row that may be kept, in the order of importance.
struct Candidate {
  std::int64_t row;
  std::uint32_t key;
  double weight;     // of its norm, for its importance
  double frequency;  // up to a factor
};

// What the table of a model holds, as float32 (rows, dim).
struct Rows {
  std::vector<float> elements;
  std::int64_t dim = 0;
  std::vector<Candidate> candidates;
  double lost = 0;  // the sum of the squared norms of all candidates, times their frequencies

  std::span<const float> operator[](std::int64_t row) const {
    return std::span(elements).subspan(static_cast<std::size_t>(row * dim),
                                       static_cast<std::size_t>(dim));
  }
};

double squared_norm(std::span<const float> row) {
  return std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
}

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

Rows rows_of(const Trained& trained, bool projected) {
  const tg::StateDict state = trained.model.state_dict();
  const tg::Tensor table = state.at("embedding.weight").contiguous();
  tg::Tensor logits = matmul(table, transpose(state.at("head.weight"), 0, 1));  // (rows, classes)
  center(logits);
  logits = logits.contiguous();
  const tg::Tensor source = projected ? logits : table;
  const auto is_finite = [](float x) { return std::isfinite(x); };
  if (!std::ranges::all_of(table.span<float>(), is_finite) ||
      !std::ranges::all_of(logits.span<float>(), is_finite)) {
    throw tg::ValueError("compress: the weights are not finite; train with a lower --lr");
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

// Quantization ------------------------------------------------------------------------------------

std::uint8_t int8_code(double value) {
  return static_cast<std::uint8_t>(
      static_cast<std::int8_t>(std::lround(127 * std::clamp(value, -1.0, 1.0))));
}

// Zeros after the end, if a part or a row is shorter.
using Part = std::array<float, kMostPart>;

// One part of a row of length 1.
Part part_of(std::span<const float> row, std::int64_t part, std::int64_t width, double norm) {
  Part result{};
  for (std::int64_t i = 0; i < width && part * width + i < std::ssize(row); ++i) {
    result[static_cast<std::size_t>(i)] =
        static_cast<float>(double{row[static_cast<std::size_t>(part * width + i)]} / norm);
  }
  return result;
}

std::size_t nearest(const Part& point, const std::vector<Part>& centroids) {
  std::size_t best = 0;
  float least = INFINITY;
  for (std::size_t k = 0; k < centroids.size(); ++k) {
    float distance = 0;
    for (std::size_t i = 0; i < kMostPart; ++i) {
      const float difference = point[i] - centroids[k][i];
      distance += difference * difference;
    }
    if (distance < least) least = distance, best = k;
  }
  return best;
}

// Lloyd's algorithm, from points at equal distances in the list.
std::vector<Part> k_means(const std::vector<Part>& points) {
  constexpr int kRounds = 12;
  const auto count = std::min(static_cast<std::size_t>(kCentroids), points.size());
  std::vector<Part> centroids;
  for (std::size_t k = 0; k < count; ++k) centroids.push_back(points[k * points.size() / count]);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::array<double, kMostPart + 1>> sums(count);  // the last is the number of points
    for (const Part& point : points) {
      auto& sum = sums[nearest(point, centroids)];
      for (std::size_t i = 0; i < kMostPart; ++i) sum[i] += double{point[i]};
      ++sum[kMostPart];
    }
    for (std::size_t k = 0; k < count; ++k) {
      if (sums[k][kMostPart] == 0) continue;
      for (std::size_t i = 0; i < kMostPart; ++i) {
        centroids[k][i] = static_cast<float>(sums[k][i] / sums[k][kMostPart]);
      }
    }
  }
  return centroids;
}

// Appends the codes of the row numbers, which are in the order of the table.
void code_product(CompressedTable& table, const Rows& rows,
                  const std::vector<std::int64_t>& numbers, const std::vector<double>& norms) {
  constexpr std::size_t kSample = 20'000;
  const std::int64_t parts = table.parts();
  table.codes.resize(numbers.size() * static_cast<std::size_t>(parts));
  for (std::int64_t part = 0; part < parts; ++part) {
    std::vector<Part> points;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      points.push_back(part_of(rows[numbers[i]], part, table.part, norms[i] > 0 ? norms[i] : 1));
    }
    std::vector<Part> sample;
    const std::size_t step = points.size() / kSample + 1;
    for (std::size_t i = 0; i < points.size(); i += step) sample.push_back(points[i]);
    std::vector<Part> centroids = k_means(sample);
    centroids.resize(static_cast<std::size_t>(kCentroids));
    for (Part& centroid : centroids) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(table.part); ++i) {
        float& element = centroid[i];
        const std::uint8_t code = int8_code(double{element});
        table.centroids.push_back(code);
        element = static_cast<float>(static_cast<std::int8_t>(code)) / 127;
      }
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      table.codes[i * static_cast<std::size_t>(parts) + static_cast<std::size_t>(part)] =
          static_cast<std::uint8_t>(nearest(points[i], centroids));
    }
  }
}

// A table of the first `kept` candidates.
CompressedTable quantized(const Rows& rows, std::int64_t kept, std::int64_t part) {
  CompressedTable table;
  table.dim = rows.dim;
  table.part = part;
  std::vector<Candidate> chosen(rows.candidates.begin(), rows.candidates.begin() + kept);
  std::ranges::sort(chosen, {}, &Candidate::key);
  std::vector<std::int64_t> numbers = {Vocabulary::kUnknown};
  for (const Candidate& candidate : chosen) {
    table.keys.push_back(candidate.key);
    numbers.push_back(candidate.row);
  }
  std::vector<double> sizes;  // of int8: the largest element; of a product: the norm
  for (const std::int64_t number : numbers) {
    double size = std::sqrt(squared_norm(rows[number]));
    if (part == 0) {
      size = 0;
      for (const float element : rows[number]) size = std::max(size, std::abs(double{element}));
    }
    sizes.push_back(size);
  }
  double least = INFINITY, greatest = 0;
  for (const double size : sizes) {
    if (size > 0) least = std::min(least, size), greatest = std::max(greatest, size);
  }
  if (greatest > 0) {
    table.greatest = static_cast<float>(greatest);
    // Rows that are much smaller than the largest need no scale of their own.
    table.least = std::max({static_cast<float>(least), table.greatest * 1e-4F, 1e-30F});
    table.greatest = std::max(table.greatest, table.least);
  }
  for (double& size : sizes) {
    table.scales.push_back(table.code_of_scale(size));
    if (part == 0) size = double{table.scale(table.scales.back())};  // what the codes multiply
  }
  if (part > 0) {
    code_product(table, rows, numbers, sizes);
    return table;
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const float element : rows[numbers[i]]) {
      table.codes.push_back(sizes[i] > 0 ? int8_code(double{element} / sizes[i]) : 0);
    }
  }
  return table;
}

// What the table loses of all rows: the sum of the squared differences, times frequencies.
double loss_of(const CompressedTable& table, const Rows& rows, std::int64_t kept) {
  double loss = rows.lost;
  for (std::int64_t i = 0; i < kept; ++i) {
    const Candidate& candidate = rows.candidates[static_cast<std::size_t>(i)];
    const std::span<const float> row = rows[candidate.row];
    const std::int64_t number = *table.find(candidate.key) - CompressedTable::kFirstKey + 1;
    double difference = -squared_norm(row);
    for (std::int64_t k = 0; k < rows.dim; ++k) {
      const double delta =
          double{row[static_cast<std::size_t>(k)]} - double{table.element(number, k)};
      difference += delta * delta;
    }
    loss += candidate.frequency * difference;
  }
  return loss;
}

// Size --------------------------------------------------------------------------------------------

// The bytes of a file without the rows: the texts, the names of the tensors, the head.
std::int64_t bytes_without_rows(const Trained& trained, const ModelSettings& settings) {
  std::int64_t bytes = 64;
  // The temperature is not known before the end of a run, so it counts with all its digits.
  const Answering answering{.length_unit = trained.answering.length_unit,
                            .temperature = 0.12345678901234567};
  const std::string settings_json =
      settings_text(settings, trained.max_length, trained.labels, answering) + std::string(20, ' ');
  for (const std::string& text :
       {settings_json, Vocabulary::build({}, trained.vocabulary.tokenizer()).text()}) {
    bytes += std::ssize(nlohmann::json(text).dump()) + 32;
  }
  CompressedTable one;
  one.dim = settings.dim;
  one.part = settings.compression.part;
  for (const auto& [name, shape] : compressed_shapes(settings)) {
    bytes += std::ssize(name) + 128;
    if (name.starts_with("head.")) {
      bytes += 4 * std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies());
    }
  }
  bytes += one.parts() * kCentroids * one.part;
  return bytes;
}

// The settings of a compressed model with no row but that of unknown words.
ModelSettings small_settings(const ModelSettings& settings, std::int64_t part) {
  ModelSettings small = settings;
  const bool projected = settings.classes <= std::min(settings.dim, kMostProjected);
  if (projected) small.dim = settings.classes;
  small.vocabulary = Vocabulary::build({}).size();
  small.compression = {.rows = 1, .part = part, .projected = projected};
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
  one.part = small.compression.part;
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

std::int64_t parse_size(const std::string& text, const std::string& option) {
  constexpr std::pair<const char*, double> kUnits[] = {{"", 1},     {"B", 1},   {"kB", 1e3},
                                                       {"KB", 1e3}, {"k", 1e3}, {"K", 1e3},
                                                       {"MB", 1e6}, {"M", 1e6}, {"GB", 1e9}};
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  for (const auto& [name, factor] : kUnits) {
    if (error != std::errc() || std::string_view(stop, end) != name) continue;
    if (number * factor >= 1 && number * factor <= 1e12) {
      return static_cast<std::int64_t>(number * factor);
    }
  }
  throw tg::ValueError(option + " is '" + text + "', needed a size such as 100kB or 1MB");
}

void check_size(const Trained& trained, const ModelSettings& settings, std::int64_t size,
                const std::string& operation) {
  if (settings.arch != "bag") {
    throw tg::ValueError(operation + ": only a bag can be compressed, and this model is a " +
                         settings.arch + "; needed --arch bag");
  }
  if (trained.compressed != nullptr) {
    throw tg::ValueError(
        operation + ": this model is compressed already; needed the one that it was made from");
  }
  std::int64_t smallest = INT64_MAX;
  for (const std::int64_t part : kCodings) {
    smallest = std::min(smallest, room_for(trained, small_settings(settings, part), size).smallest);
  }
  if (size < smallest) {
    throw tg::ValueError(operation + ": " + std::to_string(size) +
                         " bytes are too few for the labels and some words of each; needed " +
                         std::to_string(smallest) + " or more");
  }
}

Small compressed(const Trained& trained, const ModelSettings& settings, std::int64_t size,
                 const std::string& operation) {
  check_size(trained, settings, size, operation);
  const Rows rows = rows_of(trained, small_settings(settings, 0).compression.projected);
  Choice best;
  for (const std::int64_t part : kCodings) {
    Choice choice{.table = {}, .settings = small_settings(settings, part)};
    const Room room = room_for(trained, choice.settings, size);
    if (size < room.smallest) continue;
    const std::int64_t kept = std::min(room.rows, std::ssize(rows.candidates));
    choice.table = quantized(rows, kept, part);
    choice.loss = loss_of(choice.table, rows, kept);
    choice.settings.compression.rows = choice.table.rows();
    if (best.table.rows() == 0 || choice.loss < best.loss) best = std::move(choice);
  }
  Small small{{Classifier(best.settings), Vocabulary::build({}, trained.vocabulary.tokenizer()),
               trained.labels, trained.max_length, trained.answering, trained.characters,
               trained.reads_words, std::make_shared<const CompressedTable>(best.table)},
              best.settings};
  small.trained.model.load_state_dict(
      parameters_of(best.table, best.settings, trained.model.state_dict()));
  small.trained.model.eval();
  return small;
}

std::string description(const ModelSettings& settings) {
  CompressedTable table;
  table.dim = settings.dim;
  table.part = settings.compression.part;
  return std::to_string(settings.compression.rows) + " rows of " +
         std::to_string(table.bytes_of_row()) + (table.part > 0 ? " product" : " int8") + " codes";
}

void compress_folder(const std::string& folder, const std::string& out, const std::string& size) {
  std::optional<std::int64_t> most;
  if (!size.empty()) most = parse_size(size, "compress: --size");
  const auto [trained, texts] = load_with_texts(folder);
  namespace fs = std::filesystem;
  if (fs::exists(out) && fs::equivalent(folder, out)) {
    throw tg::ValueError("compress: --out is the folder of --model; needed another folder");
  }
  const auto bytes_in = [](const std::string& name) {
    return static_cast<std::int64_t>(fs::file_size(name + "/model.safetensors"));
  };
  ModelSettings settings = parse_settings(texts.settings, folder).model;
  settings.classes = std::ssize(trained.labels);
  settings.vocabulary = trained.vocabulary.size();
  const Small small =
      compressed(trained, settings, most.value_or(bytes_in(folder) / 10), "compress");
  save(small.trained, small.settings, out);
  std::cerr << "compressed from " << bytes_in(folder) << " to " << bytes_in(out) << " bytes, "
            << description(small.settings) << "; saved in " << out << '\n';
}

}  // namespace text_classifier
