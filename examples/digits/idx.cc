// IDX files: a header of big-endian numbers, 0x0000 0x08 (bytes), the number of dimensions and
// their sizes, and then the bytes. Read next: strokes.h.
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>

#if defined(DIGITS_ZLIB)
#include <zlib.h>
#endif

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "digits/images.h"

namespace digits {
namespace {

namespace tg = tapegrad;

constexpr std::int64_t kSide = 28;

#if defined(DIGITS_ZLIB)
// zlib also reads files that are not compressed.
std::string read_bytes(const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw tg::IoError("digits: cannot read " + path);
  std::string bytes;
  std::vector<char> part(1 << 16);
  int got = 0;
  while ((got = gzread(file.get(), part.data(), static_cast<unsigned>(part.size()))) > 0) {
    bytes.append(part.data(), static_cast<std::size_t>(got));
  }
  int error = Z_OK;
  const char* const reason = gzerror(file.get(), &error);
  if (got < 0 || (error != Z_OK && error != Z_STREAM_END)) {
    throw tg::FormatError(path + ": " + (error == Z_BUF_ERROR ? "the file is cut off" : reason));
  }
  return bytes;
}
#else
std::string read_bytes(const std::string& path) {
  if (path.ends_with(".gz")) {
    throw tg::IoError(path + ": this program was built without zlib; decompress it with gunzip");
  }
  return tg::read_file(path, "digits");
}
#endif

// The bytes after the header, whose sizes must be `count` (unless -1) and then `sizes`.
std::string body(const std::string& path, const std::string& bytes, std::int64_t& count,
                 const std::vector<std::int64_t>& sizes) {
  const std::size_t header = 4 * (2 + sizes.size());
  const auto number = [&](std::size_t i) {
    std::int64_t value = 0;
    for (std::size_t k = 4 * i; k < 4 * i + 4; ++k) {
      value = value * 256 + static_cast<unsigned char>(bytes[k]);
    }
    return value;
  };
  const std::int64_t magic = 0x0801 + static_cast<std::int64_t>(sizes.size());
  if (bytes.size() < header || number(0) != magic) {
    throw tg::FormatError(path + ": not an IDX file of bytes with " +
                          std::to_string(1 + sizes.size()) + " dimensions");
  }
  std::int64_t one = 1;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (number(2 + d) != sizes[d]) {
      throw tg::FormatError(path + ": size " + std::to_string(number(2 + d)) + ", needed " +
                            std::to_string(sizes[d]));
    }
    one *= sizes[d];
  }
  if (count >= 0 && number(1) != count) {
    throw tg::FormatError(path + ": " + std::to_string(number(1)) + " labels for " +
                          std::to_string(count) + " images");
  }
  count = number(1);
  if (static_cast<std::int64_t>(bytes.size() - header) != count * one) {
    throw tg::FormatError(path + ": " + std::to_string(bytes.size() - header) +
                          " bytes after the header, needed " + std::to_string(count * one));
  }
  return bytes.substr(header);
}

// The path of the file, or of the compressed one.
std::string existing(const std::string& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"}) {
    std::string path = folder + "/" + name + ending;
    if (std::filesystem::exists(path)) return path;
  }
  throw tg::IoError("digits: no " + name + " and no " + name + ".gz in " + folder);
}

Images read_part(const std::string& folder, const std::string& part) {
  std::int64_t count = -1;
  const std::string images_path = existing(folder, part + "-images-idx3-ubyte");
  const std::string labels_path = existing(folder, part + "-labels-idx1-ubyte");
  const std::string pixels = body(images_path, read_bytes(images_path), count, {kSide, kSide});
  const std::string labels = body(labels_path, read_bytes(labels_path), count, {});
  if (count == 0) throw tg::FormatError(images_path + ": no images");
  Images images{tg::zeros({count, 1, kSide, kSide}), tg::zeros({count}, tg::int64)};
  float* const to = images.pixels.mutable_data<float>();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    to[i] = static_cast<float>(static_cast<unsigned char>(pixels[i])) / 255.0f;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = static_cast<unsigned char>(labels[i]);
    if (label > 9) {
      throw tg::FormatError(labels_path + ": label " + std::to_string(label) + " of image " +
                            std::to_string(i) + ", needed 0 to 9");
    }
    images.labels.mutable_data<std::int64_t>()[i] = label;
  }
  return images;
}

std::string big_endian(std::int64_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift & 255));
  return bytes;
}

void write_part(const std::string& folder, const std::string& part, const Images& images) {
  std::string pixels =
      big_endian(0x0803) + big_endian(images.count()) + big_endian(kSide) + big_endian(kSide);
  for (const float ink : images.pixels.span<float>()) {
    pixels.push_back(static_cast<char>(std::lround(ink * 255.0f)));
  }
  std::string labels = big_endian(0x0801) + big_endian(images.count());
  for (const std::int64_t label : images.labels.span<std::int64_t>()) {
    labels.push_back(static_cast<char>(label));
  }
  tg::write_file_atomically(folder + "/" + part + "-images-idx3-ubyte", pixels, "digits");
  tg::write_file_atomically(folder + "/" + part + "-labels-idx1-ubyte", labels, "digits");
}

}  // namespace

Data read_idx(const std::string& folder) {
  return {read_part(folder, "train"), read_part(folder, "t10k")};
}

void write_idx(const std::string& folder, const Data& data) {
  tg::create_folders(folder, "digits");
  write_part(folder, "train", data.train);
  write_part(folder, "t10k", data.test);
}

}  // namespace digits
