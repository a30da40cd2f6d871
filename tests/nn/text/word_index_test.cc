// Compares WordIndex with a map. Read next: word_vectors_test.cc.
#include <tapegrad/nn/text/word_index.h>

#include <cstdint>
#include <map>
#include <string>

#include "catch.h"

using tapegrad::nn::detail::WordIndex;

TEST_CASE("WordIndex: it agrees with a map") {
  WordIndex index;
  std::map<std::string, std::int64_t> map;
  CHECK_FALSE(index.find("a"));
  std::uint64_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::string word = std::string(static_cast<std::size_t>(state >> 33) % 12, 'x') +
                             std::to_string((state >> 40) % 3000);
    const auto [id, is_new] = index.insert(word);
    const auto [found, is_new_in_map] = map.emplace(word, map.size());
    REQUIRE(id == found->second);
    REQUIRE(is_new == is_new_in_map);
  }
  CHECK(index.size() == static_cast<std::int64_t>(map.size()));
  for (const auto& [word, id] : map) {
    REQUIRE(index.find(word) == id);
    REQUIRE(index.word(id) == word);
    REQUIRE(index.find(word + "!").has_value() == map.contains(word + "!"));
  }
}
