// Writes the tables of a model as C arrays, and after them the code that reads texts, which is the
// same for all models. Read next: main.cc.
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
#include "text_classifier/compressed.h"

namespace text_classifier {

using examples::hash_of;
namespace {

using tg::nn::Vocabulary;

constexpr const char* kBegin =
    R"C(/* A text classifier, written by `text_classifier export --c`. C99, needs only the standard library:

     cc -std=c99 -O2 -c FILE.c                         a library for other programs
     cc -std=c99 -O2 -DCLASSIFY_MAIN FILE.c -lm        a program that classifies its arguments

   int classify(const char *utf8_text, float *probabilities);
     Returns the class of a text, an index into classify_labels, and writes the probability of each
     class; probabilities may be NULL. Bytes that are not UTF-8 separate words. It uses no memory
     but the stack, and several threads may call it.
   extern const char *const classify_labels[];
   extern const int classify_classes;  */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

)C";

// Reads texts as nn/text/tokenizer.cc and nn/text/utf8.cc do.
constexpr const char* kReading = R"C(
/* Characters ------------------------------------------------------------------------------------ */

/* The code point at `text`, which does not end there. A byte that is not UTF-8 is U+FFFD. */
static uint32_t decode(const unsigned char *text, size_t *length) {
  const uint32_t lead = text[0];
  uint32_t value, least;
  size_t i, n;
  *length = 1;
  if (lead < 0x80) return lead;
  if (lead >= 0xC0 && lead <= 0xDF) {
    n = 2, value = lead & 0x1F, least = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    n = 3, value = lead & 0x0F, least = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF7) {
    n = 4, value = lead & 0x07, least = 0x10000;
  } else {
    return 0xFFFD;
  }
  for (i = 1; i < n; ++i) {
    if ((text[i] & 0xC0) != 0x80) return 0xFFFD; /* also at the end of the text */
    value = value << 6 | (text[i] & 0x3Fu);
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 0xFFFD;
  *length = n;
  return value;
}

static size_t encode(uint32_t c, unsigned char *bytes) {
  if (c < 0x80) {
    bytes[0] = (unsigned char)c;
    return 1;
  }
  if (c < 0x800) {
    bytes[0] = (unsigned char)(0xC0 | c >> 6);
    bytes[1] = (unsigned char)(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    bytes[0] = (unsigned char)(0xE0 | c >> 12);
    bytes[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    bytes[2] = (unsigned char)(0x80 | (c & 0x3F));
    return 3;
  }
  bytes[0] = (unsigned char)(0xF0 | c >> 18);
  bytes[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
  bytes[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
  bytes[3] = (unsigned char)(0x80 | (c & 0x3F));
  return 4;
}

static int between(uint32_t c, uint32_t first, uint32_t last) { return first <= c && c <= last; }

static uint32_t lower(uint32_t c) {
  if (c < 0x80) return between(c, 'A', 'Z') ? c + 32 : c;
  if (between(c, 0xC0, 0xDE)) return c == 0xD7 ? c : c + 32;
  if (c == 0x386) return 0x3AC;
  if (between(c, 0x388, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (between(c, 0x391, 0x3AB) && c != 0x3A2) return c + 32;
  if (between(c, 0x400, 0x40F)) return c + 80;
  if (between(c, 0x410, 0x42F)) return c + 32;
  return c;
}

struct range { uint32_t first, last; };

static int in_any(const struct range *ranges, size_t count, uint32_t c) {
  size_t i;
  for (i = 0; i < count; ++i) {
    if (between(c, ranges[i].first, ranges[i].last)) return 1;
  }
  return 0;
}
#define IN_ANY(ranges, c) in_any(ranges, sizeof(ranges) / sizeof((ranges)[0]), c)

static const struct range joiners[] = {
    {0xAD, 0xAD}, {0x200C, 0x200F}, {0x2060, 0x2060}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};
static const struct range blanks[] = {
    {0x00, 0x20},     {0x7F, 0xA0},     {0xAD, 0xAD},     {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000}, {0xE000, 0xF8FF},
    {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFF}};
static const struct range marks[] = {
    {0x21, 0x2F},     {0x3A, 0x40},     {0x5B, 0x60},     {0x7B, 0x7E},     {0xA1, 0xA9},
    {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},     {0xF7, 0xF7},
    {0x2010, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3001, 0x303F}, {0x30A0, 0x30A0}, {0x30FB, 0x30FB},
    {0xFE10, 0xFE6F}, {0xFF61, 0xFF65}, {0xFFE0, 0xFFEE}, {0x1F300, 0x1FAFF}};
static const struct range cjk[] = {
    {0x4E00, 0x9FFF}, {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x30FC, 0x30FF}, {0x3005, 0x3005},
    {0x3007, 0x3007}, {0x3400, 0x4DBF}, {0xF900, 0xFAFF}, {0x31F0, 0x31FF}, {0xFF66, 0xFF9D},
    {0x309D, 0x309F}, {0x20000, 0x3FFFD}};

enum kind { END, BLANK, LETTER, CJK, MARK }; /* CJK and MARK are words by themselves */

struct reader {
  const unsigned char *at;
  unsigned char bytes[4]; /* of the last character, in lowercase */
  size_t length;
};

static enum kind next(struct reader *reader) {
  for (;;) {
    size_t length;
    uint32_t c;
    if (*reader->at == 0) return END;
    c = decode(reader->at, &length);
    reader->at += length;
    if (between(c, 0xFF01, 0xFF5E)) c -= 0xFEE0; /* full-width forms */
    c = lower(c);
    if (SKIPS_JOINERS && c >= 0xAD && IN_ANY(joiners, c)) continue;
    if (IN_ANY(blanks, c)) return BLANK;
    reader->length = encode(c, reader->bytes);
    if (c >= 0x3005 && IN_ANY(cjk, c)) return CJK;
    return IN_ANY(marks, c) ? MARK : LETTER;
  }
}

/* Hashes: FNV-1a --------------------------------------------------------------------------------- */

#define HASH_START 0xCBF29CE484222325u

static uint64_t hashed(uint64_t hash, const unsigned char *bytes, size_t length) {
  size_t i;
  for (i = 0; i < length; ++i) hash = (hash ^ bytes[i]) * 0x100000001B3u;
  return hash;
}

/* Rows ------------------------------------------------------------------------------------------- */

struct sum {
  double elements[DIM];
  int64_t rows;
};
)C";

constexpr const char* kFolded = R"C(
static uint32_t folded(uint64_t hash) { return (uint32_t)(hash ^ hash >> 32); }
)C";

// The rows of a model that is not compressed.
constexpr const char* kPlainRows = R"C(
static void add_row(struct sum *sum, const float *row) {
  size_t i;
  for (i = 0; i < DIM; ++i) sum->elements[i] += row[i];
  ++sum->rows;
}
)C";
constexpr const char* kPlainWords = R"C(
/* Adds the row of a word, or of an n-gram of words. */
static int add_words(struct sum *sum, uint64_t hash, int is_word) {
  size_t first = 0, last = key_count;
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    if (keys[middle] < hash) first = middle + 1;
    else last = middle;
  }
  if (first < key_count && keys[first] == hash) add_row(sum, rows[first]);
  else if (is_word) add_row(sum, unknown);
  else return 0;
  return 1;
}
)C";
constexpr const char* kPlainBuckets = R"C(
static void add_characters(struct sum *sum, uint64_t hash) {
  add_row(sum, buckets[folded(hash) % BUCKETS]);
}
)C";

constexpr const char* kCompressedRows = R"C(
static void add_row(struct sum *sum, size_t row) {
  const float scale = scales[scale_of_row[row]];
  size_t i;
  for (i = 0; i < DIM; ++i) sum->elements[i] += scale * (ELEMENT(row, i) / 127.0f);
  ++sum->rows;
}

/* The row of a key; 0 if there is none. */
static size_t row_of(uint32_t key) {
  size_t first = 0, last = key_count;
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    if (keys[middle] < key) first = middle + 1;
    else last = middle;
  }
  return first < key_count && keys[first] == key ? first + 1 : 0;
}
)C";
constexpr const char* kCompressedWords = R"C(
/* Adds the row of a word, or of an n-gram of words. Row 0 is that of unknown words. */
static int add_words(struct sum *sum, uint64_t hash, int is_word) {
  const size_t row = row_of(folded(hash));
  if (row == 0 && !is_word) return 0;
  add_row(sum, row);
  return 1;
}
)C";
constexpr const char* kCompressedBuckets = R"C(
/* The key of a bucket is the hash of the byte 1 and the number. */
static void add_characters(struct sum *sum, uint64_t hash) {
  uint32_t bucket = folded(hash) % BUCKETS;
  unsigned char text[11];
  size_t begin = sizeof text, row;
  do text[--begin] = (unsigned char)('0' + bucket % 10);
  while ((bucket /= 10) != 0);
  hash = hashed((HASH_START ^ 1) * 0x100000001B3u, text + begin, sizeof text - begin);
  row = row_of(folded(hash));
  if (row > 0) add_row(sum, row);
  else ++sum->rows; /* a row of zeros */
}
)C";

