// Reads lines, and draws what is held out. Read next: generated.h.
#include "recommender/ratings.h"

#include <tapegrad/nn/text/text_file.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <utility>

#include "common/text_stream.h"

namespace recommender {
namespace {

// The fields of a line between tabs.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t end = line.find('\t');
    fields.push_back(tg::nn::trim(line.substr(0, end)));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

std::optional<float> number_of(std::string_view text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<std::int64_t> Names::find(std::string_view name) const {
  const auto found = ids_.find(std::string(name));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t Names::add(std::string_view name) {
  const auto [found, added] = ids_.emplace(name, size());
  if (added) names_.emplace_back(name);
  return found->second;
}

void Ratings::add(std::int64_t user, std::int64_t item, float value) {
  users.push_back(user);
  items.push_back(item);
  values.push_back(value);
}

double Ratings::mean() const {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(size());
}

void for_each_rating(const std::string& path, const Visit& visit) {
  examples::TextStream text(path, "recommender");
  std::int64_t number = 0;
  for (std::string_view line; text.next(line);) {
    ++number;
    if (tg::nn::trim(line).empty()) continue;
    const std::vector<std::string_view> fields = fields_of(line);
    if (fields.size() != 3 && fields.size() != 4) {
      tg::nn::throw_format_error(path, number,
                                 std::to_string(fields.size()) +
                                     " fields between tabs, needed: user, item, rating, timestamp");
    }
    if (fields[0].empty() || fields[1].empty()) {
      tg::nn::throw_format_error(path, number, "the user or the item is empty");
    }
    const std::optional<float> value = number_of(fields[2]);
    if (!value) {
      tg::nn::throw_format_error(path, number,
                                 "the rating is '" + std::string(fields[2]) + "', needed a number");
    }
    visit(number, fields[0], fields[1], *value);
  }
}

void Duplicates::check(std::int64_t line, std::int64_t user, std::int64_t item) {
  const auto key = static_cast<std::uint64_t>(user) << 32 | static_cast<std::uint64_t>(item);
  const auto [found, added] = lines_.emplace(key, line);
  if (added) return;
  tg::nn::throw_format_error(path_, line,
                             "the same user and item as in line " + std::to_string(found->second) +
                                 "; remove one of them");
}

Ratings read_ratings(const std::string& path, Names& users, Names& items) {
  Ratings ratings;
  Duplicates duplicates(path);
  for_each_rating(
      path, [&](std::int64_t line, std::string_view user, std::string_view item, float value) {
        ratings.add(users.add(user), items.add(item), value);
        duplicates.check(line, ratings.users.back(), ratings.items.back());
      });
  if (ratings.size() == 0) throw tg::ValueError(path + ": no ratings");
  return ratings;
}

std::unordered_map<std::string, std::string> read_titles(const std::string& path) {
  std::unordered_map<std::string, std::string> titles;
  examples::TextStream text(path, "recommender");
  std::int64_t number = 0;
  for (std::string_view line; text.next(line);) {
    ++number;
    if (tg::nn::trim(line).empty()) continue;
    const std::size_t end = line.find_first_of("|\t");
    if (end == std::string_view::npos) {
      tg::nn::throw_format_error(path, number, "needed: item|title, or item TAB title");
    }
    const std::string_view rest = line.substr(end + 1);
    titles.emplace(tg::nn::trim(line.substr(0, end)),
                   tg::nn::trim(rest.substr(0, rest.find_first_of("|\t"))));
  }
  return titles;
}

Split split(const Ratings& ratings, const Names& users, const Names& items, double held_out,
            tg::Generator& generator) {
  std::vector<std::int64_t> of_user(static_cast<std::size_t>(users.size()));
  std::vector<std::int64_t> of_item(static_cast<std::size_t>(items.size()));
  for (const std::int64_t user : ratings.users) ++of_user[static_cast<std::size_t>(user)];
  for (const std::int64_t item : ratings.items) ++of_item[static_cast<std::size_t>(item)];
  const std::int64_t wanted = std::llround(held_out * static_cast<double>(ratings.size()));
  std::vector<bool> is_held_out(ratings.values.size(), false);
  std::int64_t count = 0;
  const tg::Tensor order = tg::randperm(ratings.size(), generator);
  for (const std::int64_t drawn : order.span<std::int64_t>()) {
    if (count == wanted) break;
    const auto i = static_cast<std::size_t>(drawn);
    std::int64_t& left_of_user = of_user[static_cast<std::size_t>(ratings.users[i])];
    std::int64_t& left_of_item = of_item[static_cast<std::size_t>(ratings.items[i])];
    if (left_of_user == 1 || left_of_item == 1) continue;
    --left_of_user, --left_of_item;
    is_held_out[i] = true;
    ++count;
  }
  Split result;
  for (std::size_t i = 0; i < ratings.values.size(); ++i) {
    Ratings& part = is_held_out[i] ? result.held_out : result.train;
    part.add(ratings.users[i], ratings.items[i], ratings.values[i]);
  }
  return result;
}

Rated::Rated(const Ratings& ratings, std::int64_t users)
    : offsets_(static_cast<std::size_t>(users) + 1, 0), items_(ratings.items.size()) {
  for (const std::int64_t user : ratings.users) ++offsets_[static_cast<std::size_t>(user) + 1];
  std::partial_sum(offsets_.begin(), offsets_.end(), offsets_.begin());
  std::vector<std::int64_t> next(offsets_.begin(), offsets_.end() - 1);
  for (std::size_t i = 0; i < ratings.items.size(); ++i) {
    const std::int64_t at = next[static_cast<std::size_t>(ratings.users[i])]++;
    items_[static_cast<std::size_t>(at)] = ratings.items[i];
  }
  for (std::size_t user = 0; user + 1 < offsets_.size(); ++user) {
    std::sort(items_.begin() + offsets_[user], items_.begin() + offsets_[user + 1]);
  }
}

Rated::Rated(std::vector<std::int64_t> offsets, std::vector<std::int64_t> items,
             std::int64_t number_of_items)
    : offsets_(std::move(offsets)), items_(std::move(items)) {
  bool valid = !offsets_.empty() && offsets_.front() == 0 &&
               offsets_.back() == static_cast<std::int64_t>(items_.size()) &&
               std::ranges::is_sorted(offsets_);
  for (std::int64_t user = 0; valid && user < users(); ++user) {
    std::int64_t before = -1;
    for (const std::int64_t item : of(user)) {
      valid = valid && item > before && item < number_of_items;
      before = item;
    }
  }
  if (!valid) throw tg::ValueError("the lists of rated items are damaged");
}

std::span<const std::int64_t> Rated::of(std::int64_t user) const {
  const auto at = static_cast<std::size_t>(user);
  const auto begin = static_cast<std::size_t>(offsets_[at]);
  return std::span(items_).subspan(begin, static_cast<std::size_t>(offsets_[at + 1]) - begin);
}

bool Rated::contains(std::int64_t user, std::int64_t item) const {
  return user < users() && std::ranges::binary_search(of(user), item);
}

void Rated::append(const Rated& more) {
  const std::int64_t before = offsets_.back();
  for (std::size_t i = 1; i < more.offsets_.size(); ++i) {
    offsets_.push_back(before + more.offsets_[i]);
  }
  items_.insert(items_.end(), more.items_.begin(), more.items_.end());
}

}  // namespace recommender
