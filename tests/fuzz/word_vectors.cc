// Fuzzes load_word_vectors() in all formats and options, and save_word_vectors(). Read next:
// tests/fuzz/word_tests.cc.
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/io/zip.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>

#include "fuzz/fuzzer.h"
#include "fuzz/memory_files.h"

namespace tapegrad::test {
namespace {

using Format = nn::WordVectorsFormat;
constexpr Format kFormats[] = {Format::word2vec_text, Format::word2vec_binary, Format::glove_text};

// One of several options, which the bytes of the input decide.
nn::WordVectorsOptions options_for(const std::string& input) {
  const std::uint32_t choice = detail::crc32(std::as_bytes(std::span(input.data(), input.size())));
  nn::WordVectorsOptions options;
  switch (choice % 8) {
    case 0:
      options.strict = true;
      break;
    case 1:
      options.max_words = 2;
      break;
    case 2:
      options.vocabulary = {{"a", "who", "\xC3\xA9"}};
      break;
    case 3:
      options.format = kFormats[choice / 8 % 3];
      break;
    default:
      break;
  }
  return options;
}

void check_report(const nn::WordVectors& vectors) {
  const nn::WordVectorsReport& report = vectors.report();
  check(report.entries == vectors.size() + report.duplicates + report.skipped + report.malformed +
                              report.not_utf8,
        "the counts of the report do not add up");
  for (std::int64_t row = 0; row < vectors.size(); ++row) {
    check(vectors.find(vectors.words()[static_cast<std::size_t>(row)]) == row,
          "find() does not find a word");
  }
}

}  // namespace

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const nn::WordVectorsOptions options = options_for(input);
  const auto read =
      attempt(input.size(), [&] { return nn::load_word_vectors("/memory/in", options); });
  if (!read) return;
  check_report(*read);
  for (const Format format : kFormats) {
    try {
      nn::save_word_vectors("/memory/out", *read, format);
    } catch (const ValueError&) {  // this format cannot hold a word
      continue;
    }
    const nn::WordVectors again = nn::load_word_vectors("/memory/out");
    check(again.report().format == format, "another format was detected");
    check(again.words() == read->words(), "the words differ after they were saved");
    check(same_bits(again.vectors(), read->vectors()), "the vectors differ after they were saved");
  }
}

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {" ",
                                                 "\t",
                                                 "\n",
                                                 "\r\n",
                                                 "\r",
                                                 "0",
                                                 "1",
                                                 "-0.5",
                                                 "+1",
                                                 "+-1",
                                                 "1e39",
                                                 "1e-46",
                                                 "nan",
                                                 "inf",
                                                 "-inf",
                                                 ".5",
                                                 "5.",
                                                 "1,5",
                                                 "0x1p3",
                                                 "1e",
                                                 "\xEF\xBB\xBF",
                                                 "\xC3\xA9",
                                                 "\xC3",
                                                 "\xFF",
                                                 "who",
                                                 "a",
                                                 "new york",
                                                 "who 1 2 3\n",
                                                 "1 1\n",
                                                 "2 3\n",
                                                 "3 2\n",
                                                 "1 ",
                                                 "\x1F\x8B",
                                                 "PK\x03\x04",
                                                 "\xBA\x16\x4F\x2F",
                                                 std::string_view("\0", 1),
                                                 std::string_view("\0\0\x80\x3F", 4),
                                                 std::string_view("a \0\0\x80\x3F\n", 7),
                                                 std::string_view("\0\0\x80\x7F", 4),
                                                 "123456789012345678901234567890.5",
                                                 "1e-400",
                                                 "9223372036854775807 1\n"};
  if (random.one_in(8)) put_special_elements(input, random);
  input = mutate_text(std::move(input), random, kTokens);
  // Corrects the number of rows in the header.
  const std::size_t space = input.find(' ');
  const std::size_t end = input.find('\n');
  const bool header = end != std::string::npos && space < end &&
                      input.substr(0, end).find_first_not_of("0123456789 ") == std::string::npos;
  if (header && !random.one_in(4)) {
    const auto lines = std::count(input.begin(), input.end(), '\n');
    input.replace(0, space, std::to_string(lines - (input.ends_with('\n') ? 1 : 0)));
  }
  return input;
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  const nn::WordVectors vectors[] = {
      {{"who", "where", "\xC3\xA9"}, tensor({{0.5f, -1.0f}, {1e-8f, 3.0f}, {0.1f, 1e30f}})},
      {{"a"}, tensor({{1.0f}})},
      {{"a", "b"}, tensor({{1.0f, 2.0f, 3.0f}, {0.0f, 0.0f, -0.0f}})}};
  for (const nn::WordVectors& list : vectors) {
    for (const Format format : kFormats) {
      nn::save_word_vectors("/memory/out", list, format);
      inputs.push_back(files["/memory/out"]);
    }
  }
  inputs.push_back("new york 1 2\nlos angeles 3 4\r\nsan 5 6");
  inputs.push_back(
      "\xEF\xBB\xBF"
      "a 1 2\nb 1\nc 1 x\n\nd 1 2\n");
  return inputs;
}

}  // namespace tapegrad::test
