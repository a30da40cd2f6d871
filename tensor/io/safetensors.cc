// The safetensors format. A file consists of the header's length (8 bytes, little-endian), the
// header (JSON, padded with spaces), and the data of the tensors without gaps:
//
//   {"__metadata__":{"note":"text"},
//    "head.bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}
//
// Offsets count from the end of the header. Read next: tensor/io/checkpoint.cc.
#include <tapegrad/tensor/io/safetensors.h>

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include <tapegrad/tensor/io/file_format.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad {
namespace {

using detail::ElementType;
using detail::in_quotes;
using detail::written_type;
using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

// Reading the header ------------------------------------------------------------------------------

struct TensorEntry {
  std::string name;
  const ElementType* type = nullptr;
  Shape shape{};
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t bytes() const { return end - begin; }
};

// Parses the JSON of a header and accepts only what the format defines.
class JsonHeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit JsonHeaderReader(std::string file) : file_(std::move(file)) {}

  std::vector<TensorEntry> entries;
  Metadata metadata;

  [[noreturn]] void fail(const std::string& text) const {
    throw FormatError("load: " + file_ + ": " + text);
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kHeader;
        break;
      case Place::kHeader:
        place_ = key_ == kMetadataKey ? Place::kMetadata : Place::kTensor;
        if (place_ == Place::kTensor) entries.push_back({.name = key_});
        fields_.clear();
        break;
      default:
        unexpected("an object");
    }
    return true;
  }

  bool key(std::string& name) override {
    key_ = name;
    if (place_ == Place::kHeader && !names_.insert(name).second) {
      fail((name == kMetadataKey ? name : "tensor " + in_quotes(name)) + " appears twice");
    }
    if (place_ == Place::kMetadata && metadata.contains(name)) {
      fail("__metadata__: key " + in_quotes(name) + " appears twice");
    }
    if (place_ == Place::kTensor) {
      if (name != "dtype" && name != "shape" && name != "data_offsets") {
        fail(tensor() + ": unknown key " + in_quotes(name) +
             ", needed dtype, shape and data_offsets");
      }
      if (!fields_.insert(name).second)
        fail(tensor() + ": key " + in_quotes(name) + " appears twice");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor) {
      for (const char* field : {"dtype", "shape", "data_offsets"}) {
        if (!fields_.contains(field)) fail(tensor() + ": " + field + " is missing");
      }
    }
    place_ = place_ == Place::kHeader ? Place::kEnd : Place::kHeader;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || key_ == "dtype") unexpected("a list");
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    numbers_.clear();
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::kShape && place_ != Place::kOffsets) unexpected("a number");
    // Only as much of a list is stored as a valid one can have, so that a file cannot make it huge.
    if (numbers_.size() <= static_cast<std::size_t>(Shape::kMaxDims)) numbers_.push_back(value);
    return true;
  }

  bool end_array() override {
    TensorEntry& entry = entries.back();
    if (place_ == Place::kOffsets) {
      if (numbers_.size() != 2) fail(tensor() + ": data_offsets are not two numbers");
      entry.begin = numbers_[0];
      entry.end = numbers_[1];
    } else {
      if (numbers_.size() > static_cast<std::size_t>(Shape::kMaxDims)) {
        fail(tensor() + ": shape has more than " + std::to_string(Shape::kMaxDims) +
             " dimensions, which is the most that is supported");
      }
      for (const std::uint64_t size : numbers_) {
        if (size > INT64_MAX) fail(tensor() + ": size " + std::to_string(size) + " is too large");
        entry.shape.push_back(static_cast<std::int64_t>(size));
      }
    }
    place_ = Place::kTensor;
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadata) {
      metadata.emplace(key_, value);
    } else if (place_ == Place::kTensor && key_ == "dtype") {
      entries.back().type = type_named(value);
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(std::int64_t) override { unexpected("a negative number"); }
  bool number_float(double, const std::string&) override {
    unexpected("a number that is not a 64-bit unsigned integer");
  }
  bool binary(json::binary_t&) override { unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&,
                   const json::exception& error) override {
    const bool utf8 = std::string_view(error.what()).find("UTF-8") != std::string_view::npos;
    fail(std::string("the header is not ") + (utf8 ? "UTF-8" : "JSON") + " at its byte " +
         std::to_string(position));
  }

 private:
  enum class Place { kStart, kHeader, kMetadata, kTensor, kShape, kOffsets, kEnd };

  std::string tensor() const { return "tensor " + in_quotes(entries.back().name); }

  [[noreturn]] void unexpected(const std::string& what) const {
    switch (place_) {
      case Place::kMetadata:
        fail("__metadata__: key " + in_quotes(key_) + " is " + what + ", needed a string");
      case Place::kTensor:
        fail(tensor() + ": " + key_ + " is " + what + ", needed " +
             (key_ == "dtype" ? "a string" : "a list of unsigned integers"));
      case Place::kShape:
      case Place::kOffsets:
        fail(tensor() + ": " + key_ + " holds " + what + ", needed unsigned integers");
      default:
        fail((key_ == kMetadataKey ? key_ : "tensor " + in_quotes(key_)) + " is " + what +
             ", needed an object");
    }
  }

  const ElementType* type_named(const std::string& name) const {
    std::string supported;
    for (const ElementType& type : detail::element_types()) {
      if (type.safetensors == name) return &type;
      supported.append(supported.empty() ? "" : ", ").append(type.safetensors);
    }
    fail(tensor() + ": dtype " + in_quotes(name) + " is not supported, only " + supported);
  }

  std::string file_;
  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string> names_;
  std::set<std::string, std::less<>> fields_;  // of the tensor that is being read
  std::vector<std::uint64_t> numbers_;         // of the list that is being read
};

