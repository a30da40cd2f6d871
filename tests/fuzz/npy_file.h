// An .npy file taken apart. Read next: tests/fuzz/npy.cc.
#pragma once

#include <cctype>
#include <cstdint>
#include <string>

#include "fuzz/fuzzer.h"

namespace tapegrad::test {

// A file with this header, padded as NumPy does.
inline std::string npy_bytes(int version, std::string header, const std::string& data,
                             bool pad = true) {
  const std::size_t begin = version == 1 ? 10 : 12;
  if (pad) {
    header.append(63 - (begin + header.size()) % 64, ' ');
    header += '\n';
  }
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (std::size_t i = 0; i < begin - 8; ++i) {
    bytes += static_cast<char>(header.size() >> 8 * i & 0xFF);
  }
  return bytes + header + data;
}

// The product of the sizes in a header times the bytes of its type; 0 if that is large.
inline std::size_t npy_data_bytes(const std::string& header) {
  const std::size_t open = header.find('(');
  const std::size_t type = header.find_first_of("<>|");
  if (open == std::string::npos || type == std::string::npos || type + 2 >= header.size()) return 0;
  std::size_t bytes = std::isdigit(static_cast<unsigned char>(header[type + 2])) != 0
                          ? static_cast<std::size_t>(header[type + 2] - '0')
                          : 1;
  std::size_t size = 0;
  bool in_number = false;
  for (std::size_t i = open + 1; i < header.size(); ++i) {
    if (std::isdigit(static_cast<unsigned char>(header[i])) != 0) {
      size = 10 * size + static_cast<std::size_t>(header[i] - '0');
      in_number = true;
      if (size > 1024) return 0;
      continue;
    }
    if (in_number) bytes *= size;
    if (bytes > 1024) return 0;
    in_number = false;
    size = 0;
    if (header[i] == ')') break;
  }
  return bytes;
}

inline std::string mutate_npy(const std::string& input, Random& random) {
  static constexpr std::string_view kTokens[] = {
      "'",
      "\"",
      "(",
      ")",
      ",",
      ":",
      "{",
      "}",
      "[",
      "True",
      "False",
      "None",
      "L",
      " ",
      "\n",
      "'descr': '<f4', ",
      "'fortran_order': True, ",
      "'shape': (), ",
      "(1,)",
      "(0, 2)",
      "(2, 3)",
      "(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
      "'x': 1, ",
      "<f4",
      ">f8",
      "|b1",
      "|u1",
      "<i8",
      "|O",
      "<U4",
      "[('a', '<f4')]",
      "<f2",
      "=f4",
      ">b1",
      "<c8",
      "<M8[s]"};
  static constexpr std::string_view kTypes[] = {"<f4", ">f4", "<f8", ">f8", "<i8",
                                                ">i8", "|b1", "<f2", ">f2", "|i1",
                                                "<i2", ">i4", "|u1", "<u2", ">u4"};
  static constexpr std::string_view kShapes[] = {"()",     "(0,)",      "(3,)",        "(2, 3)",
                                                 "(2, 0)", "(2, 1, 2)", "(1, 2, 3, 1)"};
  const int version = input.size() > 6 ? static_cast<unsigned char>(input[6]) : 0;
  const std::size_t begin = version == 1 ? 10 : 12;
  if (!input.starts_with("\x93NUMPY") || input.size() < begin) {
    if (!random.one_in(8)) return mutate_bytes(input, random);
    return npy_bytes(1 + static_cast<int>(random.below(3)),
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "1234");
  }
  std::size_t length = 0;
  for (std::size_t i = 8; i < begin; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(input[i])) << 8 * (i - 8);
  }
  std::string header = input.substr(begin, length);
  std::string data = input.size() > begin + length ? input.substr(begin + length) : "";
  int new_version = version;
  while (header.ends_with(' ') || header.ends_with('\n')) header.pop_back();
  const auto replace = [&](const char* opens, std::size_t size, std::string_view by) {
    const std::size_t at = header.find_first_of(opens);
    if (at == std::string::npos) return;
    if (size == 0) size = std::min(header.find(')', at), header.size() - 1) + 1 - at;
    header.replace(at, std::min(size, header.size() - at), by);
  };
  switch (random.below(8)) {
    case 0:
      replace("<>|", 3, random.pick(kTypes));
      break;
    case 1:
      replace("(", 0, random.pick(kShapes));
      break;
    case 2:
      new_version = random.one_in(4) ? static_cast<int>(random.below(256))
                                     : 1 + static_cast<int>(random.below(3));
      break;
    case 3:
      put_special_elements(data, random);
      break;
    case 4:
      data = mutate_bytes(std::move(data), random);
      break;
    case 5: {
      const std::size_t order = header.find(random.one_in(2) ? "True" : "False");
      if (order == std::string::npos) break;
      header.replace(order, header[order] == 'T' ? 4 : 5, header[order] == 'T' ? "False" : "True");
      break;
    }
    default:
      header = mutate_text(std::move(header), random, kTokens);
  }
  if (!random.one_in(8)) {
    if (const std::size_t bytes = npy_data_bytes(header); bytes > 0) data.resize(bytes, '\1');
  }
  std::string changed = npy_bytes(new_version, header, data, !random.one_in(8));
  if (random.one_in(16)) changed[8] = static_cast<char>(random.bits());
  return changed;
}

}  // namespace tapegrad::test
