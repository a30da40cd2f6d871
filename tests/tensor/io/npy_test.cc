// NumPy's files: saving and loading, the bytes that are written, exchange with NumPy, and every
// kind of file that is rejected.
#include "catch.h"
#include "error_text.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/io/zip.h>
#include <tapegrad/tensor/ops.h>

#include "python.h"
#include "tensor/expect.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
using namespace std::string_literals;
using tg::test::error_text;
using tg::test::TemporaryFolder;

namespace {

// Same type, shape and bits.
bool identical(const tg::Tensor& a, const tg::Tensor& b) {
  const tg::Tensor left = a.contiguous();
  const tg::Tensor right = b.contiguous();
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(left.data<std::byte>(), right.data<std::byte>(),
                     static_cast<std::size_t>(a.numel()) * item_size(a.dtype())) == 0;
}

void write(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string little_endian(std::uint64_t value, std::size_t bytes) {
  return {reinterpret_cast<const char*>(&value), bytes};
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string array_bytes(const std::string& header, const std::string& data) {
  return "\x93NUMPY\x01\0"s + little_endian(header.size(), 2) + header + data;
}

// The bytes of an array of type `descr` with these data.
std::string array_of(const std::string& descr, const std::string& shape, const std::string& data,
                     const std::string& order = "False") {
  return array_bytes(
      "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n",
      data);
}

class Files {
 public:
  tg::Tensor load_npy(const std::string& bytes) const {
    write(path("x.npy"), bytes);
    return tg::load_npy(path("x.npy"));
  }
  // The error text after the name of the file.
  std::string npy_refusal(const std::string& bytes) const {
    write(path("x.npy"), bytes);
    return text_after("load_npy: " + path("x.npy") + ": ",
                      error_text<tg::FormatError>([&] { tg::load_npy(path("x.npy")); }));
  }
  std::string npz_refusal(const std::string& bytes) const {
    write(path("x.npz"), bytes);
    return text_after("load_npz: " + path("x.npz") + ": ",
                      error_text<tg::FormatError>([&] { tg::load_npz(path("x.npz")); }));
  }
  std::string path(const std::string& name) const { return folder_.file(name); }

 private:
  static std::string text_after(const std::string& start, const std::string& text) {
    if (!text.starts_with(start)) return "no FormatError with the file's name, but " + text;
    return text.substr(start.size());
  }
  TemporaryFolder folder_;
};

tg::StateDict some_state() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const tg::Tensor matrix = tg::tensor({{1.5, -0.0, 3.0}, {nan, -INFINITY, 1e-42}});
  return {{"matrix", matrix},
          {"double", tg::tensor({0.1, 1e300, -nan}, tg::float64)},
          {"ids", tg::tensor({INT64_MIN, std::int64_t{-1}, INT64_MAX})},
          {"mask", tg::tensor({true, false, true})},
          {"0-d", tg::tensor(2.5)},
          {"empty", tg::empty({0, 3}, tg::float64)},
          {"8-d", tg::ones({1, 2, 1, 2, 1, 1, 1, 1}, tg::int64)},
          {"transposed", transpose(matrix)},
          {"folder/caf\xC3\xA9", tg::tensor({7.0})},
          {"", tg::tensor({1})}};
}

// The bytes of an archive.
std::string joined(const std::vector<tg::detail::Bytes>& pieces) {
  std::string bytes;
  for (const tg::detail::Bytes piece : pieces) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  return bytes;
}
std::string archive_of(const std::vector<std::pair<std::string, std::string>>& members,
                       tg::detail::ZipLimits limits = {}) {
  tg::detail::ZipWriter writer(limits);
  for (const auto& [name, bytes] : members) {
    writer.add(name, {std::as_bytes(std::span(bytes.data(), bytes.size()))});
  }
  return joined(writer.finish());
}

void replace(std::string& text, std::size_t at, const std::string& with) {
  text.replace(at, with.size(), with);
}

}  // namespace

TEST_CASE("npy and npz: a round trip keeps tensors") {
  const TemporaryFolder folder;
  const tg::StateDict state = some_state();
  for (const auto& [name, tensor] : state) {
    CAPTURE(name);
    tg::save_npy(folder.file("x.npy"), tensor);
    const tg::Tensor loaded = tg::load_npy(folder.file("x.npy"));
    CHECK(identical(loaded, tensor));
    CHECK(loaded.is_contiguous());
  }
  const std::string path = folder.file("x.npz");
  tg::save_npz(path, state);
  const tg::StateDict loaded = tg::load_npz(path);
  REQUIRE(loaded.size() == state.size());
  for (auto a = state.begin(), b = loaded.begin(); a != state.end(); ++a, ++b) {
    CHECK(a->first == b->first);  // in the same order
    CHECK(identical(a->second, b->second));
  }
  const std::string bytes = tg::read_file(path);
  tg::save_npz(path, loaded);
  CHECK(tg::read_file(path) == bytes);
  tg::save_npz(path, {});
  CHECK(tg::load_npz(path).empty());
  CHECK(folder.files() == 2);
}

TEST_CASE("npy: writes the same bytes as NumPy") {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.npy");
  const auto header = [](std::string text) {
    text.resize(117, ' ');
    return "\x93NUMPY\x01\0v\0"s + text + '\n';
  };
  tg::save_npy(path, tg::tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}}));
  CHECK(tg::read_file(path) ==
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }") +
            bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6}));
  tg::save_npy(path, tg::tensor({3, 4}));
  CHECK(tg::read_file(path) == header("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }") +
                                   bytes_of(std::vector<std::int64_t>{3, 4}));
  tg::save_npy(path, tg::tensor(true));
  CHECK(tg::read_file(path) ==
        header("{'descr': '|b1', 'fortran_order': False, 'shape': (), }") + "\x01");
}

