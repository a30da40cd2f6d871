// Safetensors files: saving and loading, the bytes that are written, and every kind of file that is
// rejected.
#include "catch.h"
#include "error_text.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
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

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The bytes of a file with this header, padded, and these data.
std::string file_bytes(std::string header, const std::string& data) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return bytes_of(std::vector<std::uint64_t>{header.size()}) + header + data;
}

// The header of one tensor, "a".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

class Files {
 public:
  tg::StateDict load(const std::string& bytes) const {
    write(bytes);
    return tg::load(path());
  }
  // The error text of load after the name of the file.
  std::string refusal(const std::string& bytes) const {
    write(bytes);
    const std::string text = error_text<tg::FormatError>([&] { tg::load(path()); });
    const std::string start = "load: " + path() + ": ";
    if (!text.starts_with(start)) return "no FormatError with the file's name, but " + text;
    return text.substr(start.size());
  }
  std::string path() const { return folder_.file("x.safetensors"); }

 private:
  void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("safetensors: a round trip keeps tensors") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const tg::Tensor matrix = tg::tensor({{1.5, -0.0, 3.0}, {nan, -INFINITY, 1e-42}});
  const tg::StateDict state{
      {"matrix", matrix},
      {"double", tg::tensor({0.1, 1e300, -nan}, tg::float64)},
      {"ids", tg::tensor({INT64_MIN, std::int64_t{-1}, INT64_MAX})},
      {"mask", tg::tensor({true, false, true})},
      {"0-d", tg::tensor(2.5)},
      {"empty", tg::empty({0, 3}, tg::float64)},
      {"empty mask", tg::empty({2, 0}, tg::boolean)},
      {"huge and empty", tg::empty({std::int64_t{1} << 62, 4, 0})},
      {"8-d", tg::ones({1, 2, 1, 2, 1, 1, 1, 1}, tg::int64)},
      {"transposed", tg::Tensor::view_of(matrix, tg::Shape{3, 2}, tg::Shape{1, 3}, 0)},
      {"expanded", tg::Tensor::view_of(matrix, tg::Shape{4, 3}, tg::Shape{0, 1}, 0)},
      {"", tg::tensor({1})},
      {"a \"name\"\\\n\t\x01 caf\xC3\xA9 \xF0\x9F\x99\x82", tg::tensor({7.0})},
  };
  const tg::Metadata metadata{{"format", "pt"}, {"", ""}, {"n\no", "caf\xC3\xA9 \"x\""}};
  tg::save(path, state, metadata);
  const tg::Checkpoint loaded = tg::load_with_metadata(path);
  CHECK(loaded.metadata == metadata);
  CHECK(loaded.state.size() == state.size());
  for (const auto& entry : state) {
    CAPTURE(entry.first);
    REQUIRE(loaded.state.contains(entry.first));
    CHECK(identical(loaded.state.at(entry.first), entry.second));
    CHECK(loaded.state.at(entry.first).is_contiguous());
  }
  CHECK_FALSE(loaded.state.at("matrix").shares_memory_with(matrix));

  // Equal contents give equal bytes in any order.
  const std::string bytes = tg::read_file(path);
  tg::save(path, loaded.state, loaded.metadata);
  CHECK(tg::read_file(path) == bytes);
  CHECK(folder.files() == 1);
}

TEST_CASE("safetensors: no tensors, and many") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  tg::save(path, {});
  CHECK(tg::read_file(path) == file_bytes("{}", ""));
  CHECK(tg::load(path).empty());

  tg::StateDict many;
  for (int i = 0; i < 5000; ++i) many.insert("layer." + std::to_string(i), tg::tensor({i, -i}));
  tg::save(path, many);
  const tg::StateDict loaded = tg::load(path);
  REQUIRE(loaded.size() == 5000);
  CHECK(loaded.at("layer.4999").item<int>({0}) == 4999);
}

