// Splits a text into tokens: words, punctuation marks, and n-grams. Read next:
// nn/text/tokenizer.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapegrad::nn {

// Returns the words of a text in lowercase, and each punctuation mark as a token: `What's 3.5?`
// gives what ' s 3 . 5 ?. A word is a sequence of letters of any alphabet, and digits. Each Chinese
// or Japanese character is a token, and so is each emoji. Full-width forms (`２Ｄ`) become their
// ASCII equivalents. Bytes that are not UTF-8 separate words. Characters that only say how letters
// are joined or shown, such as a soft hyphen or a zero-width joiner, are left out of the word that
// they are in.
//
// Version 1, which older models were trained with, ends a word at such a character.
constexpr int kNewestTokenizer = 2;
std::vector<std::string> tokenize(std::string_view text, int version = kNewestTokenizer);

// Returns the tokens, then all n-grams of 2 tokens, and so on up to `longest`, joined by a space:
// with longest = 2, `who wrote it` also gives `who wrote` and `wrote it`. They let a model that
// only sums its tokens use word order (Wang and Manning, 2012; Joulin et al., 2016).
std::vector<std::string> ngrams(std::vector<std::string> tokens, std::int64_t longest);

// Calls visit(token, n) for each token that ngrams() returns, in the same order; n is the number of
// words in it. It allocates no string for each token: the token is a std::string_view that is valid
// during the call.
template <class Visit>
void for_each_ngram(std::span<const std::string> tokens, std::int64_t longest, const Visit& visit) {
  for (const std::string& token : tokens) visit(std::string_view(token), 1);
  std::string joined;
  for (std::size_t n = 2; static_cast<std::int64_t>(n) <= longest && n <= tokens.size(); ++n) {
    for (std::size_t begin = 0; begin + n <= tokens.size(); ++begin) {
      joined = tokens[begin];
      for (std::size_t i = 1; i < n; ++i) joined.append(1, ' ').append(tokens[begin + i]);
      visit(std::string_view(joined), static_cast<int>(n));
    }
  }
}

// tokenize() and ngrams() with their setting. A model works only with the tokenizer that it was
// trained with, so a vocabulary file holds the tokenizer's description.
struct Tokenizer {
  static constexpr std::int64_t kLongestNgram = 9;
  std::int64_t longest_ngram = 1;  // 1 to kLongestNgram
  int version = kNewestTokenizer;  // of tokenize(): 1 or 2

  std::vector<std::string> operator()(std::string_view text) const {
    return ngrams(words(text), longest_ngram);
  }
  // The tokens without n-grams.
  std::vector<std::string> words(std::string_view text) const { return tokenize(text, version); }

  // `words-2 ngrams=2`. The first number is the version, which grows when tokenize() changes its
  // results.
  std::string description() const;
  // ValueError for a description that this version does not know.
  static Tokenizer from_description(std::string_view description);
};

}  // namespace tapegrad::nn
