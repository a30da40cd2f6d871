// Parsing, changing and printing. Read next: tests/fuzz/safetensors.cc.
#include "fuzz/safetensors_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <nlohmann/json.hpp>

namespace tapegrad::test {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTypes[] = {"BOOL", "F32", "F64", "I64", "F16", "BF16", "I8",  "I16",
                                       "I32",  "U8",  "U16", "U32", "U64", "F8",   "f32", ""};
constexpr std::size_t kTypeBytes[] = {1, 4, 8, 8, 2, 2, 1, 2, 4, 1, 2, 4, 8, 1, 4, 1};

constexpr std::string_view kTokens[] = {"{",
                                        "}",
                                        "[",
                                        "]",
                                        ":",
                                        ",",
                                        "\"",
                                        "\"dtype\":\"F32\"",
                                        "\"shape\":[]",
                                        "\"shape\":[0]",
                                        "\"data_offsets\":[0,0]",
                                        "\"__metadata__\":{}",
                                        "\"__metadata__\":{\"a\":\"b\"}",
                                        ",\"t\":{\"dtype\":\"U8\",\"shape\":[0],"
                                        "\"data_offsets\":[0,0]}",
                                        "null",
                                        "true",
                                        "-1",
                                        "1e9",
                                        "0.0",
                                        " ",
                                        "\t\r\n",
                                        "\\u0000",
                                        "\\ud800",
                                        "\xFF",
                                        "\xC3\xA9",
                                        std::string_view("\0", 1),
                                        "[[[[[[[[",
                                        "{\"a\":{\"a\":{\"a\":",
                                        "18446744073709551616"};

std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::size_t type_bytes(const std::string& dtype) {
  const auto found = std::ranges::find(kTypes, dtype);
  return found == std::end(kTypes) ? 4 : kTypeBytes[found - std::begin(kTypes)];
}

// The bytes that the entry needs, if these are few.
std::optional<std::size_t> small_size(const SafetensorsFile::Entry& entry) {
  constexpr std::uint64_t kMost = 1024;
  std::uint64_t bytes = type_bytes(entry.dtype);
  for (const std::string& text : entry.shape) {
    const std::optional<std::uint64_t> size = number_of(text);
    if (!size || *size > kMost) return std::nullopt;
    bytes *= *size;
    if (bytes > kMost) return std::nullopt;
  }
  return static_cast<std::size_t>(bytes);
}

}  // namespace

std::optional<SafetensorsFile> SafetensorsFile::parse(const std::string& bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - sizeof length) return std::nullopt;
  const auto header = static_cast<std::size_t>(length);
  const Json json = Json::parse(bytes.substr(sizeof length, header), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  SafetensorsFile file;
  file.data = bytes.substr(sizeof length + header);
  for (const auto& [name, value] : json.items()) {
    if (!value.is_object()) return std::nullopt;
    if (name == "__metadata__") {
      for (const auto& [key, text] : value.items()) {
        if (text.is_string()) file.metadata.emplace_back(key, text.get<std::string>());
      }
      continue;
    }
    Entry entry{.name = name, .dtype = "F32", .shape = {}, .begin = "0", .end = "0"};
    if (value.contains("dtype") && value["dtype"].is_string()) entry.dtype = value["dtype"];
    if (value.contains("shape") && value["shape"].is_array()) {
      for (const Json& size : value["shape"]) entry.shape.push_back(size.dump());
    }
    if (value.contains("data_offsets") && value["data_offsets"].size() == 2 &&
        value["data_offsets"].is_array()) {
      entry.begin = value["data_offsets"][0].dump();
      entry.end = value["data_offsets"][1].dump();
    }
    file.entries.push_back(std::move(entry));
  }
  return file;
}

void SafetensorsFile::lay_out() {
  std::string moved;
  for (Entry& entry : entries) {
    const std::optional<std::size_t> bytes = small_size(entry);
    if (!bytes) return;
    const std::size_t begin = static_cast<std::size_t>(
        std::min<std::uint64_t>(number_of(entry.begin).value_or(0), data.size()));
    std::string own = data.substr(begin, *bytes);
    own.resize(*bytes, '\1');
    entry.begin = std::to_string(moved.size());
    moved += own;
    entry.end = std::to_string(moved.size());
  }
  data = moved;
}