TEST_CASE("safetensors: writes the same bytes as the format's own library") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  tg::save(path, {{"attn0", tg::tensor({{{{0.0, 1.0, 2.0}, {3.0, 4.0, 5.0}}}})}});
  const std::string expected =
      R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}})";
  CHECK(tg::read_file(path) ==
        file_bytes(expected, bytes_of(std::vector<float>{0, 1, 2, 3, 4, 5})));

  // The widest first, then by name: int64, float64, float32, boolean.
  tg::save(path,
           {{"b", tg::tensor({1.0})},
            {"m", tg::tensor({true})},
            {"d", tg::tensor({0.5}, tg::float64)},
            {"a", tg::tensor(2.0)},
            {"i", tg::tensor({{3}})}},
           {{"framework", "pt"}});
  CHECK(tg::read_file(path) ==
        file_bytes(R"({"__metadata__":{"framework":"pt"},)"
                   R"("i":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]},)"
                   R"("d":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},)"
                   R"("a":{"dtype":"F32","shape":[],"data_offsets":[16,20]},)"
                   R"("b":{"dtype":"F32","shape":[1],"data_offsets":[20,24]},)"
                   R"("m":{"dtype":"BOOL","shape":[1],"data_offsets":[24,25]}})",
                   bytes_of(std::vector<std::int64_t>{3}) + bytes_of(std::vector<double>{0.5}) +
                       bytes_of(std::vector<float>{2, 1}) + "\x01"));
}

TEST_CASE("safetensors: keeps the order of the header, accepts any order of the data") {
  const Files files;
  const tg::StateDict state =
      files.load(file_bytes("{ \"z\" : {\"data_offsets\":[8,16],\"shape\":[1],\"dtype\":\"I64\"},\n"
                            "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]},"
                            "\"__metadata__\":{},"
                            "\"y\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}}",
                            bytes_of(std::vector<std::int64_t>{1, 2})));
  REQUIRE(state.size() == 3);
  CHECK(state.begin()->first == "z");
  CHECK(state.at("z").item<int>() == 2);
  CHECK(state.at("y").item<int>() == 1);
  CHECK(state.at("e").shape() == tg::Shape{0});
}

TEST_CASE("safetensors: a header of any length") {
  const Files files;
  std::string header = one("F64", "[1]", "[0,8]");
  for (int i = 0; i < 8; ++i, header += ' ') {  // the data are not aligned
    const std::string bytes = bytes_of(std::vector<std::uint64_t>{header.size()}) + header +
                              bytes_of(std::vector<double>{0.25});
    CHECK(files.load(bytes).at("a").item<double>() == 0.25);
  }
}

TEST_CASE("safetensors: narrow types are widened") {
  const Files files;
  const auto load = [&](const char* dtype, const auto& values) {
    const std::string data = bytes_of(values);
    const std::string shape = to_string(tg::Shape(values.size()));  // "(2)"
    std::string offsets = "[0,";
    offsets.append(std::to_string(data.size())).append("]");
    return files
        .load(file_bytes(one(dtype, '[' + shape.substr(1, shape.size() - 2) + ']', offsets), data))
        .at("a");
  };
  const auto same = [](const tg::Tensor& x, const std::vector<std::int64_t>& expected) {
    return identical(x, tg::tensor(expected));
  };
  CHECK(same(load("I8", std::vector<std::int8_t>{-128, 127}), {-128, 127}));
  CHECK(same(load("U8", std::vector<std::uint8_t>{0, 255}), {0, 255}));
  CHECK(same(load("I16", std::vector<std::int16_t>{-32768, 1}), {-32768, 1}));
  CHECK(same(load("U16", std::vector<std::uint16_t>{65535}), {65535}));
  CHECK(same(load("I32", std::vector<std::int32_t>{INT32_MIN, 5}), {INT32_MIN, 5}));
  CHECK(same(load("U32", std::vector<std::uint32_t>{UINT32_MAX}), {UINT32_MAX}));

  using Bits = std::vector<std::uint16_t>;
  // 1, -2, the largest, the smallest normal and denormal value, -0, infinities.
  CHECK(identical(load("F16", Bits{0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001, 0x8000, 0x7C00, 0xFC00}),
                  tg::tensor({1.0, -2.0, 65504.0, 0x1p-14, 0x1p-24, -0.0, INFINITY, -INFINITY})));
  CHECK(identical(load("BF16", Bits{0x3F80, 0xC000, 0x7F80, 0x0001}),
                  tg::tensor({1.0, -2.0, INFINITY, 0x1p-133})));
  CHECK(std::isnan(load("F16", Bits{0x7E01}).item<float>()));
  CHECK(std::isnan(load("BF16", Bits{0xFFC0}).item<float>()));
}

