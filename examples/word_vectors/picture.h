// Words on a plane, as an SVG file. Read next: projection.h.
#pragma once

#include <tapegrad/nn/text/word_vectors.h>

#include <cstdint>
#include <string>
#include <vector>

namespace word_vectors {

namespace tg = tapegrad;

enum class Projection { pca, tsne };

struct PictureSettings {
  Projection projection = Projection::tsne;
  std::vector<std::string> words;  // and those in words_file; none: the first `most`
  std::string words_file;
  std::int64_t most = 150;
  double perplexity = 15;
  std::int64_t width = 1000;
  std::int64_t height = 800;
  std::int64_t seed = 1;
};

// Replaces the file at `path`. Returns what it drew, for the user: `150 words; ...`. ValueError for
// a word without a vector, for a word that is named twice, and for fewer than 3 words; IoError.
std::string save_picture(const std::string& path, const tg::nn::WordVectors& vectors,
                         const PictureSettings& settings);

}  // namespace word_vectors