// Checks that every byte of the data belongs to exactly one tensor. Returns the entries in the
// order of their data.
std::vector<const TensorEntry*> check_layout(const JsonHeaderReader& header,
                                             std::uint64_t data_bytes) {
  std::vector<const TensorEntry*> order;
  for (const TensorEntry& entry : header.entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t position = 0;
  for (const TensorEntry* entry : order) {
    const std::string tensor = "tensor " + in_quotes(entry->name);
    const std::string offsets =
        "data_offsets [" + std::to_string(entry->begin) + ", " + std::to_string(entry->end) + "]";
    if (entry->end < entry->begin) header.fail(tensor + ": " + offsets + " end before they begin");
    if (entry->begin != position) {
      header.fail(tensor + ": " + offsets + " leave " +
                  (entry->begin < position ? "an overlap" : "a gap") + ", needed to begin at " +
                  std::to_string(position));
    }
    const std::optional<std::uint64_t> needed =
        detail::bytes_needed(entry->shape, entry->type->bytes);
    const std::string shape =
        "shape " + to_string(entry->shape) + " of " + std::string(entry->type->safetensors);
    if (!needed) header.fail(tensor + ": " + shape + " overflows");
    if (entry->bytes() != *needed) {
      header.fail(tensor + ": " + shape + " takes " + std::to_string(*needed) + " bytes, " +
                  offsets + " give " + std::to_string(entry->bytes()));
    }
    position = entry->end;
  }
  if (position != data_bytes) {
    header.fail("the tensors take " + std::to_string(position) + " bytes, the file has " +
                std::to_string(data_bytes) + " after the header; was it truncated or appended to?");
  }
  return order;
}

// Reads the header as text. The file is then at the start of the data.
std::string read_header(detail::OpenFile& file, const JsonHeaderReader& header,
                        std::uint64_t size) {
  if (size < kLengthBytes) {
    header.fail("the file has " + std::to_string(size) + " bytes, needed at least " +
                std::to_string(kLengthBytes));
  }
  std::uint64_t length = 0;
  file.read_exactly(&length, kLengthBytes);
  if (length > kMaxHeaderBytes) {
    const bool zip = (length & 0xFFFF) == 0x4B50;  // "PK"
    header.fail(
        "the header has " + std::to_string(length) + " bytes, allowed are at most " +
        std::to_string(kMaxHeaderBytes) +
        (zip ? "; this is a zip file: use load_npz() for .npz files; save PyTorch's models with "
               "safetensors.torch"
             : "; is this a safetensors file?"));
  }
  if (length > size - kLengthBytes) {
    header.fail("the header has " + std::to_string(length) + " bytes, but only " +
                std::to_string(size - kLengthBytes) + " follow; was the file truncated?");
  }
  std::string text(length, '\0');
  file.read_exactly(text.data(), text.size());
  // The format wants { first, but the readers of its authors accept white space, and so do we.
  const std::size_t first = text.find_first_not_of(" \t\n\r");
  if (first == std::string::npos || text[first] != '{') {
    header.fail("the header does not start with {");
  }
  // The JSON library would treat a NUL as the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string::npos) {
    header.fail("the header is not JSON at its byte " + std::to_string(nul + 1));
  }
  return text;
}