TEST_CASE("safetensors: files rejected before the header is parsed") {
  const Files files;
  CHECK(files.refusal("") == "the file has 0 bytes, needed at least 8");
  CHECK(files.refusal("1234567") == "the file has 7 bytes, needed at least 8");
  CHECK(files.refusal(bytes_of(std::vector<std::uint64_t>{100'000'001}) + "{}") ==
        "the header has 100000001 bytes, allowed are at most 100000000; is this a safetensors "
        "file?");
  CHECK(files.refusal(bytes_of(std::vector<std::uint64_t>{UINT64_MAX})) ==
        "the header has 18446744073709551615 bytes, allowed are at most 100000000; is this a "
        "safetensors file?");
  CHECK(files.refusal(std::string("PK\x03\x04\0\0\x08\x08", 8))
            .ends_with("; this is a zip file: use load_npz() for .npz files; save PyTorch's "
                       "models with safetensors.torch"));
  CHECK(files.refusal(bytes_of(std::vector<std::uint64_t>{100'000'000}) + "{}") ==
        "the header has 100000000 bytes, but only 2 follow; was the file truncated?");
  CHECK(files.refusal(bytes_of(std::vector<std::uint64_t>{0})) ==
        "the header does not start with {");
  for (const char* text : {"", "  \n", "[]", " []", "\xEF\xBB\xBF{}", "\v{}", "\f{}"}) {
    CHECK(files.refusal(file_bytes(text, "")) == "the header does not start with {");
  }
}

TEST_CASE("safetensors: white space around the header is accepted, as by the authors' readers") {
  const Files files;
  for (const char* before : {" ", "\t\n", "\r\n  "}) {
    for (const char* after : {"", " ", "\n\t"}) {
      const std::string text =
          std::string(before) + R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})" + after;
      CHECK(identical(files.load(file_bytes(text, "\x01\x02")).at("x"), tg::tensor({1, 2})));
    }
  }
}