constexpr const char* kWords = R"C(
/* Words ------------------------------------------------------------------------------------------ */

struct words {
  struct sum *sum;
  int n;           /* the n-grams that are added */
  int64_t tokens;  /* so far */
  int64_t *added;  /* of all n */
  uint64_t hash[NGRAMS + 1]; /* hash[k] is that of the last k words */
};

static void begin_word(struct words *words) {
  int k;
  for (k = words->n - 1; k >= 1; --k) {
    words->hash[k + 1] = hashed(words->hash[k], (const unsigned char *)" ", 1);
  }
  words->hash[1] = HASH_START;
}

static void continue_word(struct words *words, const struct reader *reader) {
  int k;
  for (k = 1; k <= words->n; ++k) {
    words->hash[k] = hashed(words->hash[k], reader->bytes, reader->length);
  }
}

/* Returns 0 if the text is cut after this word. */
static int end_word(struct words *words) {
  if (++words->tokens >= words->n) {
    *words->added += add_words(words->sum, words->hash[words->n], words->n == 1);
  }
  return (CUTS_WORDS ? words->tokens : *words->added) < MAX_LENGTH;
}

static void add_ngrams(struct sum *sum, const char *text, int n, int64_t *added) {
  struct reader reader;
  struct words words;
  int in_word = 0, k;
  reader.at = (const unsigned char *)text;
  reader.length = 0;
  words.sum = sum;
  words.n = n;
  words.tokens = 0;
  words.added = added;
  for (k = 0; k <= NGRAMS; ++k) words.hash[k] = HASH_START;
  if (!CUTS_WORDS && *added >= MAX_LENGTH) return;
  for (;;) {
    const enum kind kind = next(&reader);
    if (kind == LETTER) {
      if (!in_word) begin_word(&words);
      continue_word(&words, &reader);
      in_word = 1;
      continue;
    }
    if (in_word && !end_word(&words)) return;
    in_word = 0;
    if (kind == END) return;
    if (kind == BLANK) continue;
    begin_word(&words);
    continue_word(&words, &reader);
    if (!end_word(&words)) return;
  }
}
)C";