TEST_CASE("npy: byte orders, Fortran order and other types") {
  const Files files;
  // Fortran order: the first dimension has stride 1.
  const std::string six = bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(identical(files.load_npy(array_of("<f4", "(2, 3)", six, "True")),
                  tg::tensor({{1.0, 3.0, 5.0}, {2.0, 4.0, 6.0}})));
  CHECK(files.load_npy(array_of("<f4", "(2, 3)", six, "True")).is_contiguous());
  CHECK(identical(files.load_npy(array_of("<f4", "(6,)", six, "True")),
                  tg::tensor({1.0, 2.0, 3.0, 4.0, 5.0, 6.0})));
  CHECK(
      identical(files.load_npy(array_of("<f4", "()", six.substr(0, 4), "True")), tg::tensor(1.0)));
  // Big-endian.
  CHECK(identical(files.load_npy(array_of(">i8", "(1,)", "\0\0\0\0\0\0\x01\x02"s)),
                  tg::tensor({258})));
  CHECK(identical(files.load_npy(array_of(">f4", "(2,)", "\x3f\x80\0\0\xc0\0\0\0"s)),
                  tg::tensor({1.0, -2.0})));
  CHECK(
      identical(files.load_npy(array_of(">i2", "(2,)", "\x80\0\0\x05"s)), tg::tensor({-32768, 5})));
  // Narrow types are widened.
  CHECK(
      identical(files.load_npy(array_of("<f2", "(2,)", "\0\x3c\0\xb8"s)), tg::tensor({1.0, -0.5})));
  CHECK(identical(files.load_npy(array_of("|u1", "(2,)", "\0\xff"s)), tg::tensor({0, 255})));
  CHECK(identical(files.load_npy(array_of("|i1", "(2,)", "\x80\x7f"s)), tg::tensor({-128, 127})));
  CHECK(identical(files.load_npy(array_of("<u4", "(1,)", "\xff\xff\xff\xff")),
                  tg::tensor({std::int64_t{4294967295}})));
  // Writers may choose spaces, quotes and the order of keys.
  CHECK(identical(files.load_npy(array_bytes("{\"shape\":(2L,),\"fortran_order\":False,"
                                             "\"descr\":\"<i4\"}",
                                             "\x01\0\0\0\x02\0\0\0"s)),
                  tg::tensor({1, 2})));
}

