// Zip archives. An archive is read from its end: the end record contains the position of the
// directory, and each entry of the directory the position of its member, which starts with a
// header.
//
//   member header | name | bytes    member header | name | bytes    entry  entry    end record
//   ^------------------- offset in the entry ---------------------- ^ offset in the end record
//
// Read next: tensor/io/state_dict.cc.
#include <tapegrad/tensor/io/zip.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_format.h>

namespace tapegrad::detail {
namespace {

constexpr std::uint32_t kMemberHeader = 0x04034b50;
constexpr std::uint32_t kEntry = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kMemberHeaderBytes = 30;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint16_t kExtra64 = 1;        // the kind of the extra field for 64-bit integers
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // the value is in that field
constexpr std::uint16_t kEncrypted = 1 << 0;
constexpr std::uint16_t kUtf8Name = 1 << 11;

}  // namespace

std::uint32_t crc32(Bytes bytes, std::uint32_t crc) {
  // table[b] is the remainder that the byte b contributes when it is shifted out.
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t b = 0; b < 256; ++b) {
      std::uint32_t value = b;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0xEDB88320U : 0);
      entries[b] = value;
    }
    return entries;
  }();
  crc = ~crc;
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ table[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  }
  return ~crc;
}

// Reading -----------------------------------------------------------------------------------------

