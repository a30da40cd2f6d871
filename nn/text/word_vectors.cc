// WordVectors, and the initialization of an Embedding from them. Read next:
// nn/text/word_vectors_format.h.
#include <tapegrad/nn/text/word_vectors.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/embedding_bag.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::nn {

const char* name(WordVectorsFormat format) {
  switch (format) {
    case WordVectorsFormat::word2vec_text:
      return "word2vec text";
    case WordVectorsFormat::word2vec_binary:
      return "word2vec binary";
    case WordVectorsFormat::glove_text:
      break;
  }
  return "GloVe text";
}

struct WordVectors::Contents {
  std::vector<std::string> words;
  Tensor vectors;
  WordVectorsReport report;
  std::unordered_map<std::string_view, std::int64_t> rows;  // the keys refer to words

  mutable std::once_flag normalized;
  mutable Tensor unit_vectors;
};

WordVectors::WordVectors(std::vector<std::string> words, const Tensor& vectors,
                         WordVectorsReport report) {
  if (!is_floating_point(vectors.dtype())) {
    throw DTypeError("WordVectors: got " + std::string(tapegrad::name(vectors.dtype())) +
                     " vectors, needed floating-point ones");
  }
  if (vectors.dim() != 2 || vectors.size(0) != static_cast<std::int64_t>(words.size())) {
    throw ShapeError("WordVectors: got " + std::to_string(words.size()) + " words and vectors " +
                     to_string(vectors.sizes()) + ", needed (" + std::to_string(words.size()) +
                     ", dim)");
  }
  const auto contents = std::make_shared<Contents>();
  contents->words = std::move(words);
  contents->vectors = vectors.to(float32).contiguous();
  contents->report = std::move(report);
  contents->rows.reserve(contents->words.size());
  for (const std::string& word : contents->words) {
    const auto row = static_cast<std::int64_t>(contents->rows.size());
    if (const auto [found, fresh] = contents->rows.emplace(word, row); !fresh) {
      throw ValueError("WordVectors: `" + word + "` is both word " + std::to_string(found->second) +
                       " and word " + std::to_string(row) + ", needed different words");
    }
  }
  if (const Tensor wrong = !isfinite(contents->vectors); any(wrong).item<bool>()) {
    const std::int64_t row = argmax(wrong.to(int64)).item<std::int64_t>() / vectors.size(1);
    throw ValueError("WordVectors: the vector of `" +
                     contents->words[static_cast<std::size_t>(row)] +
                     "` has an element that is not finite");
  }
  contents_ = contents;
}

const std::vector<std::string>& WordVectors::words() const& { return contents_->words; }
const Tensor& WordVectors::vectors() const& { return contents_->vectors; }
const WordVectorsReport& WordVectors::report() const& { return contents_->report; }

const Tensor& WordVectors::unit_vectors() const& {
  std::call_once(contents_->normalized,
                 [this] { contents_->unit_vectors = normalize(contents_->vectors); });
  return contents_->unit_vectors;
}

std::optional<std::int64_t> WordVectors::find(std::string_view word) const {
  const auto found = contents_->rows.find(word);
  if (found == contents_->rows.end()) return std::nullopt;
  return found->second;
}

Tensor WordVectors::vector(std::string_view word) const {
  const std::optional<std::int64_t> row = find(word);
  if (!row) {
    throw ValueError("WordVectors: none of the " + std::to_string(size()) + " words is `" +
                     std::string(word) + "`; is its case the same?");
  }
  return select(vectors(), 0, *row);
}

// Initializing an Embedding -----------------------------------------------------------------------

namespace {

// Row rows[i] of a table is row sources[i] of the word vectors.
struct KnownWords {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> sources;
};

KnownWords known_words(const WordVectors& vectors, const std::vector<std::string>& vocabulary,
                       std::optional<std::int64_t> padding = std::nullopt) {
  KnownWords known;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const std::optional<std::int64_t> source = vectors.find(vocabulary[i]);
    if (!source || row == padding) continue;
    known.rows.push_back(row);
    known.sources.push_back(*source);
  }
  return known;
}

void copy_rows(const KnownWords& known, const WordVectors& vectors, Tensor& table) {
  for (std::size_t i = 0; i < known.rows.size(); ++i) {
    select(table, 0, known.rows[i]).copy_(select(vectors.vectors(), 0, known.sources[i]));
  }
}

// A table whose rows are all initialized as unknown words.
Tensor unknown_table(const Shape& shape, const KnownWords& known, const WordVectors& vectors,
                     UnknownWords unknown, GeneratorRef generator) {
  if (unknown == UnknownWords::zeros) return zeros(shape);
  if (unknown == UnknownWords::normal) return normal_(empty(shape), 0, 1, generator);
  if (known.rows.empty()) {
    throw ValueError("from_pretrained: none of the " + std::to_string(shape[0]) +
                     " words has a vector, needed one for UnknownWords::" +
                     (unknown == UnknownWords::mean ? "mean" : "normal_like") +
                     "; are the words in the case of the file?");
  }
  const Tensor rows = index_select(vectors.vectors(), 0, tensor(known.sources));  // (known, dim)
  const Tensor center = mean(rows, 0, true);                                      // (1, dim)
  if (unknown == UnknownWords::mean) return expand(center, shape).clone();
  return normal_(empty(shape), 0, 1, generator) * std(rows, 0, false, true) + center;
}

}  // namespace

std::vector<std::int64_t> copy_known_rows(const WordVectors& vectors,
                                          const std::vector<std::string>& vocabulary,
                                          Tensor& table) {
  if (!is_floating_point(table.dtype())) {
    throw DTypeError("copy_known_rows: got a table of " +
                     std::string(tapegrad::name(table.dtype())) + ", needed floating-point");
  }
  if (const Shape needed{vocabulary.size(), vectors.dim()}; table.shape() != needed) {
    throw ShapeError("copy_known_rows: got a table " + to_string(table.sizes()) + ", needed " +
                     to_string(needed) + ", words of the vocabulary by dim of the vectors");
  }
  const KnownWords known = known_words(vectors, vocabulary);
  copy_rows(known, vectors, table);
  return known.rows;
}

PretrainedEmbedding from_pretrained(const WordVectors& vectors,
                                    const std::vector<std::string>& vocabulary,
                                    const FromWordVectorsOptions& options) {
  EmbeddingOptions layer = options.others;
  if (layer.padding_idx || layer.freeze) {
    throw ValueError(
        "from_pretrained: others.padding_idx or others.freeze is set, but it is not read; set "
        "padding_idx and freeze "
        "of FromWordVectorsOptions instead");
  }
  const Shape shape{vocabulary.size(), vectors.dim()};
  layer.freeze = options.freeze;
  if (options.padding_idx) {
    layer.padding_idx = checked_padding("from_pretrained", options.padding_idx, shape[0]);
  }
  const KnownWords known = known_words(vectors, vocabulary, layer.padding_idx);
  Tensor table = unknown_table(shape, known, vectors, options.unknown, layer.generator);
  copy_rows(known, vectors, table);
  if (layer.padding_idx) select(table, 0, *layer.padding_idx).zero_();

  PretrainedEmbedding result{Embedding::from_pretrained(table, layer), known.rows};
  if (options.freeze_known) result.embedding.freeze_rows(known.rows);
  return result;
}

}  // namespace tapegrad::nn