constexpr const char* kCharacters = R"C(
/* Characters of words ---------------------------------------------------------------------------- */

struct run { /* a word, or CJK characters that follow each other, with a space at both ends */
  struct sum *sum;
  int points; /* so far, at most LONGEST */
  uint64_t hash[LONGEST + 1]; /* hash[k] is that of the last k code points */
};

static void add_point(struct run *run, const unsigned char *bytes, size_t length, int is_end) {
  int k = run->points < LONGEST ? run->points : LONGEST - 1;
  for (; k >= 0; --k) {
    run->hash[k + 1] = hashed(k == 0 ? HASH_START : run->hash[k], bytes, length);
    if (k + 1 >= SHORTEST && !(k == 0 && is_end)) add_characters(run->sum, run->hash[k + 1]);
  }
  if (run->points < LONGEST) ++run->points;
}

static void begin_run(struct run *run) {
  run->points = 0;
  add_point(run, (const unsigned char *)" ", 1, 1);
}
static void end_run(struct run *run) { add_point(run, (const unsigned char *)" ", 1, 1); }

static void add_all_characters(struct sum *sum, const char *text) {
  struct reader reader;
  struct run run;
  enum kind before = END; /* of the run that has not ended; END: none */
  int in_word = 0;
  int64_t tokens = 0, points = 0;
  reader.at = (const unsigned char *)text;
  reader.length = 0;
  run.sum = sum;
  run.points = 0;
  for (;;) {
    const enum kind kind = next(&reader);
    const int is_first = !(kind == LETTER && in_word); /* character of a token */
    in_word = kind == LETTER;
    if (kind == BLANK) continue;
    if (kind == END || (is_first && tokens == MAX_LENGTH) || points == MOST_POINTS) break;
    if (is_first) {
      ++tokens;
      if (!(kind == CJK && before == CJK)) {
        if (before != END) end_run(&run);
        begin_run(&run);
      }
    }
    before = kind;
    add_point(&run, reader.bytes, reader.length, 0);
    ++points;
  }
  if (before != END) end_run(&run);
}
)C";