TEST_CASE("safetensors: rejected headers") {
  const Files files;
  struct Row {
    std::string header;
    std::string text;
  };
  const std::string a = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string in_a = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const Row rows[] = {
      // JSON
      {"{", "the header is not JSON at its byte 9"},
      {"{}x", "the header is not JSON at its byte 3"},
      {std::string("{}\0", 3), "the header is not JSON at its byte 3"},
      {"{\"a\":{\"dtype\":\"F32\",}}", "the header is not JSON at its byte 21"},
      {"{\"\xFF\":{}}", "the header is not UTF-8 at its byte 3"},
      {"{\"\xC0\xAF\":{}}", "the header is not UTF-8 at its byte 3"},
      {"{\"\xED\xA0\x80\":{}}", "the header is not UTF-8 at its byte 4"},
      {"{\"\\uD800\":{}}", "the header is not JSON at its byte 9"},
      {"{} // comment", "the header is not JSON at its byte 4"},
      // Keys
      {a.substr(0, a.size() - 1) + ",\"a\":{" + in_a + "}}", "tensor \"a\" appears twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "__metadata__ appears twice"},
      {R"({"__metadata__":{"k":"v","k":"w"}})", "__metadata__: key \"k\" appears twice"},
      {"{\"a\":{\"dtype\":\"F32\"," + in_a + "}}", "tensor \"a\": key \"dtype\" appears twice"},
      {"{\"a\":{\"shape\":[2]," + in_a + "}}", "tensor \"a\": key \"shape\" appears twice"},
      {"{\"a\":{" + in_a + ",\"data_offsets\":[0,8]}}",
       "tensor \"a\": key \"data_offsets\" appears twice"},
      {"{\"a\":{\"strides\":[1]," + in_a + "}}",
       "tensor \"a\": unknown key \"strides\", needed dtype, shape and data_offsets"},
      {R"({"a":{}})", "tensor \"a\": dtype is missing"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", "tensor \"a\": shape is missing"},
      {R"({"a":{"dtype":"F32","shape":[2]}})", "tensor \"a\": data_offsets is missing"},
      // Kinds of values
      {R"({"a":1})", "tensor \"a\" is a number, needed an object"},
      {R"({"a":null})", "tensor \"a\" is null, needed an object"},
      {R"({"a":[1]})", "tensor \"a\" is a list, needed an object"},
      {R"({"__metadata__":"x"})", "__metadata__ is a string, needed an object"},
      {R"({"__metadata__":{"k":1}})", "__metadata__: key \"k\" is a number, needed a string"},
      {R"({"__metadata__":{"k":{}}})", "__metadata__: key \"k\" is an object, needed a string"},
      {R"({"__metadata__":{"k":true}})", "__metadata__: key \"k\" is a boolean, needed a string"},
      {R"({"a":{"dtype":1}})", "tensor \"a\": dtype is a number, needed a string"},
      {R"({"a":{"dtype":[]}})", "tensor \"a\": dtype is a list, needed a string"},
      {R"({"a":{"shape":3}})",
       "tensor \"a\": shape is a number, needed a list of unsigned integers"},
      {R"({"a":{"shape":"3"}})",
       "tensor \"a\": shape is a string, needed a list of unsigned integers"},
      {R"({"a":{"shape":{"b":{"c":{"d":1}}}}})",
       "tensor \"a\": shape is an object, needed a list of unsigned integers"},
      {R"({"a":{"shape":[-1]}})",
       "tensor \"a\": shape holds a negative number, needed unsigned integers"},
      {R"({"a":{"shape":[2.0]}})",
       "tensor \"a\": shape holds a number that is not a 64-bit unsigned integer, needed unsigned "
       "integers"},
      {R"({"a":{"shape":[1e3]}})",
       "tensor \"a\": shape holds a number that is not a 64-bit unsigned integer, needed unsigned "
       "integers"},
      {R"({"a":{"shape":[18446744073709551616]}})",
       "tensor \"a\": shape holds a number that is not a 64-bit unsigned integer, needed unsigned "
       "integers"},
      {R"({"a":{"shape":[[2]]}})", "tensor \"a\": shape holds a list, needed unsigned integers"},
      {"{\"a\":{\"shape\":" + std::string(100'000, '['),
       "tensor \"a\": shape holds a list, needed unsigned integers"},
      {R"({"a":{"data_offsets":[0,"8"]}})",
       "tensor \"a\": data_offsets holds a string, needed unsigned integers"},
      // Values
      {one("F32", "[9223372036854775808]", "[0,8]"),
       "tensor \"a\": size 9223372036854775808 is too large"},
      {one("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"),
       "tensor \"a\": shape has more than 8 dimensions, which is the most that is supported"},
      {one("F32", "[2]", "[8]"), "tensor \"a\": data_offsets are not two numbers"},
      {one("F32", "[2]", "[0,8,8]"), "tensor \"a\": data_offsets are not two numbers"},
      {one("F8_E4M3", "[8]", "[0,8]"),
       "tensor \"a\": dtype \"F8_E4M3\" is not supported, only BOOL, F32, F64, I64, F16, BF16, I8, "
       "I16, I32, U8, U16, U32"},
      {one("U64", "[1]", "[0,8]"),
       "tensor \"a\": dtype \"U64\" is not supported, only BOOL, F32, F64, I64, F16, BF16, I8, "
       "I16, I32, U8, U16, U32"},
      // Layout of the data
      {one("F32", "[2]", "[0,12]"),
       "tensor \"a\": shape (2) of F32 takes 8 bytes, data_offsets [0, 12] give 12"},
      {one("F32", "[0]", "[0,8]"),
       "tensor \"a\": shape (0) of F32 takes 0 bytes, data_offsets [0, 8] give 8"},
      {one("F32", "[2]", "[8,0]"), "tensor \"a\": data_offsets [8, 0] end before they begin"},
      {one("F32", "[4294967296,4294967296]", "[0,8]"),
       "tensor \"a\": shape (4294967296, 4294967296) of F32 overflows"},
      {one("F64", "[2305843009213693952]", "[0,8]"),
       "tensor \"a\": shape (2305843009213693952) of F64 overflows"},
      {one("F32", "[1]", "[4,8]"),
       "tensor \"a\": data_offsets [4, 8] leave a gap, needed to begin at 0"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}})",
       "tensor \"b\": data_offsets [8, 8] leave a gap, needed to begin at 4"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "tensor \"b\": data_offsets [4, 8] leave an overlap, needed to begin at 8"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
       "tensor \"b\": data_offsets [4, 4] leave an overlap, needed to begin at 8"},
      {one("F32", "[1]", "[0,4]"),
       "the tensors take 4 bytes, the file has 8 after the header; was it truncated or appended "
       "to?"},
      {one("F32", "[1099511627776]", "[0,4398046511104]"),
       "the tensors take 4398046511104 bytes, the file has 8 after the header; was it truncated or "
       "appended to?"},
      {"{}",
       "the tensors take 0 bytes, the file has 8 after the header; was it truncated or appended "
       "to?"},
      {one("BOOL", "[2,4]", "[0,8]"), "tensor \"a\": element 5 is 2, needed 0 or 1 for BOOL"},
  };
  const std::string data("\0\0\1\0\0\2\3\0", 8);
  for (const Row& row : rows) {
    CAPTURE(row.header.substr(0, 200));
    CHECK(files.refusal(file_bytes(row.header, data)) == row.text);
  }
  CHECK_NOTHROW(files.load(file_bytes(a, data)));
}

