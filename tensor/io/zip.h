// Reads and writes zip archives whose members are stored without compression; an .npz file is one.
// The format is described in APPNOTE.TXT (PKWARE); ZIP64 is supported.
//
// Internal. Read next: tensor/io/zip.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tapegrad::detail {

using Bytes = std::span<const std::byte>;

// The CRC-32 of zip and gzip; `crc` is the result for the preceding bytes.
std::uint32_t crc32(Bytes bytes, std::uint32_t crc = 0);

struct ZipMember {
  std::string name;
  Bytes bytes;
};

// Returns the members of an archive in the order of its directory; their bytes are parts of
// `archive`. FormatError `<context><rule>` if the archive is damaged, if members overlap, or if it
// uses features that are not supported here.
std::vector<ZipMember> read_zip(Bytes archive, const std::string& context);

// The limits of the 32-bit fields; tests use smaller ones.
struct ZipLimits {
  std::uint64_t bytes = 0xFFFFFFFF;
  std::uint64_t members = 0xFFFF;
};

// Builds an archive as a list of pieces to be written one after the other. It owns the headers and
// only refers to the members' bytes, which must outlive it.
class ZipWriter {
 public:
  explicit ZipWriter(ZipLimits limits = {}) : limits_(limits) {}

  // Adds a member, the concatenation of all pieces. The name is UTF-8 of at most 65,535 bytes.
  void add(const std::string& name, std::vector<Bytes> pieces);
  // Appends the directory and returns all pieces of the archive.
  std::vector<Bytes> finish();

 private:
  void append(std::string bytes);

  ZipLimits limits_;
  std::vector<std::string> own_;  // the headers
  struct Piece {
    std::size_t own;  // position in own_, or none
    Bytes bytes;
  };
  std::vector<Piece> pieces_;
  std::string directory_;
  std::uint64_t members_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace tapegrad::detail
