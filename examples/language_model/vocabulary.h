// Text as ids, and back. Read next: vocabulary.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace language_model {

// The tokens that a model knows; their ids are 0 ... size() - 1.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;

  virtual std::int64_t size() const = 0;
  // The text that the vocabulary was made from.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // Another text. ValueError for a token that the vocabulary does not have.
  virtual std::vector<std::int64_t> encode_prompt(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::int64_t> ids) const = 0;
  // The token after which a sample without a prompt begins.
  virtual std::int64_t start() const = 0;
  // As UTF-8, for the file of a model.
  virtual std::string text() const = 0;
  virtual const char* unit() const = 0;  // "characters"
};

// The different code points of a text, in increasing order.
class Characters final : public Vocabulary {
 public:
  // The text is UTF-8.
  static std::unique_ptr<Characters> of(std::string_view text);
  // Reads text(). FormatError, which begins with `name`, if it is none.
  static std::unique_ptr<Characters> from_text(std::string_view text, const std::string& name);

  std::int64_t size() const override { return static_cast<std::int64_t>(characters_.size()); }
  std::vector<std::int64_t> encode(std::string_view text) const override {
    return encode_prompt(text);
  }
  std::vector<std::int64_t> encode_prompt(std::string_view text) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;
  std::int64_t start() const override;  // that of the newline if there is one, else 0
  std::string text() const override;
  const char* unit() const override { return "characters"; }

 private:
  std::vector<char32_t> characters_;  // sorted
};

}  // namespace language_model
