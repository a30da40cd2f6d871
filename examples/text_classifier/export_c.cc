// Writes the tables of a model as C arrays, and after them the parts of c_runtime.h that it needs.
// Read next: c_runtime.h.
#include "text_classifier/export_c.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/hashing.h"
#include "text_classifier/c_runtime.h"
#include "text_classifier/compressed.h"

namespace text_classifier {
namespace {

using examples::hash_of;
using namespace c_runtime;
using tg::nn::Vocabulary;

// C source, line by line, with lines of at most 100 characters.
class Source {
 public:
  void text(std::string_view text) { text_ += text; }
  void define(const char* name, const std::string& value) {
    text_ += std::string("#define ") + name + ' ' + value + '\n';
  }
  void define(const char* name, std::int64_t value) { define(name, std::to_string(value)); }

  // `static const TYPE NAME = {`, values, `};`
  template <class Values>
  void array(const std::string& declaration, const Values& values) {
    text_ += declaration + " = {";
    std::size_t column = 1000;
    for (const auto& value : values) {
      const std::string item = literal(value);
      if (column + item.size() + 2 > 100) {
        text_ += "\n   ";
        column = 3;
      }
      text_ += ' ' + item + ',';
      column += item.size() + 2;
    }
    text_ += "};\n";
  }
  // The same for rows of elements.
  void table(const std::string& declaration, std::span<const float> elements, std::int64_t dim) {
    text_ += declaration + " = {\n";
    for (std::size_t i = 0; i < elements.size(); i += static_cast<std::size_t>(dim)) {
      text_ += "    {";
      for (const float element : elements.subspan(i, static_cast<std::size_t>(dim))) {
        text_ += literal(element) + ',';
      }
      text_ += "},\n";
    }
    text_ += "};\n";
  }

  std::string take() { return std::move(text_); }

  static std::string literal(float value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.9g", static_cast<double>(value));
    const std::string text = buffer;
    return text + (text.find_first_of(".e") == std::string::npos ? ".0f" : "f");
  }
  static std::string literal(std::uint8_t value) { return std::to_string(value); }
  static std::string literal(std::uint32_t value) { return std::to_string(value) + 'u'; }
  static std::string literal(std::uint64_t value) { return std::to_string(value) + "ull"; }

 private:
  std::string text_;
};

// Bytes outside of letters, digits and spaces are written as octal numbers: no trigraphs, no UTF-8.
std::string c_string(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == ' ' || c == '_' || c == '-' || c == '.' || c == ':' || c == ',';
    char octal[8];
    std::snprintf(octal, sizeof octal, "\\%03o",
                  static_cast<unsigned>(static_cast<unsigned char>(c)));
    result += plain ? std::string(1, c) : std::string(octal);
  }
  return result + '"';
}

std::string real(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.17e", value);
  return buffer;
}

void check_finite(std::span<const float> elements) {
  if (std::ranges::all_of(elements, [](float x) { return std::isfinite(x); })) return;
  throw tg::ValueError(
      "export: --c: the model has weights that are not finite; train it again with a lower --lr");
}

// Adds to the logits, (rows, classes), instead of the rows, which are longer.
std::vector<float> projected(std::span<const float> table, std::span<const float> head,
                             std::int64_t dim) {
  const std::size_t width = static_cast<std::size_t>(dim);
  const std::size_t rows = table.size() / width, classes = head.size() / width;
  std::vector<float> result;
  result.reserve(rows * classes);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t k = 0; k < classes; ++k) {
      double sum = 0;
      for (std::size_t j = 0; j < width; ++j) {
        sum += double{table[i * width + j]} * double{head[k * width + j]};
      }
      result.push_back(static_cast<float>(sum));
    }
  }
  return result;
}

// The rows that start at the one with this id.
std::span<const float> rows_at(std::span<const float> table, std::int64_t dim, std::int64_t id,
                               std::int64_t count = 1) {
  return table.subspan(static_cast<std::size_t>(id * dim), static_cast<std::size_t>(count * dim));
}

void append_words(Source& source, const Trained& trained, std::span<const float> table,
                  std::int64_t dim) {
  const Vocabulary& vocabulary = trained.vocabulary;
  std::vector<std::pair<std::uint64_t, std::int64_t>> order;  // hash and id
  for (std::int64_t id = Vocabulary::kUnknown + 1; id < vocabulary.size(); ++id) {
    order.emplace_back(hash_of(vocabulary.word(id)), id);
  }
  std::ranges::sort(order);
  std::vector<std::uint64_t> keys;
  std::vector<float> rows;
  for (const auto& [hash, id] : order) {
    if (!keys.empty() && keys.back() == hash) {
      throw tg::ValueError("export: --c: two words of the vocabulary have the same hash, one is `" +
                           std::string(vocabulary.word(id)) + "`; train with other --ngrams");
    }
    keys.push_back(hash);
    const std::span<const float> row = rows_at(table, dim, id);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  source.text("static const size_t key_count = " + std::to_string(keys.size()) + ";\n");
  if (keys.empty()) {  // C has no empty arrays
    keys.push_back(0);
    rows.resize(static_cast<std::size_t>(dim));
  }
  source.array("static const uint64_t keys[]", keys);
  source.table("static const float rows[][DIM]", rows, dim);
  source.array("static const float unknown[DIM]", rows_at(table, dim, Vocabulary::kUnknown));
}

void append_plain(Source& source, const Trained& trained, std::span<const float> table,
                  std::int64_t dim) {
  if (trained.settings().words) append_words(source, trained, table, dim);
  if (const Characters& characters = trained.settings().characters; characters.used()) {
    source.table("static const float buckets[BUCKETS][DIM]",
                 rows_at(table, dim, trained.vocabulary.size(), characters.buckets), dim);
  }
}

void append_compressed(Source& source, const CompressedTable& table) {
  source.text("static const size_t key_count = " + std::to_string(table.keys.size()) + ";\n");
  source.array("static const uint32_t keys[]",
               table.keys.empty() ? std::vector<std::uint32_t>{0} : table.keys);
  source.array("static const unsigned char scale_of_row[]", table.scales);
  std::vector<float> scales;
  for (unsigned code = 0; code < 256; ++code) {
    scales.push_back(table.scale(static_cast<std::uint8_t>(code)));
  }
  source.array("static const float scales[256]", scales);
  source.array("static const unsigned char codes[]", table.codes);
  if (table.subvector_size > 0) {
    source.define("PART", table.subvector_size);
    source.define("PARTS", table.subvectors());
    source.array("static const unsigned char centroids[]", table.centroids);
    source.text(
        "#define CODE(row, i) \\\n"
        "  centroids[((i) / PART * 256 + codes[(row) * PARTS + (i) / PART]) * PART + (i) % "
        "PART]\n");
  } else {
    source.text("#define CODE(row, i) codes[(row) * DIM + (i)]\n");
  }
  source.text(
      "#define ELEMENT(row, i) (CODE(row, i) < 128 ? (float)CODE(row, i) : (float)CODE(row, i) - "
      "256.0f)\n");
}

}  // namespace