Tensor read_tensor(detail::OpenFile& file, const TensorEntry& entry,
                   const JsonHeaderReader& header) {
  Tensor tensor = Tensor::uninitialized(entry.shape, entry.type->dtype);
  if (entry.type->convert != nullptr) {
    std::vector<std::byte> bytes(entry.bytes());
    file.read_exactly(bytes.data(), bytes.size());
    entry.type->convert(bytes.data(), tensor);
    return tensor;
  }
  auto* const data = tensor.mutable_data<unsigned char>();
  file.read_exactly(data, entry.bytes());
  if (entry.type->dtype == boolean) {
    if (const auto wrong = detail::first_wrong_bool({data, entry.bytes()})) {
      header.fail("tensor " + in_quotes(entry.name) + ": element " + std::to_string(*wrong) +
                  " is " + std::to_string(data[*wrong]) + ", needed 0 or 1 for BOOL");
    }
  }
  return tensor;
}

Checkpoint read_checkpoint(detail::OpenFile& file, const std::string& path) {
  JsonHeaderReader header(path);
  const std::string text = read_header(file, header, file.size());
  json::sax_parse(text, &header);

  const std::uint64_t data_bytes = file.size() - kLengthBytes - text.size();
  std::vector<Tensor> tensors(header.entries.size());
  for (const TensorEntry* entry : check_layout(header, data_bytes)) {
    tensors[static_cast<std::size_t>(entry - header.entries.data())] =
        read_tensor(file, *entry, header);
  }
  Checkpoint checkpoint{.state = {}, .metadata = std::move(header.metadata)};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    checkpoint.state.insert(std::move(header.entries[i].name), std::move(tensors[i]));
  }
  return checkpoint;
}

// Writing the header ------------------------------------------------------------------------------

std::string json_text(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::type_error&) {
    throw ValueError("save: " + in_quotes(text) + " is not UTF-8");
  }
}

std::string header_text(const std::vector<const StateDict::value_type*>& order,
                        const Metadata& metadata) {
  std::string text = "{";
  const auto separate = [&text] {
    if (text.back() != '{' && text.back() != '[') text += ',';
  };
  if (!metadata.empty()) {
    text.append("\"").append(kMetadataKey).append("\":{");
    for (const auto& [key, value] : metadata) {
      separate();
      text.append(json_text(key)).append(":").append(json_text(value));
    }
    text += '}';
  }
  std::size_t position = 0;
  for (const auto* entry : order) {
    const Tensor& tensor = entry->second;
    const ElementType& type = written_type(tensor.dtype());
    const std::size_t end = position + static_cast<std::size_t>(tensor.numel()) * type.bytes;
    separate();
    text.append(json_text(entry->first)).append(":{\"dtype\":\"").append(type.safetensors);
    text += "\",\"shape\":[";
    for (const std::int64_t size : tensor.sizes()) {
      separate();
      text += std::to_string(size);
    }
    text.append("],\"data_offsets\":[").append(std::to_string(position));
    text.append(",").append(std::to_string(end)).append("]}");
    position = end;
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data are aligned
  if (text.size() > kMaxHeaderBytes) {
    throw ValueError("save: the header has " + std::to_string(text.size()) +
                     " bytes, the format allows " + std::to_string(kMaxHeaderBytes));
  }
  return text;
}

}  // namespace

Checkpoint load_with_metadata(const std::string& path) {
  detail::OpenFile file(detail::system_file_ops(), path, "load");
  return file.within_memory([&] { return read_checkpoint(file, path); });
}

StateDict load(const std::string& path) { return load_with_metadata(path).state; }

void save(const std::string& path, const StateDict& state, const Metadata& metadata) {
  std::vector<const StateDict::value_type*> order;
  for (const auto& entry : state) {
    if (entry.first == kMetadataKey) {
      throw ValueError(
          "save: a tensor cannot be named __metadata__, the format reserves that name");
    }
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const ElementType& left = written_type(a->second.dtype());
    const ElementType& right = written_type(b->second.dtype());
    return &left != &right ? &left > &right : a->first < b->first;
  });

  const std::string header = header_text(order, metadata);
  const std::uint64_t length = header.size();
  std::vector<std::span<const std::byte>> chunks = {std::as_bytes(std::span(&length, 1)),
                                                    std::as_bytes(std::span(header))};
  std::vector<Tensor> data;  // keeps copies of strided tensors alive
  for (const auto* entry : order) {
    data.push_back(entry->second.contiguous());
    chunks.emplace_back(
        data.back().data<std::byte>(),
        static_cast<std::size_t>(data.back().numel()) * item_size(data.back().dtype()));
  }
  write_file_atomically(path, chunks, "save");
}

}  // namespace tapegrad