namespace {

// Reads little-endian integers from a part of the archive. FormatError if the part is too short.
class Reader {
 public:
  Reader(Bytes bytes, const std::string& context, const char* what)
      : bytes_(bytes), context_(context), what_(what) {}

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text(std::size_t bytes) {
    const Bytes taken = take(bytes);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  Bytes take(std::uint64_t bytes) {
    if (bytes > bytes_.size()) {
      throw FormatError(context_ + what_ + " is cut off; is the file damaged?");
    }
    const Bytes taken = bytes_.first(static_cast<std::size_t>(bytes));
    bytes_ = bytes_.subspan(static_cast<std::size_t>(bytes));
    return taken;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
  const std::string& context_;
  const char* what_;
};

// The position of the directory, from an end record.
struct Directory {
  std::uint64_t members = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
  std::uint64_t limit = 0;  // the position of the end record
  bool one_disk = false;
};

// The position of the end record: the last position at which a record, with its comment, ends
// exactly at the end of the archive.
std::size_t find_end(Bytes archive, const std::string& context) {
  if (archive.size() >= kEndBytes) {
    const std::size_t last = archive.size() - kEndBytes;
    for (std::size_t back = 0; back <= std::min(last, kLongestComment); ++back) {
      Reader reader(archive.subspan(last - back), context, "the end record");
      if (reader.number<std::uint32_t>() != kEnd) continue;
      reader.take(kEndBytes - 4 - 2);
      if (reader.number<std::uint16_t>() == back) return last - back;
    }
  }
  throw FormatError(context + "no zip archive ends here; is it an .npz file, and is it complete?");
}

// Both kinds of end record have the same fields, with integers of different sizes.
template <class Disk, class Count, class Size>
Directory read_directory_place(Reader& reader, std::uint64_t limit) {
  Directory directory;
  const auto disk = reader.number<Disk>();
  const auto directory_disk = reader.number<Disk>();
  const auto members_here = reader.number<Count>();
  directory.members = reader.number<Count>();
  directory.bytes = reader.number<Size>();
  directory.offset = reader.number<Size>();
  directory.limit = limit;
  directory.one_disk = disk == directory_disk && members_here == directory.members;
  return directory;
}

// Reads the ZIP64 end record if a locator right before the end record points to one.
std::optional<Directory> read_end64(Bytes archive, std::size_t end, const std::string& context) {
  if (end < kLocatorBytes) return std::nullopt;
  Reader locator(archive.subspan(end - kLocatorBytes), context, "the ZIP64 locator");
  if (locator.number<std::uint32_t>() != kEnd64Locator) return std::nullopt;
  locator.number<std::uint32_t>();  // the disk
  const auto begin = locator.number<std::uint64_t>();
  if (begin > archive.size()) throw FormatError(context + "the ZIP64 end record is missing");
  Reader end64(archive.subspan(static_cast<std::size_t>(begin)), context, "the ZIP64 end record");
  if (end64.number<std::uint32_t>() != kEnd64) {
    throw FormatError(context + "the ZIP64 end record is missing");
  }
  end64.take(8 + 2 + 2);  // its size, versions
  return read_directory_place<std::uint32_t, std::uint64_t, std::uint64_t>(end64, begin);
}

Directory read_end(Bytes archive, const std::string& context) {
  const std::size_t end = find_end(archive, context);
  Reader reader(archive.subspan(end + 4), context, "the end record");
  const Directory directory =
      read_end64(archive, end, context)
          .value_or(read_directory_place<std::uint16_t, std::uint16_t, std::uint32_t>(reader, end));
  if (!directory.one_disk) {
    throw FormatError(context + "the archive is split over several files, needed one file");
  }
  const std::uint64_t limit = directory.limit;
  if (directory.offset > limit || directory.bytes != limit - directory.offset) {
    throw FormatError(context + "the directory of " + std::to_string(directory.bytes) +
                      " bytes at " + std::to_string(directory.offset) +
                      " does not end where the end record begins, at " + std::to_string(limit));
  }
  return directory;
}

struct ZipEntry {
  std::string name;
  std::uint32_t crc = 0;
  std::uint64_t bytes = 0;
  std::uint64_t packed = 0;  // bytes in the archive
  std::uint64_t offset = 0;
};

// Reads the 64-bit integers in the extra fields, which replace those that do not fit into the
// entry.
void read_extra_fields(Reader extra, ZipEntry& entry, const std::string& context) {
  while (!extra.empty()) {
    const auto kind = extra.number<std::uint16_t>();
    const auto field_bytes = extra.number<std::uint16_t>();
    Reader field(extra.take(field_bytes), context, "a ZIP64 field");
    if (kind != kExtra64) continue;
    for (std::uint64_t* const number : {&entry.bytes, &entry.packed, &entry.offset}) {
      if (*number == kIn64) *number = field.number<std::uint64_t>();
    }
  }
}

ZipEntry read_entry(Reader& reader, const std::string& context) {
  if (reader.number<std::uint32_t>() != kEntry) {
    throw FormatError(context + "the directory contains something that is not an entry");
  }
  ZipEntry entry;
  reader.take(2 + 2);  // versions
  const auto flags = reader.number<std::uint16_t>();
  const auto method = reader.number<std::uint16_t>();
  reader.take(2 + 2);  // time
  entry.crc = reader.number<std::uint32_t>();
  entry.packed = reader.number<std::uint32_t>();
  entry.bytes = reader.number<std::uint32_t>();
  const auto name_bytes = reader.number<std::uint16_t>();
  const auto extra_bytes = reader.number<std::uint16_t>();
  const auto comment_bytes = reader.number<std::uint16_t>();
  reader.take(2 + 2 + 4);  // disk, attributes
  entry.offset = reader.number<std::uint32_t>();
  entry.name = reader.text(name_bytes);
  const std::string member = context + "member " + in_quotes(entry.name) + " ";

  const Reader extra(reader.take(extra_bytes), context, "an extra field");
  reader.take(comment_bytes);
  read_extra_fields(extra, entry, context);
  if ((flags & kEncrypted) != 0) throw FormatError(member + "is encrypted");
  if (method != 0) {
    throw FormatError(member + "is compressed (method " + std::to_string(method) +
                      "), needed a stored one; save with numpy.savez, not savez_compressed");
  }
  if (entry.packed != entry.bytes) {
    throw FormatError(member + "is stored in " + std::to_string(entry.packed) +
                      " bytes, but its size is " + std::to_string(entry.bytes));
  }
  return entry;
}

std::vector<ZipEntry> read_directory(Bytes archive, const Directory& directory,
                                     const std::string& context) {
  Reader reader(archive.subspan(static_cast<std::size_t>(directory.offset),
                                static_cast<std::size_t>(directory.bytes)),
                context, "the directory");
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  while (!reader.empty()) {
    entries.push_back(read_entry(reader, context));
    if (!names.insert(entries.back().name).second) {
      throw FormatError(context + "member " + in_quotes(entries.back().name) + " appears twice");
    }
  }
  if (entries.size() != directory.members) {
    throw FormatError(context + "the directory has " + std::to_string(entries.size()) +
                      " entries, the end record says " + std::to_string(directory.members));
  }
  return entries;
}

// A member's bytes without and with its header.
struct MemberPlace {
  Bytes bytes;
  Bytes with_header;
};

// `members` is the archive up to its directory.
MemberPlace read_member(Bytes members, const ZipEntry& entry, const std::string& context) {
  const std::string member = context + "member " + in_quotes(entry.name) + " ";
  if (entry.offset > members.size()) throw FormatError(member + "lies beyond the directory");
  const Bytes rest = members.subspan(static_cast<std::size_t>(entry.offset));
  Reader reader(rest, context, "a member");
  if (reader.number<std::uint32_t>() != kMemberHeader) {
    throw FormatError(member + "does not begin where the directory says");
  }
  reader.take(kMemberHeaderBytes - 4 - 2 - 2);
  const auto name_bytes = reader.number<std::uint16_t>();
  const auto extra_bytes = reader.number<std::uint16_t>();
  if (reader.text(name_bytes) != entry.name) {
    throw FormatError(member + "has another name in its own header");
  }
  reader.take(extra_bytes);
  const Bytes bytes = reader.take(entry.bytes);
  if (crc32(bytes) != entry.crc) {
    throw FormatError(member + "is damaged: its checksum differs");
  }
  const std::byte* const end = bytes.data() + bytes.size();
  return {bytes, rest.first(static_cast<std::size_t>(end - rest.data()))};
}

// Overlapping members are rejected, because with them a small file could claim much memory.
void check_no_overlap(std::vector<Bytes> places, const std::string& context) {
  std::ranges::sort(
      places, {}, [](Bytes place) { return std::pair(place.data(), place.data() + place.size()); });
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].data() < places[i - 1].data() + places[i - 1].size()) {
      throw FormatError(context + "members overlap");
    }
  }
}

}  // namespace