std::string c_source(const Trained& trained) {
  const ModelSettings& settings = trained.settings();
  if (settings.arch != "bag") {
    throw tg::ValueError("export: --c writes a bag, and this model is a " + settings.arch +
                         "; needed a model of --arch bag, or --onnx FILE for this one");
  }
  const tg::StateDict state = trained.model.state_dict();
  const std::vector<float> head = tg::to_vector<float>(state.at("head.weight"));
  const std::vector<float> bias = tg::to_vector<float>(state.at("head.bias"));
  const std::vector<float> table = tg::to_vector<float>(state.at("embedding.weight"));
  for (const auto* elements : {&head, &bias, &table}) check_finite(*elements);
  const std::int64_t classes = std::ssize(trained.labels);
  const CompressedTable* const compressed = trained.compressed.get();
  const bool needs_head =
      compressed != nullptr ? !settings.compression.projected : classes > settings.dim;
  const std::int64_t dim = needs_head ? settings.dim : classes;
  const Characters& characters = settings.characters;

  Source source;
  source.text(kBegin);
  source.define("CLASSES", classes);
  source.define("DIM", dim);
  source.define("NGRAMS", trained.vocabulary.tokenizer().longest_ngram);
  source.define("MAX_LENGTH", std::to_string(trained.max_length) + "ll");
  source.define("CUTS_WORDS", trained.answering.length_unit == LengthUnit::kWords ? 1 : 0);
  source.define("SKIPS_JOINERS", trained.vocabulary.tokenizer().version > 1 ? 1 : 0);
  source.define("DIVIDES_BY_ROOT", settings.pool == "sqrt" ? 1 : 0);
  source.define("TEMPERATURE", real(trained.answering.temperature));
  source.define("MULTI_LABEL", trained.answering.multi_label() ? 1 : 0);
  if (characters.used()) {
    source.define("SHORTEST", characters.shortest);
    source.define("LONGEST", characters.longest);
    source.define("BUCKETS", std::to_string(characters.buckets) + "u");
    source.define("MOST_POINTS", std::to_string(most_characters(trained.max_length)) + "ll");
  }
  if (compressed != nullptr) {
    append_compressed(source, *compressed);
  } else if (needs_head) {
    append_plain(source, trained, table, dim);
  } else {
    append_plain(source, trained, projected(table, head, settings.dim), dim);
  }
  source.array("static const float bias[CLASSES]", bias);
  if (needs_head) source.table("static const float head[CLASSES][DIM]", head, dim);
  source.text(
      "\nconst int classify_classes = CLASSES;\nconst char *const classify_labels[CLASSES] = {\n");
  for (const std::string& label : trained.labels) {
    if (label.size() > 4000) {
      throw tg::ValueError("export: --c: a label has " + std::to_string(label.size()) +
                           " bytes, and C99 allows strings of about 4000");
    }
    source.text("    " + c_string(label) + ",\n");
  }
  source.text("};\n");
  if (trained.answering.multi_label()) {
    source.text("const double classify_thresholds[CLASSES] = {\n");
    for (const double threshold : trained.answering.thresholds) {
      source.text("    " + real(threshold) + ",\n");
    }
    source.text("};\n");
  }

  source.text(kReading);
  if (compressed != nullptr || characters.used()) source.text(kFolded);
  source.text(compressed != nullptr ? kCompressedRows : kPlainRows);
  if (trained.settings().words) {
    source.text(compressed != nullptr ? kCompressedWords : kPlainWords);
    source.text(kWords);
  }
  if (characters.used()) {
    source.text(compressed != nullptr ? kCompressedBuckets : kPlainBuckets);
    source.text(kCharacters);
  }
  source.text("\nstatic void add_text(struct sum *sum, const char *text) {\n");
  if (trained.settings().words) {
    source.text(
        "  int64_t added = 0;\n  int n;\n"
        "  for (n = 1; n <= NGRAMS; ++n) add_ngrams(sum, text, n, &added);\n");
  }
  if (characters.used()) source.text("  add_all_characters(sum, text);\n");
  source.text("}\n#define ADD_TEXT add_text\n");
  if (needs_head) {
    source.text(kHeadFunction);
    source.text("#define LOGIT(k) logit(&sum, divisor, k)\n");
  } else {
    source.text("#define LOGIT(k) (sum.elements[k] / divisor)\n");
  }
  source.text(kClassify);
  return source.take();
}

}  // namespace text_classifier