TEST_CASE("npy: rejected files") {
  const Files files;
  const auto header = [&](const std::string& text) {
    return files.npy_refusal(array_bytes(text, ""));
  };
  CHECK(files.npy_refusal("") == "it does not begin like a NumPy array; is it an .npy file?");
  CHECK(files.npy_refusal("\x93NUMPY\x01") ==
        "it does not begin like a NumPy array; is it an .npy file?");
  CHECK(files.npy_refusal("PK\x03\x04") == "this is a zip file; use load_npz() for .npz files");
  CHECK(files.npy_refusal("\x93NUMPY\x04\0\0\0"s) ==
        "version 4 of the format is not supported, needed 1 to 3");
  CHECK(files.npy_refusal("\x93NUMPY\x01\x76\0\0"s) ==
        "version 1.118 of the format is not supported, needed 1 to 3");
  for (int major = 0; major < 256; ++major) {
    for (const int minor : {0, 1, 118, 255}) {
      std::string bytes = array_bytes("{'descr': '<i4', 'fortran_order': False, 'shape': ()}", "");
      bytes[6] = static_cast<char>(major);
      bytes[7] = static_cast<char>(minor);
      const bool refused = files.npy_refusal(bytes).find("version ") != std::string::npos;
      if (refused != (major < 1 || major > 3 || minor != 0)) FAIL_CHECK(major << '.' << minor);
    }
  }
  CHECK(files.npy_refusal("\x93NUMPY\x01\0\x05"s) == "the header is cut off");
  CHECK(files.npy_refusal("\x93NUMPY\x01\0\x05\0{}"s) == "the header is cut off");
  CHECK(files.npy_refusal("\x93NUMPY\x02\0\xff\xff\xff\xff"s) ==
        "the header has 4294967295 bytes, allowed are at most 10000");
  CHECK(header("") == "the header has no { at its byte 1");
  CHECK(header("{}") == "the header has no descr");
  CHECK(header("{'descr': '<f4'}") == "the header has no fortran_order");
  CHECK(header("{'descr': '<f4', 'fortran_order': False}") == "the header has no shape");
  CHECK(header("{'descr': '<f4', 'descr': '<f4'}") == "key \"descr\" appears twice");
  CHECK(header("{'color': 1}") == "unknown key \"color\", needed descr, fortran_order and shape");
  CHECK(header("{descr: '<f4'}") == "the header has no a key in quotes at its byte 2");
  CHECK(header("{'descr") == "a quote in the header has no end");
  CHECK(header("{'descr' '<f4'}") == "the header has no : at its byte 10");
  CHECK(header("{'descr': <f4}") == "the header has no type in quotes at its byte 11");
  CHECK(header("{'descr': '|O'}") ==
        "the array holds Python objects, which run code when they are read; needed numbers");
  CHECK(header("{'descr': [('a', '<f4')]}") == "the array holds records, needed plain numbers");
  for (const char* type : {"<c8", "<U3", "|S5", "<M8[s]", "<u8", "|f4", "=f4", "f4", "", "<f16"}) {
    CHECK(header("{'descr': '"s + type + "'}") ==
          "type \""s + type +
              "\" is not supported, needed < or > and one of b1, f4, f8, i8, f2, i1, i2, i4, u1, "
              "u2, u4");
  }
  CHECK(header("{'fortran_order': 0}") == "fortran_order is neither True nor False");
  CHECK(header("{'shape': 3}") == "the header has no ( at its byte 11");
  CHECK(header("{'shape': (3)}") == "shape is not a tuple of sizes");
  CHECK(header("{'shape': (3 4)}") == "shape is not a tuple of sizes");
  CHECK(header("{'shape': (3, -4)}") == "shape contains something that is not a size");
  CHECK(header("{'shape': (3, x)}") == "shape contains something that is not a size");
  CHECK(header("{'shape': (") == "shape contains something that is not a size");
  CHECK(header("{'shape': (9223372036854775808,)}") == "shape contains a size that is too large");
  CHECK(header("{'shape': (1,1,1,1,1,1,1,1,1)}") ==
        "shape has more than 8 dimensions, which is the most that is supported");
  CHECK(header("{'shape': (1,), 'fortran_order': False, 'descr': '<f4'} + os.system('')") ==
        "something follows the header's }, at its byte 57");
  CHECK(files.npy_refusal(array_of("<f4", "(2,)", "1234567")) ==
        "shape (2) of f4 takes 8 bytes, there are 7; was the file truncated or appended to?");
  CHECK(files.npy_refusal(array_of("<f4", "(2,)", "123456789")) ==
        "shape (2) of f4 takes 8 bytes, there are 9; was the file truncated or appended to?");
  CHECK(files.npy_refusal(array_of("<f8", "(4611686018427387904, 4)", "")) ==
        "shape (4611686018427387904, 4) of f8 overflows");
  CHECK(
      files.npy_refusal(array_of("<f8", "(1000000000000,)", "")) ==
      "shape (1000000000000) of f8 takes 8000000000000 bytes, there are 0; was the file truncated "
      "or appended to?");
  CHECK(files.npy_refusal(array_of("|b1", "(3,)", "\0\x01\x02"s)) ==
        "element 2 is 2, needed 0 or 1 for a bool");

  CHECK(error_text<tg::IoError>([&] { tg::load_npy(files.path("none.npy")); }) ==
        "load_npy: cannot open " + files.path("none.npy") + ": No such file or directory");
  CHECK(error_text<tg::IoError>([&] { tg::load_npz("/"); }) ==
        "load_npz: cannot read /: it is a folder");
}

