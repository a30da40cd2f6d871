// Names and counts decide. Read next: model.h.
#include "text_classifier/columns.h"

#include <tapegrad/nn/text/text_file.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace text_classifier {
namespace {

using tapegrad::nn::throw_format_error;
using tapegrad::nn::trim;

constexpr std::array<std::string_view, 24> kTextNames = {
    "text",     "sentence",  "review",   "message",  "question",    "comment",
    "tweet",    "content",   "body",     "headline", "title",       "v2",
    "document", "utterance", "sms",      "phrase",   "review_text", "description",
    "news",     "post",      "abstract", "query",    "sentence1",   "input"};
constexpr std::array<std::string_view, 27> kLabelNames = {
    "label",       "class",         "category", "sentiment",    "target",
    "intent",      "topic",         "v1",       "labels",       "classes",
    "class index", "polarity",      "tag",      "language",     "spam",
    "y",           "stars",         "rating",   "author",       "emotion",
    "label_text",  "category_name", "genre",    "coarse_label", "tags",
    "topics",      "categories"};
constexpr std::array<std::string_view, 12> kOtherNames = {
    "id", "idx", "index", "guid", "user", "date", "source", "split", "time", "score", "uid", ""};

std::string lowercase(std::string_view text) {
  std::string result(trim(text));
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

template <std::size_t n>
bool is_among(const std::array<std::string_view, n>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::size_t words_in(std::string_view text) {
  std::size_t words = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    words += !space && !in_word ? 1 : 0;
    in_word = !space;
  }
  return words;
}

bool is_number(std::string_view text) {
  text = trim(text);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

constexpr std::size_t kEnoughToCount = 10;  // rows

// What is known about a column, from the rows that have the usual number of fields.
struct Statistics {
  std::size_t rows = 0;
  std::size_t filled = 0;
  std::size_t numbers = 0;
  std::size_t words = 0;
  std::size_t bytes = 0;
  std::size_t known = 0;                           // labels of the model
  std::map<std::string_view, std::size_t> values;  // and how often each occurs

  double mean_words() const {
    return filled == 0 ? 0 : static_cast<double>(words) / static_cast<double>(filled);
  }
  bool is_constant() const { return values.size() <= 1; }
  // Short, and not almost all different.
  bool may_be_label() const {
    return values.size() >= 2 && mean_words() <= 4 && filled * 2 > rows &&
           (rows < kEnoughToCount || values.size() * 2 <= rows);
  }
  bool is_numeric() const { return filled > 0 && numbers == filled; }
};

// The number of fields that most rows have. If two are equally frequent, tabs rather belong to
// texts, and commas separate columns.
std::size_t usual_count(const Table& table) {
  std::map<std::size_t, std::size_t> counts;
  for (const TableRow& row : table.rows) ++counts[row.fields.size()];
  counts.erase(1);
  std::size_t usual = 1, most = 0;
  for (const auto& [count, rows] : counts) {
    if (rows > most || (rows == most && table.format != Format::kTab)) {
      usual = count;
      most = rows;
    }
  }
  return usual;
}

class Finder {
 public:
  Finder(const Table& table, const Reading& reading, const std::string& name)
      : table_(table), reading_(reading), name_(name) {
    columns_.count = usual_count(table);
    columns_.names = table.names;
  }

  Columns find() {
    if (columns_.count < 2) {
      const bool json = table_.format == Format::kJson;
      throw_format_error(name_, table_.rows.front().line,
                         json ? "one key only; expected a text and a label"
                              : std::string("no label; expected ") + expected(table_.format));
    }
    if (table_.format != Format::kJson) columns_.header = has_header();
    if (columns_.header) {
      for (const std::string& field : table_.rows.front().fields) {
        columns_.names.emplace_back(trim(field));
      }
      columns_.names.resize(columns_.count);
    }
    count_values();
    columns_.weight = weight_column();
    columns_.label = label_column();
    columns_.text = text_columns();
    return std::move(columns_);
  }

 private:
  // The first row holds names if most of its fields are known names, or if its label occurs only
  // there while all others repeat.
  bool has_header() const {
    if (reading_.header) return *reading_.header;
    if (table_.rows.empty()) return false;
    const std::vector<std::string>& fields = table_.rows.front().fields;
    std::size_t texts = 0, labels = 0, others = 0;
    for (const std::string& field : fields) {
      const std::string name = lowercase(field);
      texts += is_among(kTextNames, name) ? 1 : 0;
      labels += is_among(kLabelNames, name) ? 1 : 0;
      others += is_among(kOtherNames, name) ? 1 : 0;
    }
    if (labels > 0 && (texts > 0 || texts + labels + others == fields.size())) return true;
    if (texts > 0 && texts + labels + others == fields.size()) return true;
    if (labels > 0 && is_unlike_others(fields)) return true;
    return table_.rows.size() >= 20 && is_unlike_others(fields);
  }

  // Whether a column repeats its values everywhere but in the first row, whose fields are all
  // single words.
  bool is_unlike_others(const std::vector<std::string>& fields) const {
    for (const std::string& field : fields) {
      if (words_in(field) > 2) return false;
    }
    for (std::size_t c = 0; c < std::min(fields.size(), columns_.count); ++c) {
      std::map<std::string_view, std::size_t> counts;
      for (std::size_t r = 1; r < table_.rows.size(); ++r) {
        if (c < table_.rows[r].fields.size()) ++counts[trim(table_.rows[r].fields[c])];
      }
      if (counts.empty() || counts.contains(trim(fields[c])) || counts.size() > 50) continue;
      const bool all_repeat =
          std::ranges::all_of(counts, [](const auto& each) { return each.second >= 2; });
      if (all_repeat && counts.size() * 4 <= table_.rows.size()) return true;
    }
    return false;
  }

  void count_values() {
    statistics_.resize(columns_.count);
    const std::set<std::string_view> known(reading_.labels.begin(), reading_.labels.end());
    for (std::size_t r = columns_.header ? 1 : 0; r < table_.rows.size(); ++r) {
      const TableRow& row = table_.rows[r];
      if (row.fields.size() != columns_.count) continue;
      for (std::size_t c = 0; c < columns_.count; ++c) {
        Statistics& of = statistics_[c];
        const std::string_view field = trim(row.fields[c]);
        ++of.rows;
        if (field.empty()) continue;
        ++of.filled;
        of.numbers += is_number(field) ? 1 : 0;
        of.words += words_in(field);
        of.bytes += field.size();
        of.known += known.contains(field) ? 1 : 0;
        ++of.values[field];
      }
    }
  }

  std::optional<std::size_t> named(std::string_view wanted) const {
    for (std::size_t c = 0; c < columns_.names.size(); ++c) {
      if (columns_.names[c] == wanted) return c;
    }
    for (std::size_t c = 0; c < columns_.names.size(); ++c) {
      if (lowercase(columns_.names[c]) == lowercase(wanted)) return c;
    }
    return std::nullopt;
  }

  // The column with a name or a number from 1.
  std::optional<std::size_t> column_of(std::string_view wanted) const {
    if (const auto column = named(wanted)) return column;
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
    const bool is_column = error == std::errc() && end == wanted.data() + wanted.size() &&
                           number >= 1 && number <= columns_.count;
    return is_column ? std::optional(number - 1) : std::nullopt;
  }

  // The column that an option names.
  std::size_t asked_for(std::string_view wanted, const char* option) const {
    wanted = trim(wanted);
    if (const auto column = column_of(wanted)) return *column;
    std::string known;
    for (const std::string& each : columns_.names) known += (known.empty() ? "" : ", ") + each;
    throw_format_error(name_, table_.rows.front().line,
                       std::string(option) + ": there is no column `" + std::string(wanted) +
                           "`; there are " + std::to_string(columns_.count) +
                           (known.empty() ? ", without names" : ": " + known));
  }

  std::optional<std::size_t> weight_column() const {
    if (reading_.weight_column.empty()) return std::nullopt;
    if (reading_.needs_weights) return asked_for(reading_.weight_column, "--weight-col");
    return column_of(trim(reading_.weight_column));
  }
  // Whether a column can hold texts or labels.
  bool is_free(std::size_t c) const { return columns_.weight != c; }

  std::size_t label_column() const {
    if (!reading_.label_column.empty()) return asked_for(reading_.label_column, "--label-col");
    std::optional<std::size_t> best;
    if (!reading_.labels.empty()) {
      for (std::size_t c = 0; c < columns_.count; ++c) {
        const std::size_t known = statistics_[c].known;
        if (is_free(c) && known * 2 > statistics_[c].rows &&
            (!best || known > statistics_[*best].known))
          best = c;
      }
      if (best) return *best;
    }
    for (const std::string_view name : kLabelNames) {
      const auto column = named(name);
      if (column && is_free(*column) &&
          (!statistics_[*column].is_constant() || columns_.count == 2)) {
        return *column;
      }
    }
    return counted_label();
  }

  // The column with the fewest values, of those that may be labels. Of few rows, and of columns
  // that are equal in this, the usual place decides: the last one between tabs, the first one in a
  // CSV.
  std::size_t counted_label() const {
    const std::size_t usual = table_.format == Format::kTab ? columns_.count - 1 : 0;
    const std::optional<std::size_t> text = named_text();
    if (columns_.count == 2) {
      const std::size_t other = 1 - usual;
      if (text) return 1 - *text;
      return is_better_label(other, usual) ? other : usual;
    }
    std::optional<std::size_t> best;
    for (std::size_t c = 0; c < columns_.count; ++c) {
      if (!statistics_[c].may_be_label() || text == c || !is_free(c)) continue;
      const std::size_t values = statistics_[c].values.size();
      const std::size_t fewest = best ? statistics_[*best].values.size() : values + 1;
      if (values < fewest || (values == fewest && usual != 0)) best = c;
    }
    // One class only, or labels that do not repeat: check_trainable() refuses those.
    if (best) return *best;
    const std::size_t other = columns_.count - 1 - usual;
    return text == usual || !is_free(usual) ? other : usual;
  }

  bool is_better_label(std::size_t c, std::size_t usual) const {
    const Statistics &a = statistics_[c], &b = statistics_[usual];
    if (!a.may_be_label()) return false;
    if (a.rows >= kEnoughToCount && !b.may_be_label()) return true;
    if (a.values.size() != b.values.size()) return a.values.size() < b.values.size();
    return a.mean_words() < b.mean_words();
  }

  std::optional<std::size_t> named_text() const {
    for (const std::string_view name : kTextNames) {
      if (const auto column = named(name)) return column;
    }
    return std::nullopt;
  }

  std::vector<std::size_t> text_columns() const {
    std::vector<std::size_t> found;
    if (!reading_.text_column.empty()) {
      std::string_view rest = reading_.text_column;
      while (true) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        found.push_back(asked_for(rest.substr(0, comma), "--text-col"));
        if (comma == rest.size()) return found;
        rest.remove_prefix(comma + 1);
      }
    }
    const std::optional<std::size_t> text = named_text();
    if (text && *text != columns_.label) {
      // A title goes with its body.
      for (std::size_t c = 0; c < columns_.count; ++c) {
        const std::string name = lowercase(columns_.names[c]);
        if (c == *text || (c != columns_.label && is_free(c) && is_among(kTextNames, name) &&
                           statistics_[c].mean_words() >= 2)) {
          found.push_back(c);
        }
      }
      return found;
    }
    double most = 0;
    for (std::size_t c = 0; c < columns_.count; ++c) {
      if (c != columns_.label && is_free(c)) most = std::max(most, statistics_[c].mean_words());
    }
    for (std::size_t c = 0; c < columns_.count; ++c) {
      if (c == columns_.label || !is_free(c)) continue;
      const Statistics& of = statistics_[c];
      const bool alone = columns_.count == 2;
      const bool has_words = most < 3 ? of.mean_words() == most : of.mean_words() >= 2;
      const bool text_like = of.filled > 0 && !of.is_numeric() &&
                             (of.rows < kEnoughToCount || (!of.is_constant() && has_words));
      if (alone || text_like) found.push_back(c);
    }
    if (found.empty()) {
      throw_format_error(name_, table_.rows.front().line,
                         "no column looks like texts; name it with --text-col");
    }
    return found;
  }

  const Table& table_;
  const Reading& reading_;
  const std::string& name_;
  Columns columns_;
  std::vector<Statistics> statistics_;
};

}  // namespace

Columns find_columns(const Table& table, const Reading& reading, const std::string& name) {
  if (!has_columns(table.format)) {
    Columns columns;
    columns.text = {1};
    return columns;
  }
  return Finder(table, reading, name).find();
}

std::string field_of(const TableRow& row, const Columns& columns, std::size_t column,
                     Format format) {
  const std::size_t text = columns.text.front();
  const std::size_t more = row.fields.size() - std::min(row.fields.size(), columns.count);
  if (column != text) {
    const std::size_t place = column < text ? column : column + more;
    return place < row.fields.size() ? row.fields[place] : std::string();
  }
  std::string joined;
  const char* const separator = format == Format::kTab         ? "\t"
                                : format == Format::kBar       ? "|"
                                : format == Format::kSemicolon ? ";"
                                                               : ",";
  for (std::size_t i = column; i <= column + more && i < row.fields.size(); ++i) {
    if (i > column) joined += separator;
    joined += row.fields[i];
  }
  return joined;
}

}  // namespace text_classifier
