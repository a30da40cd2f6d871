// The format of NumPy's arrays. A file starts with a magic string, a version, the length of the
// header, and the header, which is a dict as Python prints it,
//
//   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//
// padded with spaces so that the elements after it are aligned. An .npz file is a zip archive of
// such files. Read next: tensor/io/packed_bytes.h.
#include <tapegrad/tensor/io/npy.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <set>

#include <tapegrad/tensor/io/file_format.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/file_ops.h>
#include <tapegrad/tensor/io/zip.h>
#include <tapegrad/tensor/ops.h>

namespace tapegrad {
namespace {

using detail::Bytes;
using detail::ElementType;
using detail::in_quotes;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kVersionEnd = 8;          // magic, major, minor
constexpr std::size_t kAlignment = 64;          // of the elements in the file
constexpr std::size_t kLongestHeader = 10'000;  // NumPy's own limit
constexpr std::size_t kLongestStart = kVersionEnd + 4 + kLongestHeader;
constexpr std::string_view kExtension = ".npy";

// Reading -----------------------------------------------------------------------------------------

std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Parses a header and accepts only what NumPy writes.
class NpyHeaderReader {
 public:
  NpyHeaderReader(std::string_view text, const std::string& context)
      : text_(text), rest_(text), context_(context) {
    expect('{');
    std::set<std::string> keys;
    while (!accept('}')) {
      const std::string key = string("a key");
      if (!keys.insert(key).second) fail("key " + in_quotes(key) + " appears twice");
      expect(':');
      if (key == "descr") {
        read_type();
      } else if (key == "fortran_order") {
        read_order();
      } else if (key == "shape") {
        read_shape();
      } else {
        fail("unknown key " + in_quotes(key) + ", needed descr, fortran_order and shape");
      }
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_spaces();
    if (!rest_.empty()) fail("something follows the header's }, at its byte " + place());
    for (const char* key : {"descr", "fortran_order", "shape"}) {
      if (!keys.contains(key)) fail("the header has no " + std::string(key));
    }
  }

  const ElementType* type = nullptr;
  bool swapped = false;  // big-endian
  bool fortran_order = false;
  Shape shape;

 private:
  [[noreturn]] void fail(const std::string& text) const { throw FormatError(context_ + text); }
  std::string place() const { return std::to_string(text_.size() - rest_.size() + 1); }

  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }

  bool accept(char wanted) {
    skip_spaces();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) {
      fail(std::string("the header has no ") + wanted + " at its byte " + place());
    }
  }

  std::string string(const char* what) {
    skip_spaces();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) {
      fail(std::string("the header has no ") + what + " in quotes at its byte " + place());
    }
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) fail("a quote in the header has no end");
    std::string found(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return found;
  }

  void read_type() {
    skip_spaces();
    if (rest_.starts_with('[')) fail("the array holds records, needed plain numbers");
    const std::string descr = string("type");
    if (descr.size() > 1 && descr[1] == 'O') {
      fail("the array holds Python objects, which run code when they are read; needed numbers");
    }
    std::string supported;
    for (const ElementType& known : detail::element_types()) {
      if (known.npy.empty()) continue;
      // '|' means that the byte order does not matter.
      if (descr.size() == 3 && std::string_view(descr).substr(1) == known.npy &&
          std::string_view("<>|").find(descr[0]) != std::string_view::npos &&
          (descr[0] != '|' || known.bytes == 1)) {
        type = &known;
        swapped = descr[0] == '>';
        return;
      }
      supported.append(supported.empty() ? "" : ", ").append(known.npy);
    }
    fail("type " + in_quotes(descr) + " is not supported, needed < or > and one of " + supported);
  }

  void read_order() {
    skip_spaces();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      fortran_order = value;
      return;
    }
    fail("fortran_order is neither True nor False");
  }

  void read_shape() {
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("shape is not a tuple of sizes");
      skip_spaces();
      std::int64_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error == std::errc::result_out_of_range) fail("shape contains a size that is too large");
      if (error != std::errc() || size < 0) fail("shape contains something that is not a size");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote long integers so
      if (shape.dim() == Shape::kMaxDims) {
        fail("shape has more than " + std::to_string(Shape::kMaxDims) +
             " dimensions, which is the most that is supported");
      }
      shape.push_back(size);
      comma = accept(',');
    }
    if (shape.dim() == 1 && !comma) fail("shape is not a tuple of sizes");  // (3) is a number
  }

  std::string_view text_;
  std::string_view rest_;
  const std::string& context_;
};

