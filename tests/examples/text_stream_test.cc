// Lines of any length, at any place relative to the blocks. Read next:
// examples/common/text_stream.cc.
#include "common/text_stream.h"

#include <tapegrad/tensor/error.h>

#include <fstream>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "tensor/temporary_folder.h"

using examples::TextStream;
using tapegrad::test::TemporaryFolder;

namespace {

std::vector<std::string> lines_of(const std::string& content) {
  const TemporaryFolder folder;
  const std::string path = folder.file("text");
  std::ofstream(path, std::ios::binary) << content;
  TextStream text(path, "test");
  std::vector<std::string> lines;
  for (std::string_view line; text.next(line);) lines.emplace_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("TextStream: line ends, empty lines, and a last line without an end") {
  CHECK(lines_of("").empty());
  CHECK(lines_of("\n") == Lines{""});
  CHECK(lines_of("a b\n\r\nc\r\nd") == Lines{"a b", "", "c", "d"});
  CHECK(lines_of("\xEF\xBB\xBF") == Lines{});
  CHECK(lines_of("\xEF\xBB\xBF"
                 "a\n") == Lines{"a"});
  CHECK(lines_of("caf\xE9 cr\xE8me\n") == Lines{"caf\xC3\xA9 cr\xC3\xA8me"});  // Windows-1252
}

TEST_CASE("TextStream: lines across the ends of blocks stay whole") {
  for (const std::size_t length : {1000U, 65'535U, 65'536U, 65'537U, 100'000U}) {
    CAPTURE(length);
    Lines lines;
    std::string content;
    for (int i = 0; i < 7; ++i) {
      lines.push_back(
          std::string(length / 2 + static_cast<std::size_t>(i), static_cast<char>('a' + i)));
      content += lines.back() + "\n";
    }
    CHECK(lines_of(content) == lines);
  }
}

TEST_CASE("TextStream: a line of 10^6 words comes in pieces that end between words") {
  std::string content;
  for (int i = 0; i < 1'000'000; ++i) content += "word" + std::to_string(i % 10) + ' ';
  const Lines pieces = lines_of(content);
  CHECK(pieces.size() > 50);
  CHECK(joined(pieces) == content);
  for (const std::string& piece : pieces) {
    CHECK(piece.size() <= 2 * TextStream::kLongestLine);
    CHECK(piece.back() == ' ');
  }
}

TEST_CASE("TextStream: a long line without spaces is cut between characters") {
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += "\xE6\x84\x9B";  // 愛
  const Lines pieces = lines_of("x" + content);
  CHECK(pieces.size() > 1);
  CHECK(joined(pieces) == "x" + content);
}

TEST_CASE("TextStream names the file, the line and the reason") {
  const TemporaryFolder folder;
  const std::string path = folder.file("text");
  const auto error_of = [&](const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return tapegrad::test::error_text<tapegrad::Error>([&] {
      TextStream text(path, "test");
      for (std::string_view line; text.next(line);) {
      }
    });
  };
  const std::string many(100'000, '\n');
  CHECK(error_of(many + "\xC3\xA9 \xFF\n") ==
        path + ":100001: byte 0xFF is neither UTF-8 nor Windows-1252; convert with iconv");
  CHECK(error_of(std::string("a\nb\0\n", 5)) == path + ":2: NUL byte: this is binary, not text");
  CHECK(error_of("\xFF\xFE"
                 "a") == path + ":1: this is UTF-16; convert it to UTF-8 with iconv");
  CHECK(tapegrad::test::error_text<tapegrad::Error>([&] {
          TextStream(folder.file("none"), "test");
        }) == "test: cannot read " + folder.file("none") + ": No such file or directory");
  CHECK(tapegrad::test::error_text<tapegrad::Error>([&] { TextStream(folder.path(), "test"); }) ==
        "test: cannot read " + folder.path() + ": Is a directory");
}