void SafetensorsFile::change(Random& random) {
  constexpr std::string_view kNames[] = {"a",        "weight",       "",     "__metadata__", "a.b",
                                         "\xC3\xA9", "state.0.step", "a\nb", "\"",           "lr"};
  if (entries.empty() || random.one_in(10)) {
    entries.push_back({.name = std::string(random.pick(kNames)),
                       .dtype = std::string(random.pick(kTypes)),
                       .shape = {std::to_string(random.below(4))},
                       .begin = std::to_string(data.size()),
                       .end = std::to_string(data.size())});
    return;
  }
  Entry& entry = entries[random.below(entries.size())];
  switch (random.below(11)) {
    case 0:
      entry.dtype = random.pick(kTypes);
      break;
    case 1:
      if (!entry.shape.empty()) {
        entry.shape[random.below(entry.shape.size())] = interesting_integer(random);
      }
      break;
    case 2:
      if (random.one_in(2) && !entry.shape.empty()) {
        entry.shape.pop_back();
      } else {
        const std::size_t at = random.below(entry.shape.size() + 1);
        const std::size_t many = random.one_in(20) ? 40 : 1;
        entry.shape.insert(entry.shape.begin() + static_cast<std::ptrdiff_t>(at), many,
                           random.one_in(2) ? "1" : interesting_integer(random));
      }
      break;
    case 3:
      entry.name = random.one_in(2) ? std::string(random.pick(kNames))
                                    : entries[random.below(entries.size())].name;
      break;
    case 4:
      entries.erase(entries.begin() + (&entry - entries.data()));
      break;
    case 5: {
      Entry copy = entry;
      copy.name += random.one_in(2) ? "2" : "";
      entries.push_back(std::move(copy));
      break;
    }
    case 6:
      std::swap(entry, entries[random.below(entries.size())]);
      break;
    case 7:
      if (metadata.empty() || random.one_in(4)) {
        metadata.emplace_back(random.pick(kNames), random.pick(kTokens));
      } else {
        metadata.erase(metadata.begin() +
                       static_cast<std::ptrdiff_t>(random.below(metadata.size())));
      }
      break;
    case 8:
      put_special_elements(data, random);
      break;
    case 9:
      (random.one_in(2) ? entry.begin : entry.end) = interesting_integer(random);
      break;
    default:
      data = mutate_bytes(std::move(data), random);
  }
}

std::string SafetensorsFile::header() const {
  std::string text = "{";
  const auto separate = [&text] {
    if (text.back() != '{' && text.back() != '[') text += ',';
  };
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      separate();
      text += quoted(key) + ":" + quoted(value);
    }
    text += '}';
  }
  for (const Entry& entry : entries) {
    separate();
    text += quoted(entry.name) + ":{\"dtype\":" + quoted(entry.dtype) + ",\"shape\":[";
    for (const std::string& size : entry.shape) {
      separate();
      text += size;
    }
    text += "],\"data_offsets\":[" + entry.begin + "," + entry.end + "]}";
  }
  return text + "}";
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

std::string mutate_safetensors(const std::string& input, Random& random,
                               ChangeText change_metadata) {
  std::optional<SafetensorsFile> file = SafetensorsFile::parse(input);
  if (!file) {
    if (!random.one_in(8)) return mutate_bytes(input, random);
    file.emplace();
  }
  for (std::size_t changes = 1 + random.below(3); changes > 0; --changes) {
    if (change_metadata != nullptr && !file->metadata.empty() && random.one_in(2)) {
      auto& [key, value] = file->metadata[random.below(file->metadata.size())];
      value = change_metadata(key, std::move(value), random);
    } else {
      file->change(random);
    }
  }
  if (!random.one_in(8)) file->lay_out();
  std::string header = file->header();
  if (random.one_in(8)) header = mutate_text(std::move(header), random, kTokens);
  if (random.one_in(4)) header.append(8 - header.size() % 8, ' ');
  std::string bytes = safetensors_bytes(header, file->data);
  if (random.one_in(16)) {
    std::uint64_t length = random.one_in(2) ? bytes.size() - 8 + random.below(3) - 1
                                            : std::uint64_t{1} << random.below(64);
    std::memcpy(bytes.data(), &length, sizeof length);
  }
  return bytes;
}

}  // namespace tapegrad::test