std::vector<ZipMember> read_zip(Bytes archive, const std::string& context) {
  const Directory directory = read_end(archive, context);
  const std::vector<ZipEntry> entries = read_directory(archive, directory, context);
  const Bytes before_directory = archive.first(static_cast<std::size_t>(directory.offset));
  std::vector<ZipMember> members;
  std::vector<Bytes> places;
  for (const ZipEntry& entry : entries) {
    const MemberPlace place = read_member(before_directory, entry, context);
    members.push_back({entry.name, place.bytes});
    places.push_back(place.with_header);
  }
  check_no_overlap(std::move(places), context);
  return members;
}

// Writing -----------------------------------------------------------------------------------------

namespace {

// The integers of a header as bytes, little-endian.
template <class... T>
std::string numbers(T... values) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&values), sizeof values), ...);
  return bytes;
}

std::uint16_t u16(std::uint64_t value) { return static_cast<std::uint16_t>(value); }
std::uint32_t u32(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

constexpr std::uint16_t kVersion = 20;
constexpr std::uint16_t kVersion64 = 45;
constexpr std::uint16_t kUnix = 3 << 8;              // the attributes are Unix's
constexpr std::uint32_t kReadable = 0100644U << 16;  // rw-r--r--
constexpr std::uint32_t kFirstDay = 0x0021U << 16;   // 1980-01-01 00:00 for every member
constexpr std::size_t kNotOwn = std::numeric_limits<std::size_t>::max();

}  // namespace

void ZipWriter::append(std::string bytes) {
  position_ += bytes.size();
  pieces_.push_back({own_.size(), {}});
  own_.push_back(std::move(bytes));
}

void ZipWriter::add(const std::string& name, std::vector<Bytes> pieces) {
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  for (const Bytes piece : pieces) {
    size += piece.size();
    crc = crc32(piece, crc);
  }
  const std::uint64_t offset = position_;
  const bool large = size >= limits_.bytes;
  const bool far = offset >= limits_.bytes;
  const bool ascii = std::ranges::all_of(name, [](unsigned char c) { return c < 0x80; });
  const std::uint16_t flags = ascii ? 0 : kUtf8Name;
  const std::uint16_t version = large || far ? kVersion64 : kVersion;
  const std::uint16_t stored = 0;
  const std::uint32_t shown_size = large ? kIn64 : u32(size);

  std::string extra = large ? numbers(kExtra64, u16(16), size, size) : "";
  append(numbers(kMemberHeader, version, flags, stored, kFirstDay, crc, shown_size, shown_size,
                 u16(name.size()), u16(extra.size())) +
         name + extra);
  for (const Bytes piece : pieces) {
    pieces_.push_back({kNotOwn, piece});
    position_ += piece.size();
  }

  if (large || far) {
    std::string values;
    if (large) values += numbers(size, size);
    if (far) values += numbers(offset);
    extra = numbers(kExtra64, u16(values.size())) + values;
  }
  directory_ += numbers(kEntry, u16(kUnix | version), version, flags, stored, kFirstDay, crc,
                        shown_size, shown_size, u16(name.size()), u16(extra.size()),
                        u16(0),          // comment
                        u16(0), u16(0),  // disk, attributes
                        kReadable, far ? kIn64 : u32(offset)) +
                name + extra;
  ++members_;
}

std::vector<Bytes> ZipWriter::finish() {
  const std::uint64_t offset = position_;
  const std::uint64_t size = directory_.size();
  append(directory_);
  const bool large =
      offset >= limits_.bytes || size >= limits_.bytes || members_ >= limits_.members;
  if (large) {
    const std::uint64_t end64 = position_;
    append(numbers(kEnd64, std::uint64_t{kEnd64Bytes - 12}, u16(kUnix | kVersion64), kVersion64,
                   u32(0), u32(0), members_, members_, size, offset) +
           numbers(kEnd64Locator, u32(0), end64, u32(1)));
  }
  const std::uint16_t members = large ? u16(0xFFFF) : u16(members_);
  append(numbers(kEnd, u16(0), u16(0), members, members, large ? kIn64 : u32(size),
                 large ? kIn64 : u32(offset), u16(0)));
  std::vector<Bytes> all;
  for (const Piece& piece : pieces_) {
    all.push_back(piece.own == kNotOwn
                      ? piece.bytes
                      : std::as_bytes(std::span(own_[piece.own].data(), own_[piece.own].size())));
  }
  return all;
}

}  // namespace tapegrad::detail