// Removes the header from `bytes` and returns its text.
std::string_view take_header(Bytes& bytes, const std::string& context) {
  const auto fail = [&](const std::string& text) { throw FormatError(context + text); };
  const std::string_view all = text_of(bytes);
  if (!all.starts_with(kMagic) || all.size() < kVersionEnd) {
    fail(all.starts_with("PK") ? "this is a zip file; use load_npz() for .npz files"
                               : "it does not begin like a NumPy array; is it an .npy file?");
  }
  const int major = static_cast<unsigned char>(all[kMagic.size()]);
  const int minor = static_cast<unsigned char>(all[kMagic.size() + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    fail("version " + std::to_string(major) + (minor != 0 ? "." + std::to_string(minor) : "") +
         " of the format is not supported, needed 1 to 3");
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  std::uint32_t length = 0;
  if (all.size() < kVersionEnd + length_bytes) fail("the header is cut off");
  std::memcpy(&length, all.data() + kVersionEnd, length_bytes);
  const std::size_t begin = kVersionEnd + length_bytes;
  if (length > kLongestHeader) {
    fail("the header has " + std::to_string(length) + " bytes, allowed are at most " +
         std::to_string(kLongestHeader));
  }
  if (length > all.size() - begin) fail("the header is cut off");
  bytes = bytes.subspan(begin + length);
  return all.substr(begin, length);
}

// FormatError unless the array needs exactly this number of bytes.
void check_size(const NpyHeaderReader& header, std::size_t bytes, const std::string& context) {
  const ElementType& type = *header.type;
  const std::string shape = "shape " + to_string(header.shape) + " of " + std::string(type.npy);
  const std::optional<std::uint64_t> needed = detail::bytes_needed(header.shape, type.bytes);
  if (!needed) throw FormatError(context + shape + " overflows");
  if (*needed != bytes) {
    throw FormatError(context + shape + " takes " + std::to_string(*needed) + " bytes, there are " +
                      std::to_string(bytes) + "; was the file truncated or appended to?");
  }
}

// The bytes with the byte order of each element reversed.
std::vector<std::byte> swapped_bytes(Bytes bytes, std::size_t item_bytes) {
  std::vector<std::byte> swapped(bytes.begin(), bytes.end());
  const auto step = static_cast<std::ptrdiff_t>(item_bytes);
  for (auto item = swapped.begin(); item != swapped.end(); item += step) {
    std::reverse(item, item + step);
  }
  return swapped;
}

// A tensor of these bytes, which are little-endian elements in row-major order.
Tensor tensor_of(Bytes bytes, const Shape& shape, const ElementType& type,
                 const std::string& context) {
  Tensor tensor = Tensor::uninitialized(shape, type.dtype);
  if (type.convert != nullptr) {
    type.convert(bytes.data(), tensor);
  } else if (!bytes.empty()) {
    std::memcpy(tensor.mutable_data<std::byte>(), bytes.data(), bytes.size());
  }
  if (type.dtype == boolean) {
    const auto* const data = tensor.data<unsigned char>();
    if (const auto wrong = detail::first_wrong_bool({data, bytes.size()})) {
      throw FormatError(context + "element " + std::to_string(*wrong) + " is " +
                        std::to_string(data[*wrong]) + ", needed 0 or 1 for a bool");
    }
  }
  return tensor;
}

// In Fortran order the first dimension has stride 1: the bytes are those of the transposed array in
// C order.
Tensor read_array(Bytes bytes, const std::string& context) {
  const std::string_view text = take_header(bytes, context);
  const NpyHeaderReader header(text, context);
  const ElementType& type = *header.type;
  check_size(header, bytes.size(), context);
  std::vector<std::byte> swapped;
  if (header.swapped) {
    swapped = swapped_bytes(bytes, type.bytes);
    bytes = swapped;
  }
  if (!header.fortran_order) return tensor_of(bytes, header.shape, type, context);
  Shape sizes = header.shape;
  Dims backwards = header.shape;
  for (std::int64_t d = 0; d < sizes.dim(); ++d) {
    backwards[d] = sizes.dim() - 1 - d;
    sizes[d] = header.shape[backwards[d]];
  }
  return permute(tensor_of(bytes, sizes, type, context), backwards).contiguous();
}

// Reads the rest of a file, of which `bytes` holds the start.
void read_rest(detail::OpenFile& file, std::vector<std::byte>& bytes) {
  const std::size_t held = bytes.size();
  bytes.resize(file.size());
  file.read_exactly(bytes.data() + held, bytes.size() - held);
}

// Checks the header before it reads the rest, so that a large file of another kind costs no memory.
Tensor read_npy(detail::OpenFile& file, const std::string& context) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(file.size(), kLongestStart));
  file.read_exactly(bytes.data(), bytes.size());
  Bytes start = bytes;
  const std::string_view text = take_header(start, context);
  const std::size_t header_bytes = bytes.size() - start.size();
  check_size(NpyHeaderReader(text, context), file.size() - header_bytes, context);
  read_rest(file, bytes);
  return read_array(bytes, context);
}

