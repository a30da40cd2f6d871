// Tests of the tokenizer: words, punctuation marks, characters, n-grams. Read next:
// vocabulary_test.cc.
#include <tapegrad/nn/text/tokenizer.h>

#include "catch.h"
#include "error_text.h"
#include "nn/text/text_files.h"

using namespace tapegrad::nn;
using Tokens = std::vector<std::string>;
using tapegrad::test::error_text;

TEST_CASE("tokenize: words in lowercase, marks as separate tokens, digits kept") {
  CHECK(tokenize("What's 3.5 in R2D2?") ==
        Tokens{"what", "'", "s", "3", ".", "5", "in", "r2d2", "?"});
  CHECK(tokenize("  one\ttwo\r\nthree\v ") == Tokens{"one", "two", "three"});
  CHECK(tokenize("").empty());
  CHECK(tokenize(" \n\u00A0\u3000\u200B\uFEFF").empty());
}

TEST_CASE("tokenize: letters of other alphabets belong to words") {
  CHECK(tokenize("Où est ZÜRICH, Ελλάδα – Москва…") ==
        Tokens{"où", "est", "zürich", ",", "ελλάδα", "–", "москва", "…"});
  CHECK(tokenize("«Øl» 5µm ½") == Tokens{"«", "øl", "»", "5µm", "½"});
  CHECK(tokenize("한국어 문장") == Tokens{"한국어", "문장"});
}

TEST_CASE("tokenize: Chinese and Japanese are split by character") {
  CHECK(tokenize("体验2D巅峰：A股！") == Tokens{"体", "验", "2d", "巅", "峰", ":", "a", "股", "!"});
  CHECK(tokenize("東京タワー、ｗｈｙ？") == Tokens{"東", "京", "タ", "ワ", "ー", "、", "why", "?"});
  CHECK(tokenize("so😀good") == Tokens{"so", "😀", "good"});
}

TEST_CASE("tokenize: bytes that are not UTF-8 separate words") {
  CHECK(tokenize("ab\xFF"
                 "cd\xE4\xB8") == Tokens{"ab", "cd"});
}

TEST_CASE("tokenize: characters that only join or show letters do not cut words") {
  CHECK(tokenize("ex\u00ADam\u00ADple") == Tokens{"example"});
  CHECK(tokenize("می\u200Cخواهم بروم") == Tokens{"میخواهم", "بروم"});  // Persian, a non-joiner
  CHECK(tokenize("क्\u200Dष") == Tokens{"क्ष"});                         // Devanagari, a joiner
  CHECK(tokenize("a\u2060b\uFEFFc\u200Ed") == Tokens{"abcd"});
  CHECK(tokenize("❤\uFE0F👩\u200D🚀") == Tokens{"❤", "👩", "🚀"});  // emoji stay tokens
  CHECK(tokenize("\u00AD \u200C").empty());
  CHECK(tokenize("a\u200Bb") == Tokens{"a", "b"});  // a space without width is a space
}

TEST_CASE("tokenize: version 1, of older models, cuts words there") {
  CHECK(tokenize("ex\u00ADam\u00ADple", 1) == Tokens{"ex", "am", "ple"});
  CHECK(tokenize("می\u200Cخواهم", 1) == Tokens{"می", "خواهم"});
  CHECK(Tokenizer{2, 1}("a\u200Db") == Tokens{"a", "b", "a b"});
  CHECK(Tokenizer{2}("a\u200Db") == Tokens{"ab"});
  // All other texts give the same tokens.
  for (const char* text : {"Où est ZÜRICH, 5µm", "体验2D巅峰：A股！", "so😀good",
                           "ab\xFF"
                           "cd"}) {
    CHECK(tokenize(text, 1) == tokenize(text));
  }
}

TEST_CASE("ngrams: sequences of tokens") {
  CHECK(ngrams({"who", "wrote", "it"}, 1) == Tokens{"who", "wrote", "it"});
  CHECK(ngrams({"who", "wrote", "it"}, 2) == Tokens{"who", "wrote", "it", "who wrote", "wrote it"});
  CHECK(ngrams({"a", "b", "c"}, 9) == Tokens{"a", "b", "c", "a b", "b c", "a b c"});
  CHECK(ngrams({}, 2).empty());
  CHECK(Tokenizer{2}("Who? Me") == Tokens{"who", "?", "me", "who ?", "? me"});
}

TEST_CASE("Tokenizer: from_description accepts its description, and throws for others") {
  CHECK(Tokenizer{2}.description() == "words-2 ngrams=2");
  CHECK(Tokenizer{2, 1}.description() == "words-1 ngrams=2");
  CHECK(Tokenizer::from_description("words-1 ngrams=3").longest_ngram == 3);
  CHECK(Tokenizer::from_description("words-1 ngrams=3").version == 1);
  CHECK(Tokenizer::from_description("words-2 ngrams=3").version == 2);
  for (const char* wrong :
       {"", "words-3 ngrams=1", "words-0 ngrams=1", "words-1 ngrams=", "words-1 ngrams=0",
        "words-1 ngrams=10", "words-1 ngrams=2 ", "words-1 ngrams=-1"}) {
    CHECK(error_text<tapegrad::ValueError>([&] { Tokenizer::from_description(wrong); }) ==
          "tokenizer: got `" + std::string(wrong) +
              "`, needed `words-1 ngrams=N` or `words-2 ngrams=N` with N from 1 to 9");
  }
}
