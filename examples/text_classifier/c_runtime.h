// The C code that every exported model has, in parts; a model gets those that it needs. export_c.cc
// defines the macros that they use. Read next: c_runtime.cc.
#pragma once

namespace text_classifier::c_runtime {

// The comment for users, and the headers.
extern const char* const kBegin;

// Reads characters and words as nn/text/utf8.cc and nn/text/tokenizer.cc do.
extern const char* const kReading;

// A hash of 32 bits, for compressed tables and for characters.
extern const char* const kFolded;

// Adds a row of a table that is not compressed; the rows of words and n-grams of words, and of
// character n-grams, by their hashes.
extern const char* const kPlainRows;
extern const char* const kPlainWords;
extern const char* const kPlainBuckets;

// The same for a compressed table.
extern const char* const kCompressedRows;
extern const char* const kCompressedWords;
extern const char* const kCompressedBuckets;

// Adds all words of a text and their n-grams.
extern const char* const kWords;

// Adds all character n-grams of a text.
extern const char* const kCharacters;

// classify(), and main() with CLASSIFY_MAIN.
extern const char* const kClassify;

// A logit from the sum of the rows, if the rows are not logits themselves.
extern const char* const kHeadFunction;

}  // namespace text_classifier::c_runtime
