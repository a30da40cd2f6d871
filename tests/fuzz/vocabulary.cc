// Fuzzes Vocabulary::load(). Read next: tests/fuzz/settings.cc.
#include <tapegrad/nn/text/vocabulary.h>

#include <algorithm>

#include "fuzz/fuzzer.h"
#include "fuzz/memory_files.h"

namespace tapegrad::test {

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const auto read = attempt(input.size(), [] { return nn::Vocabulary::load("/memory/in"); });
  if (!read) return;
  check(read->size() >= 2, "a vocabulary lacks <pad> and <unk>");
  for (std::int64_t id = 0; id < read->size(); ++id) {
    check(read->find(read->word(id)) == id, "find() does not find a token");
  }
  read->save("/memory/out");
  const nn::Vocabulary again = nn::Vocabulary::load("/memory/out");
  check(again.words() == read->words() &&
            again.tokenizer().description() == read->tokenizer().description(),
        "the vocabulary differs after it was saved");
  const std::string& text = files["/memory/out"];
  check(text.substr(text.find('\n')) == input.substr(input.find('\n')),
        "the tokens in the file are other bytes after they were saved");
  for (const std::int64_t id : read->encode("who a b <unk> \xC3\xA9")) {
    check(0 <= id && id < read->size(), "encode() gives an id out of range");
  }
}

std::string mutate(std::string input, Random& random) {
  static constexpr std::string_view kTokens[] = {"tapegrad vocabulary 1; ",
                                                 "words-1",
                                                 "words-2",
                                                 " ngrams=2",
                                                 "ngrams=0",
                                                 "ngrams=99",
                                                 "; ",
                                                 " tokens\n",
                                                 "\n",
                                                 "\r\n",
                                                 "<pad>\n",
                                                 "<unk>\n",
                                                 "who\n",
                                                 "a b\n",
                                                 "\xC3\xA9",
                                                 "\xC3",
                                                 "\xFF",
                                                 std::string_view("\0", 1),
                                                 " ",
                                                 "\t"};
  input = mutate_text(std::move(input), random, kTokens);
  // Corrects the number of tokens in the header.
  const std::size_t end = input.find(" tokens\n");
  const std::size_t begin = end == std::string::npos ? end : input.rfind("; ", end);
  if (begin != std::string::npos && !random.one_in(4)) {
    if (!input.ends_with('\n')) input += '\n';
    input.replace(begin + 2, end - begin - 2,
                  std::to_string(std::count(input.begin(), input.end(), '\n') - 1));
  }
  return input;
}

std::vector<std::string> good_inputs() {
  std::vector<std::string> inputs;
  const std::vector<std::vector<std::string>> texts = {{"who", "wrote", "it"}, {"\xC3\xA9", "it"}};
  for (const int n : {1, 2, 3}) {
    inputs.push_back(nn::Vocabulary::build(texts, {.longest_ngram = n}).text());
  }
  inputs.push_back(nn::Vocabulary::build({}).text());
  return inputs;
}

}  // namespace tapegrad::test