TEST_CASE("npz: rejected archives") {
  const Files files;
  const std::string array = array_of("|u1", "(3,)", "abc");
  const std::string good = archive_of({{"a.npy", array}, {"b.npy", array}});
  const std::size_t second = good.find("PK\x03\x04", 1);
  const std::size_t directory = good.find("PK\x01\x02");
  const std::size_t end = good.size() - 22;
  const auto changed = [&](std::size_t at, const std::string& with) {
    std::string bytes = good;
    replace(bytes, at, with);
    return files.npz_refusal(bytes);
  };
  write(files.path("x.npz"), good);
  REQUIRE(tg::load_npz(files.path("x.npz")).size() == 2);

  for (const std::string& bytes :
       {""s, "PK"s, good.substr(0, good.size() - 1), good + "x", array}) {
    CHECK(files.npz_refusal(bytes) ==
          "no zip archive ends here; is it an .npz file, and is it complete?");
  }
  CHECK(changed(end + 4, "\x01") == "the archive is split over several files, needed one file");
  CHECK(changed(end + 8, "\x03") == "the archive is split over several files, needed one file");
  CHECK(changed(end + 8, "\x03\0\x03"s) == "the directory has 2 entries, the end record says 3");
  CHECK(changed(end + 12, "\xff\xff\xff\xff")
            .starts_with("the directory of 4294967295 bytes at " + std::to_string(directory)));
  CHECK(changed(end + 16, "\xff\xff\xff\xff")
            .ends_with("does not end where the end record begins, at " + std::to_string(end)));
  CHECK(changed(directory, "X") == "the directory contains something that is not an entry");
  CHECK(changed(directory + 8, "\x01") == "member \"a.npy\" is encrypted");
  CHECK(changed(directory + 10, "\x08") ==
        "member \"a.npy\" is compressed (method 8), needed a stored one; save with numpy.savez, "
        "not savez_compressed");
  CHECK(changed(directory + 20, "\x01") ==
        "member \"a.npy\" is stored in 1 bytes, but its size is " + std::to_string(array.size()));
  CHECK(changed(directory + 28, "\xff\xff") == "the directory is cut off; is the file damaged?");
  CHECK(changed(directory + 30, "\x02") == "an extra field is cut off; is the file damaged?");
  CHECK(changed(directory + 42, "\xff\xff\xff\x7f") ==
        "member \"a.npy\" lies beyond the directory");
  CHECK(changed(directory + 42, "\x01") ==
        "member \"a.npy\" does not begin where the directory says");
  CHECK(changed(directory + 46, "c") == "member \"c.npy\" has another name in its own header");
  CHECK(changed(0, "X") == "member \"a.npy\" does not begin where the directory says");
  CHECK(changed(26, "\xff\xff") == "a member is cut off; is the file damaged?");
  CHECK(changed(second - 1, "X") == "member \"a.npy\" is damaged: its checksum differs");
  CHECK(changed(directory + 16, "X") == "member \"a.npy\" is damaged: its checksum differs");

  const std::string longer = "\xff\xff\xff\x7f";
  CHECK(changed(directory + 20, longer + longer) == "a member is cut off; is the file damaged?");
  CHECK(files.npz_refusal(archive_of({{"a.npy", array}, {"a.npy", array}})) ==
        "member \"a.npy\" appears twice");
  CHECK(files.npz_refusal(archive_of({{"a", array}})) ==
        "member \"a\": needed an array, whose name ends with .npy");
  CHECK(files.npz_refusal(archive_of({{"archive/data.pkl", ""}})) ==
        "member \"archive/data.pkl\": needed an array, whose name ends with .npy; this is what "
        "torch.save writes: save it with numpy.savez");
  CHECK(files.npz_refusal(archive_of({{"a.npy", "x"}})) ==
        "member \"a.npy\": it does not begin like a NumPy array; is it an .npy file?");

  // One member inside another: a small file that claims much memory.
  const std::string inner = archive_of({{"b.npy", array}});
  std::string nested =
      archive_of({{"a.npy", inner.substr(0, inner.find("PK\x01\x02"))}, {"b.npy", array}});
  const std::size_t entry_b = nested.rfind("PK\x01\x02");
  replace(nested, entry_b + 42, little_endian(nested.find("PK\x03\x04", 1), 4));
  CHECK(files.npz_refusal(nested) == "members overlap");

  CHECK(error_text<tg::ValueError>([&] {
          tg::save_npz(files.path("y.npz"), {{"\xff", tg::ones({1})}});
        }) == "save_npz: name \"\xEF\xBF\xBD\" is not UTF-8");
  CHECK(error_text<tg::ValueError>([&] {
          tg::save_npz(files.path("y.npz"), {{std::string(65'532, 'x'), tg::ones({1})}});
        }).ends_with("has 65532 bytes, the format allows 65531"));
  CHECK_FALSE(std::filesystem::exists(files.path("y.npz")));
}

TEST_CASE("npz: 64-bit fields where 32 bits are too few") {
  const Files files;
  const std::string array = array_of("|u1", "(3,)", "abc");
  const std::string path = files.path("x.npz");
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{100}}) {
    write(path, archive_of({{"a.npy", array}, {"b.npy", array}}, {.bytes = bytes, .members = 2}));
    const tg::StateDict state = tg::load_npz(path);
    REQUIRE(state.size() == 2);
    CHECK(identical(state.at("b"), tg::tensor({97, 98, 99})));
    if (tg::test::python_has("numpy")) {
      const tg::test::Answer answer = tg::test::python("check_npy.py", {path});
      CHECK(answer.status == 0);
      CHECK(answer.text == "a |u1 [3] 294\nb |u1 [3] 294\n");
    }
  }
  std::string bytes = archive_of({{"a.npy", array}}, {.bytes = 0, .members = 0});
  const std::size_t locator = bytes.find("PK\x06\x07");
  replace(bytes, locator + 8, little_endian(UINT64_MAX, 8));
  CHECK(files.npz_refusal(bytes) == "the ZIP64 end record is missing");
  replace(bytes, locator + 8, little_endian(3, 8));
  CHECK(files.npz_refusal(bytes) == "the ZIP64 end record is missing");
  replace(bytes, locator + 8, little_endian(locator - 10, 8));
  CHECK(files.npz_refusal(bytes) == "the ZIP64 end record is missing");
}

TEST_CASE("npz: more members than a 16-bit count allows") {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.npz");
  tg::StateDict many;
  for (int i = 0; i < 65'536; ++i) many.insert(std::to_string(i), tg::tensor(i));
  tg::save_npz(path, many);
  const tg::StateDict loaded = tg::load_npz(path);
  REQUIRE(loaded.size() == many.size());
  CHECK(loaded.at("65535").item<int>() == 65'535);
}

TEST_CASE("npz: CRC-32") {
  const std::string digits = "123456789";
  CHECK(tg::detail::crc32(std::as_bytes(std::span(digits.data(), digits.size()))) == 0xCBF43926);
}

TEST_CASE("npy and npz: truncated and damaged files") {
  const TemporaryFolder folder;
  const std::string path = folder.file("x");
  tg::save_npy(path, tg::tensor({{1.5, 2.5}, {3.5, 4.5}}));
  const std::string npy = tg::read_file(path);
  tg::save_npz(path, some_state());
  const std::string npz = tg::read_file(path);
  const auto load = [&](const std::string& bytes, bool archive) {
    write(path, bytes);
    try {
      if (archive) {
        tg::load_npz(path);
      } else {
        tg::load_npy(path);
      }
      return true;
    } catch (const tg::FormatError& error) {
      const std::string_view text = error.what();
      REQUIRE(text.starts_with(archive ? "load_npz: " : "load_npy: "));
      REQUIRE(text.find('\n') == std::string_view::npos);
      REQUIRE(text.size() < path.size() + 400);
      return false;
    }
  };
  for (std::size_t bytes = 0; bytes < npy.size(); ++bytes) {
    REQUIRE_FALSE(load(npy.substr(0, bytes), false));
  }
  for (std::size_t bytes = 0; bytes < npz.size(); ++bytes) {
    REQUIRE_FALSE(load(npz.substr(0, bytes), true));
  }

  const std::string zip64 = archive_of({{"a.npy", npy}, {"b.npy", npy}}, {.bytes = 0});
  const std::string_view tokens[] = {
      "PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "(2, 2)",
      "True",       "'",          "}",          "99999999",   "\xff\xff\xff\xff"};
  std::mt19937 random(20240301);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  int loaded = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t which = below(3);
    std::string bytes = which == 0 ? npy : which == 1 ? npz : zip64;
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(bytes.size());
      switch (below(4)) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1: {
          const std::string_view token = tokens[below(std::size(tokens))];
          bytes.replace(at, token.size(), token);
          break;
        }
        case 2:
          bytes.erase(at, 1 + below(8));
          break;
        default:
          bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(40)));
      }
      if (bytes.empty()) break;
    }
    ++(load(bytes, which != 0) ? loaded : refused);
  }
  CHECK(loaded > 500);
  CHECK(refused > 10'000);
}

