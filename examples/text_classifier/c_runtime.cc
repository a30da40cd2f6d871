// C99 as text. It computes what Trained::ids() and Classifier compute for a bag. Read next:
// text_classifier.h.
#include "text_classifier/c_runtime.h"

namespace text_classifier::c_runtime {

const char* const kBegin =
    R"C(/* A text classifier, written by `text_classifier export --c`. C99, needs only the standard library:

     cc -std=c99 -O2 -c FILE.c                         a library for other programs
     cc -std=c99 -O2 -DCLASSIFY_MAIN FILE.c -lm        a program that classifies its arguments

   int classify(const char *utf8_text, float *probabilities);
     Returns the class of a text, an index into classify_labels, and writes the probability of each
     class; probabilities may be NULL. Bytes that are not UTF-8 separate words. It uses no memory
     but the stack, and several threads may call it.
   extern const char *const classify_labels[];
   extern const int classify_classes;
   extern const double classify_thresholds[];
     Only if MULTI_LABEL is 1: a text may have several labels, or none, and has those whose
     probability is at least their threshold. classify() returns the most probable one.  */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

)C";

const char* const kReading = R"C(
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

const char* const kFolded = R"C(
static uint32_t to_32_bits(uint64_t hash) { return (uint32_t)(hash ^ hash >> 32); }
)C";

const char* const kPlainRows = R"C(
static void add_row(struct sum *sum, const float *row) {
  size_t i;
  for (i = 0; i < DIM; ++i) sum->elements[i] += row[i];
  ++sum->rows;
}
)C";
const char* const kPlainWords = R"C(
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
const char* const kPlainBuckets = R"C(
static void add_characters(struct sum *sum, uint64_t hash) {
  add_row(sum, buckets[to_32_bits(hash) % BUCKETS]);
}
)C";

const char* const kCompressedRows = R"C(
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
const char* const kCompressedWords = R"C(
/* Adds the row of a word, or of an n-gram of words. Row 0 is that of unknown words. */
static int add_words(struct sum *sum, uint64_t hash, int is_word) {
  const size_t row = row_of(to_32_bits(hash));
  if (row == 0 && !is_word) return 0;
  add_row(sum, row);
  return 1;
}
)C";
const char* const kCompressedBuckets = R"C(
/* The key of a bucket is the hash of the byte 1 and the number. */
static void add_characters(struct sum *sum, uint64_t hash) {
  uint32_t bucket = to_32_bits(hash) % BUCKETS;
  unsigned char text[11];
  size_t begin = sizeof text, row;
  do text[--begin] = (unsigned char)('0' + bucket % 10);
  while ((bucket /= 10) != 0);
  hash = hashed((HASH_START ^ 1) * 0x100000001B3u, text + begin, sizeof text - begin);
  row = row_of(to_32_bits(hash));
  if (row > 0) add_row(sum, row);
  else ++sum->rows; /* a row of zeros */
}
)C";

const char* const kWords = R"C(
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

const char* const kCharacters = R"C(
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

const char* const kClassify = R"C(
/* Answers ---------------------------------------------------------------------------------------- */

int classify(const char *utf8_text, float *probabilities) {
  struct sum sum;
  double logits[CLASSES], divisor;
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
  if (probabilities != NULL) {
#if MULTI_LABEL
    for (k = 0; k < CLASSES; ++k) probabilities[k] = (float)(1 / (1 + exp(-logits[k])));
#else
    double total = 0;
    for (k = 0; k < CLASSES; ++k) total += exp(logits[k] - logits[best]);
    for (k = 0; k < CLASSES; ++k) probabilities[k] = (float)(exp(logits[k] - logits[best]) / total);
#endif
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
#if MULTI_LABEL
    int answers = 0, k;
    for (k = 0; k < CLASSES; ++k) {
      if ((double)probabilities[k] < classify_thresholds[k]) continue;
      printf("%s  %.3f  ", classify_labels[k], (double)probabilities[k]);
      ++answers;
    }
    if (answers == 0) printf("(none)  %.3f  ", (double)probabilities[best]);
    printf("%s\n", argv[i]);
#else
    printf("%s  %.3f  %s\n", classify_labels[best], (double)probabilities[best], argv[i]);
#endif
  }
  return 0;
}
#endif
)C";

const char* const kHeadFunction = R"C(
static double logit(const struct sum *sum, double divisor, int k) {
  double result = 0;
  size_t i;
  for (i = 0; i < DIM; ++i) result += head[k][i] * (sum->elements[i] / divisor);
  return result;
}
)C";

}  // namespace text_classifier::c_runtime
