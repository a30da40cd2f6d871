// Compares texts by a key without spaces at the ends and upper case. Read next: plain_text.cc.
#include "text_classifier/duplicates.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace text_classifier {
namespace {

std::string key_of(std::string_view text) {
  std::string key;
  bool space = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      space = !key.empty();
      continue;
    }
    if (space) key += ' ';
    space = false;
    key += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return key;
}

// The rows of the training texts with each key.
using RowsOf = std::unordered_map<std::string, std::vector<std::size_t>>;

RowsOf rows_by_key(const Corpus& corpus) {
  RowsOf rows;
  rows.reserve(corpus.rows.size());
  for (std::size_t i = 0; i < corpus.rows.size(); ++i) {
    rows[key_of(corpus.rows[i].text)].push_back(i);
  }
  return rows;
}

constexpr const char* kRemedy = "; --duplicates remove does not learn them\n";

std::string count_of(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " text" : " texts");
}

bool have_same_labels(const Corpus& corpus, const Row& a, const Row& b) {
  return corpus.multi_label ? a.labels == b.labels : a.label == b.label;
}

// The texts of `other` that are training texts, too.
void look_for_shared(std::ostream& out, const Corpus& train, const RowsOf& rows,
                     const Corpus& other, bool remove, std::vector<bool>& removed) {
  std::size_t shared = 0, other_label = 0;
  const Row *first = nullptr, *there = nullptr;
  for (const Row& row : other.rows) {
    const auto found = rows.find(key_of(row.text));
    if (found == rows.end()) continue;
    ++shared;
    for (const std::size_t i : found->second) removed[i] = true;
    if (first == nullptr) {
      first = &row;
      there = &train.rows[found->second.front()];
    }
    other_label += std::ranges::all_of(
        found->second, [&](std::size_t i) { return !have_same_labels(train, train.rows[i], row); });
  }
  if (shared == 0) return;
  out << "duplicates: " << count_of(shared) << " of the " << other.rows.size() << " of "
      << other.path << (shared == 1 ? " is a training text, too" : " are training texts, too");
  if (other_label > 0) out << " (" << other_label << " with another label)";
  out << ", such as " << place_of(other, *first) << " and " << place_of(train, *there) << ", `"
      << shown(first->text) << "`" << (remove ? "; removed from the training texts\n" : kRemedy);
}

// Training texts that have the text of another one, but not its label.
void look_for_contradictions(std::ostream& out, const Corpus& train, const RowsOf& rows,
                             bool remove, std::vector<bool>& removed) {
  std::size_t count = 0, places = 0;
  const Row *first = nullptr, *second = nullptr;
  for (const Row& row : train.rows) {  // in the order of the file
    const std::vector<std::size_t>& same = rows.at(key_of(row.text));
    if (&train.rows[same.front()] != &row) continue;
    const auto differs = std::ranges::find_if(
        same, [&](std::size_t i) { return !have_same_labels(train, train.rows[i], row); });
    if (differs == same.end()) continue;
    ++count;
    places += same.size();
    for (const std::size_t i : same) removed[i] = true;
    if (first != nullptr) continue;
    first = &row;
    second = &train.rows[*differs];
  }
  if (count == 0) return;
  out << "duplicates: " << count_of(count) << " of " << train.path
      << (count == 1 ? " has" : " have") << " different labels at different places (" << places
      << " lines), such as " << place_of(train, *first) << " `" << shown(first->label) << "` and "
      << place_of(train, *second) << " `" << shown(second->label) << "`, `" << shown(first->text)
      << "`" << (remove ? "; removed\n" : kRemedy);
}

}  // namespace

void tell_duplicates(std::ostream& out, Texts& texts, bool remove) {
  const RowsOf rows = rows_by_key(texts.train);
  std::vector<bool> removed(texts.train.rows.size(), false);
  for (const auto* other : {&texts.test, &texts.dev}) {
    if (*other) look_for_shared(out, texts.train, rows, **other, remove, removed);
  }
  look_for_contradictions(out, texts.train, rows, remove, removed);
  if (!remove || std::ranges::none_of(removed, [](bool each) { return each; })) return;
  tg::nn::Indices kept;
  for (std::size_t i = 0; i < removed.size(); ++i) {
    if (!removed[i]) kept.push_back(static_cast<std::int64_t>(i));
  }
  Corpus rest = subset_of(texts.train, kept);
  if (label_names(rest).size() < 2) {
    throw tg::FormatError(texts.train.path + ": after --duplicates remove, " +
                          count_of(rest.rows.size()) + " with " +
                          std::to_string(label_names(rest).size()) +
                          " different labels are left, needed two labels or more");
  }
  texts.train = std::move(rest);
}

}  // namespace text_classifier