TEST_CASE("safetensors: names in error texts are short and on one line") {
  const Files files;
  const std::string name = "x\\n\\u001b" + std::string(1'000'000, 'y');
  const std::string text = files.refusal(file_bytes("{\"" + name + "\":1}", ""));
  CHECK(text.starts_with("tensor \"x\\n\\u001byyy"));
  CHECK(text.find('\n') == std::string::npos);
  CHECK(text.ends_with("y\"... is a number, needed an object"));
  CHECK(text.size() < 150);
}

TEST_CASE("safetensors: files that cannot be opened") {
  const TemporaryFolder folder;
  CHECK(error_text<tg::IoError>([&] { tg::load(folder.file("none")); }) ==
        "load: cannot open " + folder.file("none") + ": No such file or directory");
  CHECK(error_text<tg::IoError>([&] { tg::load(folder.path()); }) ==
        "load: cannot read " + folder.path() + ": it is a folder");
  const std::string pipe = folder.file("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_text<tg::IoError>([&] { tg::load(pipe); }) ==
        "load: cannot read " + pipe + ": it is not a regular file");
}

TEST_CASE("safetensors: a failed save keeps the old file") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  tg::save(path, {{"a", tg::tensor({1.0})}});
  const std::string before = tg::read_file(path);
  const auto text = [&](const char* name, const tg::Metadata& metadata) {
    return error_text<tg::ValueError>([&] {
      tg::save(path, {{name, tg::tensor({2.0})}}, metadata);
    });
  };
  CHECK(text("__metadata__", {}) ==
        "save: a tensor cannot be named __metadata__, the format reserves that name");
  CHECK(text("caf\xE9", {}) == "save: \"caf\xEF\xBF\xBD\" is not UTF-8");
  CHECK(text("b", {{"k", "\xFF"}}) == "save: \"\xEF\xBF\xBD\" is not UTF-8");
  CHECK(text("b", {{"k", std::string(100'000'000, ' ')}})
            .starts_with("save: the header has 1000000"));
  const std::string below = path + "/below";
  CHECK(error_text<tg::IoError>([&] { tg::save(below, {}); }) ==
        "save: cannot write " + below + ": Not a directory");
  CHECK(tg::read_file(path) == before);
  CHECK(folder.files() == 1);
}

