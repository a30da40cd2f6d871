// Documents show only code that tests compile and output that programs print. A block of C++ in
// README.md or docs/ has its file in a comment above it, `<!-- from tests/contract/readme.cc -->`,
// and the file must contain it literally. A block of text below `<!-- printed by
// tests/contract/readme.cc -->` must be the output of that program; lessons in examples/ work the
// same way.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"

namespace {

const std::filesystem::path kRoot = TAPEGRAD_SOURCE_DIR;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  INFO(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Block {
  std::string document;
  std::string language;
  std::string marker;  // the line above the fence
  std::string text;
};

std::vector<Block> blocks_of(const std::filesystem::path& document) {
  std::vector<Block> blocks;
  std::istringstream lines(read(document));
  std::string above;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("```", 0) != 0) {
      if (!line.empty()) above = line;
      continue;
    }
    Block block{document.filename().string(), line.substr(3), above, ""};
    while (std::getline(lines, line) && line != "```") block.text += line + "\n";
    blocks.push_back(block);
    above.clear();
  }
  return blocks;
}

std::vector<Block> all_blocks() {
  std::vector<Block> blocks = blocks_of(kRoot / "README.md");
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() != ".md") continue;
    const std::vector<Block> more = blocks_of(entry.path());
    blocks.insert(blocks.end(), more.begin(), more.end());
  }
  return blocks;
}

// The text between `before` and ` -->` in a marker; empty if the marker does not begin with
// `before`.
std::string named(const std::string& marker, const std::string& before) {
  if (marker.rfind(before, 0) != 0) return "";
  const std::size_t end = marker.find(" -->");
  return marker.substr(before.size(), end - before.size());
}

// The program that is built from tests/contract/readme.cc or examples/NAME.cc.
std::string program_of(const std::filesystem::path& file) {
  if (file == "tests/contract/readme.cc") return README_PROGRAM;
  return LESSONS "/example_" + file.stem().string();
}

std::string output_of(const std::string& program) {
  std::FILE* pipe = popen(program.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  REQUIRE(pclose(pipe) == 0);
  return text;
}

}  // namespace

TEST_CASE("code in documents is in files that tests compile", "[docs]") {
  int checked = 0;
  for (const Block& block : all_blocks()) {
    if (block.language != "cpp") continue;
    INFO(block.document << ":\n" << block.text);
    const std::string file = named(block.marker, "<!-- from ");
    REQUIRE(!file.empty());
    REQUIRE(read(kRoot / file).find(block.text) != std::string::npos);
    ++checked;
  }
  REQUIRE(checked > 0);
}

TEST_CASE("output in documents is what the programs print", "[docs]") {
  int checked = 0;
  for (const Block& block : all_blocks()) {
    const std::string file = named(block.marker, "<!-- printed by ");
    if (file.empty()) continue;
    INFO(block.document << ": " << file);
    CHECK(block.text == output_of(program_of(file)));
    ++checked;
  }
  REQUIRE(checked >= 2);
}

TEST_CASE("pictures in documents are what the programs draw", "[docs]") {
  CHECK(read(kRoot / "docs/lazy_rows.svg") ==
        output_of(program_of("examples/07_rare_words.cc") + " --svg"));
}