TEST_CASE("npy and npz: exchange with NumPy") {
  if (!tg::test::python_has("numpy")) return;
  const TemporaryFolder folder;

  const std::string path = folder.file("ours.npz");
  tg::save_npz(path, {{"matrix", tg::tensor({{0.5, 1.5, 3.0}, {4.0, 5.0, 6.0}})},
                      {"double", tg::tensor({0.1}, tg::float64)},
                      {"ids", tg::tensor({-1, 5})},
                      {"mask", tg::tensor({true, false, true})},
                      {"0-d", tg::tensor(2.5)},
                      {"empty", tg::empty({0, 3}, tg::float64)},
                      {"transposed", transpose(tg::tensor({{1.0, 2.0}}))},
                      {"folder/caf\xC3\xA9", tg::tensor({7.0})}});
  tg::test::Answer answer = tg::test::python("check_npy.py", {path});
  CHECK(answer.status == 0);
  CHECK(answer.text ==
        "matrix <f4 [2, 3] 20\ndouble <f8 [1] 0.10000000000000001\nids <i8 [2] 4\n"
        "mask |b1 [3] 2\n0-d <f4 [] 2.5\nempty <f8 [0, 3] 0\ntransposed <f4 [2, 1] 3\n"
        "folder/caf\xC3\xA9 <f4 [1] 7\n");
  tg::save_npy(folder.file("ours.npy"), tg::tensor({{1, 2}, {3, 4}}));
  answer = tg::test::python("check_npy.py", {folder.file("ours.npy")});
  CHECK(answer.text == "array <i8 [2, 2] 10\n");

  answer = tg::test::python("check_npy.py", {"--write", folder.path()});
  INFO(answer.text);
  REQUIRE(answer.status == 0);
  const tg::StateDict arrays = tg::load_npz(folder.file("arrays.npz"));
  CHECK(arrays.size() == 12);
  const tg::Tensor matrix = reshape(tg::arange(15).to(tg::float64) / 8.0, {3, 5});
  const tg::Tensor cube = reshape(tg::arange(24).to(tg::float32), {2, 3, 4});
  CHECK(identical(arrays.at("scalar"), tg::tensor(2.5)));
  CHECK(identical(arrays.at("empty"), tg::empty({0, 3})));
  CHECK(identical(arrays.at("matrix"), matrix));
  CHECK(identical(arrays.at("head.weight"), tg::tensor({{-1.5, 0.25, INFINITY}})));
  CHECK(identical(arrays.at("ids"),
                  tg::tensor({std::int64_t{-1}, std::int64_t{0}, std::int64_t{1} << 62})));
  CHECK(identical(arrays.at("mask"), tg::tensor({true, false, true})));
  CHECK(identical(arrays.at("folder/caf\xC3\xA9"), tg::tensor({7})));
  CHECK(identical(arrays.at("fortran"), cube));
  CHECK(identical(arrays.at("big"), tg::tensor({1.5, -2.0}, tg::float64)));
  CHECK(identical(arrays.at("half"), tg::tensor({1.0, -0.5, 65504.0})));
  CHECK(identical(arrays.at("short"), tg::tensor({-32768, 5})));
  CHECK(identical(arrays.at("byte"), tg::tensor({0, 255})));
  CHECK(tg::load_npz(folder.file("nothing.npz")).empty());
  for (const char* name : {"matrix.npy", "version2.npy", "version3.npy"}) {
    CHECK(identical(tg::load_npy(folder.file(name)), matrix));
  }
  CHECK(identical(tg::load_npy(folder.file("fortran.npy")), cube));
  CHECK(identical(tg::load_npy(folder.file("scalar.npy")), tg::tensor(2.5)));
  for (const char* name : {"objects.npy", "records.npy", "complex.npy", "text.npy"}) {
    CHECK_THROWS_AS(tg::load_npy(folder.file(name)), tg::FormatError);
  }
  CHECK_THROWS_AS(tg::load_npz(folder.file("compressed.npz")), tg::FormatError);
}