TEST_CASE("safetensors: 20,000 damaged files load or are rejected") {
  const TemporaryFolder folder;
  const std::string path = folder.file("x.safetensors");
  std::vector<std::string> seeds = {file_bytes("{}", "")};
  tg::save(path, {{"w", tg::tensor({{1.0, 2.0}, {3.0, 4.0}})}, {"m", tg::tensor({true, false})}},
           {{"k", "v"}});
  seeds.push_back(tg::read_file(path));
  tg::save(path, {{"a", tg::empty({0, 3})},
                  {"b", tg::tensor({1, 2})},
                  {"c", tg::tensor(1.0)},
                  {"d", tg::tensor({0.5, 1.5}, tg::float64)}});
  seeds.push_back(tg::read_file(path));

  const std::string tokens[] = {"\"",      "{",       "}",        "[",
                                "]",       ",",       ":",        "0",
                                "1",       "9",       "-1",       ".5",
                                "e9",      " ",       "true",     "null",
                                "\\u0000", "\xFF",    "\"a\":",   "\"shape\":[0],",
                                "\"F64\"", "\"F16\"", "\"BOOL\"", "18446744073709551615"};
  std::mt19937 random(20240229);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  int loaded = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string& seed = seeds[below(seeds.size())];
    std::uint64_t length = 0;
    std::memcpy(&length, seed.data(), sizeof length);
    std::string header = seed.substr(8, length);
    std::string data = seed.substr(8 + length);
    for (std::size_t changes = 1 + below(3); changes > 0 && !header.empty(); --changes) {
      const std::size_t at = below(header.size());
      switch (below(6)) {
        case 0:
          header[at] = static_cast<char>(random());
          break;
        case 1:
          header.insert(at, tokens[below(std::size(tokens))]);
          break;
        case 2:
          header.erase(at, 1 + below(8));
          break;
        case 3: {
          const std::string part = header.substr(at, 1 + below(60));
          header.insert(below(header.size()), part);
          break;
        }
        case 4:
          if (header[at] >= '0' && header[at] <= '9') {
            header[at] = static_cast<char>('0' + below(10));
          }
          break;
        default:
          if (!data.empty()) data[below(data.size())] = static_cast<char>(random());
      }
    }
    length = header.size();
    if (below(20) == 0) length = random() >> below(32);
    if (below(20) == 0) data.resize(below(data.size() + 9));
    // A new file each time, because on some file systems overwriting one waits for the disk.
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary)
        << bytes_of(std::vector<std::uint64_t>{length}) << header << data;
    try {
      tg::load(path);
      ++loaded;
    } catch (const tg::FormatError& error) {
      const std::string_view text = error.what();
      REQUIRE(text.starts_with("load: " + path + ": "));
      REQUIRE(text.find('\n') == std::string_view::npos);
      REQUIRE(text.size() < path.size() + 400);
      ++refused;
    }
  }
  CHECK(loaded > 1000);
  CHECK(refused > 10'000);
}
