// The CSV parser: one pass over the text, field by field. Read next: nn/text/tokenizer.h.
#include <tapegrad/nn/text/csv.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include <tapegrad/nn/text/text_file.h>

namespace tapegrad::nn {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& file, char separator)
      : text_(text), file_(file), separator_(separator) {}

  bool next(CsvRow& row) {
    while (take_line_end()) continue;  // blank lines
    if (at_end()) return false;
    row = {{}, line_};
    do {
      row.fields.push_back(peek() == '"' ? quoted_field() : plain_field());
    } while (take(separator_));
    take_line_end();
    return true;
  }

 private:
  bool at_end() const { return position_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }

  bool take(char wanted) {
    if (at_end() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  bool at_line_end() const {
    return text_.substr(position_, 1) == "\n" || text_.substr(position_, 2) == "\r\n";
  }

  bool take_line_end() {
    if (!at_line_end()) return false;
    position_ += text_[position_] == '\r' ? 2 : 1;
    ++line_;
    return true;
  }

  std::string plain_field() {
    const std::size_t begin = position_;
    while (!at_end() && peek() != separator_ && !at_line_end()) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  std::string quoted_field() {
    const std::int64_t opened = line_;
    ++position_;
    std::string field;
    for (;;) {
      const std::size_t quote = text_.find('"', position_);
      if (quote == std::string_view::npos)
        throw_format_error(file_, opened, "quote is never closed");
      const std::string_view piece = text_.substr(position_, quote - position_);
      line_ += std::count(piece.begin(), piece.end(), '\n');
      field += piece;
      position_ = quote + 1;
      if (!take('"')) break;  // a doubled quote stands for one
      field += '"';
    }
    if (!at_end() && peek() != separator_ && !at_line_end()) {
      throw_format_error(file_, line_,
                         "text after a closing quote; write a quote inside a field twice");
    }
    return field;
  }

  std::string_view text_;
  const std::string& file_;
  char separator_;
  std::size_t position_ = 0;
  std::int64_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& file, char separator) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  CsvParser parser(text, file, separator);
  std::vector<CsvRow> rows;
  for (CsvRow row; parser.next(row);) rows.push_back(std::move(row));
  return rows;
}

}  // namespace tapegrad::nn
