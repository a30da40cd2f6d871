// Zip archives whose members are stored, not compressed: what an .npz file is. The format is that
// of APPNOTE.TXT (PKWARE), ZIP64 included.
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

// CRC-32 of zip and gzip; `crc` is the result for the bytes that come earlier.
std::uint32_t crc32(Bytes bytes, std::uint32_t crc = 0);

struct ZipMember {
  std::string name;
  Bytes bytes;
};

// The members of an archive in the order of its directory, each a part of `archive`. FormatError
// `<context><rule>` for an archive that is damaged, overlaps itself or uses more than is read here.
std::vector<ZipMember> read_zip(Bytes archive, const std::string& context);

// The limits of the 32-bit fields; a test makes them small.
struct ZipLimits {
  std::uint64_t bytes = 0xFFFFFFFF;
  std::uint64_t members = 0xFFFF;
};

// Builds an archive as pieces to be written one after the other. It refers to the members' bytes,
// and owns the rest.
class ZipWriter {
 public:
  explicit ZipWriter(ZipLimits limits = {}) : limits_(limits) {}

  // A member whose bytes are those of all pieces. The name is UTF-8 of at most 65,535 bytes.
  void add(const std::string& name, std::vector<Bytes> pieces);
  // Ends the archive with its directory.
  std::vector<Bytes> finish();

 private:
  void append(std::string bytes);

  ZipLimits limits_;
  std::vector<std::string> own_;  // pieces that are not the members': headers
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