StateDict read_npz(detail::OpenFile& file, const std::string& context) {
  std::vector<std::byte> bytes;
  read_rest(file, bytes);
  StateDict state;
  for (const detail::ZipMember& member : detail::read_zip(bytes, context)) {
    const std::string in_member = context + "member " + in_quotes(member.name) + ": ";
    if (!member.name.ends_with(kExtension)) {
      throw FormatError(in_member + "needed an array, whose name ends with .npy" +
                        (member.name.ends_with("data.pkl")
                             ? "; this is what torch.save writes: save it with numpy.savez"
                             : ""));
    }
    state.insert(member.name.substr(0, member.name.size() - kExtension.size()),
                 read_array(member.bytes, in_member));
  }
  return state;
}

// Writing -----------------------------------------------------------------------------------------

std::string array_header(const Tensor& tensor) {
  const ElementType& type = detail::written_type(tensor.dtype());
  std::string text = std::string("{'descr': '") + (type.bytes == 1 ? '|' : '<') +
                     std::string(type.npy) + "', 'fortran_order': False, 'shape': (";
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    text += (d == 0 ? "" : " ") + std::to_string(tensor.size(d));
    if (d + 1 < tensor.dim() || tensor.dim() == 1) text += ',';
  }
  text += "), }";
  const std::size_t begin = kVersionEnd + 2;
  const std::size_t end =
      (begin + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;  // 1: the line end
  text.resize(end - begin - 1, ' ');
  text += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

Bytes bytes_of_elements(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
Bytes bytes_of_elements(const Tensor& tensor) {
  return {tensor.data<std::byte>(),
          static_cast<std::size_t>(tensor.numel()) * item_size(tensor.dtype())};
}

}  // namespace

Tensor load_npy(const std::string& path) {
  detail::OpenFile file(detail::system_file_ops(), path, "load_npy");
  return file.within_memory([&] { return read_npy(file, "load_npy: " + path + ": "); });
}

StateDict load_npz(const std::string& path) {
  detail::OpenFile file(detail::system_file_ops(), path, "load_npz");
  return file.within_memory([&] { return read_npz(file, "load_npz: " + path + ": "); });
}

void save_npy(const std::string& path, const Tensor& tensor) {
  const Tensor data = tensor.contiguous();
  const std::string header = array_header(data);
  const std::vector<Bytes> chunks = {bytes_of_elements(header), bytes_of_elements(data)};
  write_file_atomically(path, chunks, "save_npy");
}

void save_npz(const std::string& path, const StateDict& state) {
  constexpr std::size_t kLongestName = 0xFFFF - kExtension.size();
  std::deque<std::string> headers;  // the archive refers to them
  std::vector<Tensor> data;
  detail::ZipWriter archive;
  for (const auto& [name, tensor] : state) {
    if (!detail::is_utf8(name)) {
      throw ValueError("save_npz: name " + in_quotes(name) + " is not UTF-8");
    }
    if (name.size() > kLongestName) {
      throw ValueError("save_npz: name " + in_quotes(name) + " has " + std::to_string(name.size()) +
                       " bytes, the format allows " + std::to_string(kLongestName));
    }
    data.push_back(tensor.contiguous());
    headers.push_back(array_header(data.back()));
    archive.add(name + std::string(kExtension),
                {bytes_of_elements(headers.back()), bytes_of_elements(data.back())});
  }
  write_file_atomically(path, archive.finish(), "save_npz");
}

}  // namespace tapegrad