constexpr const char* kClassify = R"C(
/* Answers ---------------------------------------------------------------------------------------- */

int classify(const char *utf8_text, float *probabilities) {
  struct sum sum;
  double logits[CLASSES], total = 0, divisor;
  int best = 0, k;
  size_t i;
  sum.rows = 0;
  for (i = 0; i < DIM; ++i) sum.elements[i] = 0;
  ADD_TEXT(&sum, utf8_text);
  divisor = sum.rows > 0 ? (double)sum.rows : 1;
  if (DIVIDES_BY_ROOT) divisor = sqrt(divisor);
  for (k = 0; k < CLASSES; ++k) {
    logits[k] = (LOGIT(k) + bias[k]) / TEMPERATURE;
    if (logits[k] > logits[best]) best = k;
  }
  for (k = 0; k < CLASSES; ++k) total += exp(logits[k] - logits[best]);
  for (k = 0; probabilities != NULL && k < CLASSES; ++k) {
    probabilities[k] = (float)(exp(logits[k] - logits[best]) / total);
  }
  return best;
}

#ifdef CLASSIFY_MAIN
#include <stdio.h>

int main(int argc, char **argv) {
  int i;
  for (i = 1; i < argc; ++i) {
    float probabilities[CLASSES];
    const int best = classify(argv[i], probabilities);
    printf("%s  %.3f  %s\n", classify_labels[best], (double)probabilities[best], argv[i]);
  }
  return 0;
}
#endif
)C";

constexpr const char* kHeadFunction = R"C(
static double logit(const struct sum *sum, double divisor, int k) {
  double result = 0;
  size_t i;
  for (i = 0; i < DIM; ++i) result += head[k][i] * (sum->elements[i] / divisor);
  return result;
}
)C";

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
  if (trained.reads_words) append_words(source, trained, table, dim);
  if (trained.characters.used()) {
    source.table("static const float buckets[BUCKETS][DIM]",
                 rows_at(table, dim, trained.vocabulary.size(), trained.characters.buckets), dim);
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
  if (table.part > 0) {
    source.define("PART", table.part);
    source.define("PARTS", table.parts());
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

std::string c_source(const Trained& trained, const ModelSettings& settings) {
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
  const Characters& characters = trained.characters;

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

  source.text(kReading);
  if (compressed != nullptr || characters.used()) source.text(kFolded);
  source.text(compressed != nullptr ? kCompressedRows : kPlainRows);
  if (trained.reads_words) {
    source.text(compressed != nullptr ? kCompressedWords : kPlainWords);
    source.text(kWords);
  }
  if (characters.used()) {
    source.text(compressed != nullptr ? kCompressedBuckets : kPlainBuckets);
    source.text(kCharacters);
  }
  source.text("\nstatic void add_text(struct sum *sum, const char *text) {\n");
  if (trained.reads_words) {
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
