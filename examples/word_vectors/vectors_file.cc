// The formats that have names for tensors, and the projector's. Read next: commands.h.
#include "word_vectors/vectors_file.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/nn/text/utf8.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <string_view>
#include <utility>
#include <vector>

namespace word_vectors {
namespace {

using tg::nn::WordVectors;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw tg::FormatError("load_vectors: " + path + ": " + what);
}

// A word on each line.
std::string joined(const WordVectors& vectors, const char* format) {
  std::string text;
  for (const std::string& word : vectors.words()) {
    if (word.empty() || word.find_first_of("\r\n") != std::string::npos || !tg::nn::is_utf8(word)) {
      throw tg::ValueError("save_vectors: the word `" + word + "` cannot be saved as " + format +
                           "; needed UTF-8 without a line end");
    }
    text += word + "\n";
  }
  return text;
}

WordVectors from_text(const std::string& path, const std::string& text, const tg::Tensor& vectors,
                      std::optional<std::int64_t> max_words) {
  std::vector<std::string> words;
  tg::nn::LineReader lines(text);
  for (std::string_view line; lines.next(line);) words.emplace_back(line);
  const auto count = static_cast<std::int64_t>(words.size());
  if (vectors.dim() != 2 || vectors.size(0) != count || !is_floating_point(vectors.dtype())) {
    fail(path, "`words` has " + std::to_string(count) + " words, and `vectors` is " +
                   tg::to_string(vectors.sizes()) + "; needed numbers (" + std::to_string(count) +
                   ", dim)");
  }
  const std::int64_t kept = std::min(count, max_words.value_or(count));
  words.resize(static_cast<std::size_t>(kept));
  try {
    return {std::move(words), narrow(vectors, 0, 0, kept)};
  } catch (const tg::ValueError& error) {  // a word that occurs twice, or NaN
    fail(path, error.what());
  }
}

WordVectors from_safetensors(const std::string& path, std::optional<std::int64_t> max_words) {
  const tg::Checkpoint file = tg::load_with_metadata(path);
  const auto words = file.metadata.find("words");
  if (words == file.metadata.end()) {
    fail(path, "no metadata `words`; needed the words, one on each line");
  }
  const tg::Tensor* vectors = file.state.find("vectors");
  if (vectors == nullptr) fail(path, "no tensor `vectors`");
  return from_text(path, words->second, *vectors, max_words);
}

WordVectors from_npz(const std::string& path, std::optional<std::int64_t> max_words) {
  const tg::StateDict file = tg::load_npz(path);
  const tg::Tensor* vectors = file.find("vectors");
  const tg::Tensor* bytes = file.find("words");
  if (vectors == nullptr || bytes == nullptr || bytes->dtype() != tg::int64) {
    fail(path,
         "needed the arrays `vectors`, and `words` with the bytes of the words, one on each "
         "line");
  }
  std::string text;
  for (const std::int64_t byte : tg::to_vector<std::int64_t>(*bytes)) {
    if (byte < 0 || byte > 255) fail(path, "`words` has a number that is not a byte");
    text += static_cast<char>(byte);
  }
  if (!tg::nn::is_utf8(text)) fail(path, "`words` is not UTF-8");
  return from_text(path, text, *vectors, max_words);
}

void warn_about(const std::string& path, const tg::nn::WordVectorsReport& report) {
  const std::int64_t unused = report.duplicates + report.malformed + report.not_utf8;
  if (unused == 0) return;
  std::cerr << path << ": " << unused << " of " << report.entries << " vectors were not used";
  if (report.duplicates > 0) std::cerr << "; " << report.duplicates << " of them repeat a word";
  if (!report.faults.empty()) {
    std::cerr << "; the first: line " << report.faults[0].line << ": " << report.faults[0].reason;
  }
  std::cerr << '\n';
}

}  // namespace

Format format_for(const std::string& path) {
  if (path.ends_with(".bin")) return Format::binary;
  if (path.ends_with(".safetensors")) return Format::safetensors;
  if (path.ends_with(".npz")) return Format::npz;
  return Format::word2vec;
}

WordVectors load_vectors(const std::string& path, std::optional<std::int64_t> max_words) {
  if (format_for(path) == Format::safetensors) return from_safetensors(path, max_words);
  if (format_for(path) == Format::npz) return from_npz(path, max_words);
  WordVectors vectors = tg::nn::load_word_vectors(path, {.max_words = max_words});
  warn_about(path, vectors.report());
  return vectors;
}

void save_vectors(const std::string& path, const WordVectors& vectors, Format format) {
  using Known = tg::nn::WordVectorsFormat;
  switch (format) {
    case Format::word2vec:
      return tg::nn::save_word_vectors(path, vectors, Known::word2vec_text);
    case Format::binary:
      return tg::nn::save_word_vectors(path, vectors, Known::word2vec_binary);
    case Format::glove:
      return tg::nn::save_word_vectors(path, vectors, Known::glove_text);
    case Format::safetensors:
      return tg::save(path, {{"vectors", vectors.vectors()}},
                      {{"words", joined(vectors, "safetensors")}});
    case Format::npz: {
      const std::string text = joined(vectors, "npz");
      std::vector<std::int64_t> bytes;
      for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
      return tg::save_npz(path, {{"vectors", vectors.vectors()}, {"words", tg::tensor(bytes)}});
    }
  }
}

void save_tsv(const std::string& prefix, const WordVectors& vectors) {
  std::string rows, words;
  const auto elements = vectors.vectors().span<float>();
  const auto dim = static_cast<std::size_t>(vectors.dim());
  for (std::size_t i = 0; i < elements.size(); ++i) {
    char number[32];
    rows.append(number, std::to_chars(number, number + sizeof number, elements[i]).ptr);
    rows += (i + 1) % dim == 0 ? '\n' : '\t';
  }
  for (std::string word : vectors.words()) {
    std::ranges::replace_if(
        word, [](char byte) { return byte == '\t' || byte == '\n' || byte == '\r'; }, ' ');
    words += word + "\n";
  }
  tg::write_file_atomically(prefix + "_vectors.tsv", rows, "tsv");
  tg::write_file_atomically(prefix + "_metadata.tsv", words, "tsv");
}

}  // namespace word_vectors
