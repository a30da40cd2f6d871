// From a text to its tokens. Read next: vocabulary.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace text_classifier {

// The words of a text in lower case, and its punctuation marks, each a token of its own:
// `What's 3.5?` gives what ' s 3 . 5 ?. A word is a run of letters of any alphabet, and digits.
// Each Chinese or Japanese character is a token too, as is each emoji. Full-width forms (`２Ｄ`)
// count as their ASCII equals.
std::vector<std::string> tokenize(std::string_view text);

// The tokens, then all runs of 2 tokens, and so on up to `longest`, joined by a space: with
// longest = 2, `who wrote it` also gives `who wrote` and `wrote it`. They carry word order into a
// model that only adds its tokens up (Wang and Manning, 2012; Joulin et al., 2016).
std::vector<std::string> ngrams(std::vector<std::string> tokens, std::int64_t longest);

// The two above with their one setting. A model works only with the tokens it was trained on,
// so the description is stored in the vocabulary file and must match when it is read.
struct Tokenizer {
  static constexpr std::int64_t kLongestNgram = 9;
  std::int64_t longest_ngram = 1;

  std::vector<std::string> operator()(std::string_view text) const {
    return ngrams(tokenize(text), longest_ngram);
  }

  std::string description() const;  // `words-1 ngrams=2`; the number rises when tokens change

  // Throws tapegrad::ValueError for a description that this program does not know.
  static Tokenizer from_description(std::string_view description);
};

}  // namespace text_classifier
