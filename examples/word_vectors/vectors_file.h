// Files of word vectors in all formats: those of nn/text/word_vectors.h, safetensors and NumPy's.
// Read next: vectors_file.cc.
#pragma once

#include <tapegrad/nn/text/word_vectors.h>

#include <cstdint>
#include <optional>
#include <string>

namespace word_vectors {

namespace tg = tapegrad;

// In safetensors, the tensor `vectors` (words, dim) has the vectors, and the metadata `words` has
// the words, one on each line. In .npz, the array `words` has the bytes of that text (UTF-8),
// because arrays of strings are not read here.
enum class Format { word2vec, binary, glove, safetensors, npz };

// By the end of a file's name: .bin, .safetensors, .npz; anything else is word2vec's text.
Format format_for(const std::string& path);

// Reads any of the formats; at most max_words words. Lines that were not used are reported on
// standard error. FormatError with the file, and the line if it has lines; IoError.
tg::nn::WordVectors load_vectors(const std::string& path,
                                 std::optional<std::int64_t> max_words = std::nullopt);

// Replaces the file atomically. ValueError for words that the format cannot hold; IoError.
void save_vectors(const std::string& path, const tg::nn::WordVectors& vectors, Format format);

// For the Embedding Projector: PREFIX_vectors.tsv, a line of numbers for each word, and
// PREFIX_metadata.tsv, a word on each line. Tabs and line ends in words become spaces.
void save_tsv(const std::string& prefix, const tg::nn::WordVectors& vectors);

}  // namespace word_vectors
