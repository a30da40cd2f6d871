// Ratings, and the files that hold them. Read next: ratings.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace recommender {

namespace tg = tapegrad;

// The names of users, or of items. Their ids count from 0 in the order in which they were added.
class Names {
 public:
  std::int64_t size() const { return static_cast<std::int64_t>(names_.size()); }
  const std::string& name(std::int64_t id) const { return names_[static_cast<std::size_t>(id)]; }
  const std::vector<std::string>& names() const { return names_; }
  std::optional<std::int64_t> find(std::string_view name) const;
  std::int64_t add(std::string_view name);  // the id that it has already, or a new one

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int64_t> ids_;
};

// Rating i is that of users[i] for items[i].
struct Ratings {
  std::vector<std::int64_t> users;
  std::vector<std::int64_t> items;
  std::vector<float> values;

  std::int64_t size() const { return static_cast<std::int64_t>(values.size()); }
  void add(std::int64_t user, std::int64_t item, float value);
  double mean() const;  // needs a rating
};

// Calls visit(line, user, item, rating) for each line of a file in MovieLens' u.data format, `user
// TAB item TAB rating TAB timestamp`. The timestamp may be absent, and is ignored. Empty lines are
// skipped. FormatError with file and line for anything else; IoError.
using Visit = std::function<void(std::int64_t, std::string_view, std::string_view, float)>;
void for_each_rating(const std::string& path, const Visit& visit);

// Finds a rating that is in the file twice, which would be in the training and in what is held out.
class Duplicates {
 public:
  explicit Duplicates(std::string path) : path_(std::move(path)) {}
  // FormatError with file and both lines if the user has rated the item before.
  void check(std::int64_t line, std::int64_t user, std::int64_t item);

 private:
  std::string path_;
  std::unordered_map<std::uint64_t, std::int64_t> lines_;
};

// All ratings of a file, whose users and items are added to the names. ValueError if there is none.
Ratings read_ratings(const std::string& path, Names& users, Names& items);

// Reads titles from lines `item|title|...`, as in MovieLens' u.item, or `item TAB title`.
// FormatError with file and line, IoError.
std::unordered_map<std::string, std::string> read_titles(const std::string& path);

struct Split {
  Ratings train;
  Ratings held_out;
};

// Holds out this share of the ratings, drawn at random. Each user and each item keeps at least one
// rating to train on.
Split split(const Ratings& ratings, const Names& users, const Names& items, double held_out,
            tg::Generator& generator);

// Which items each user has rated: those of user u from offsets[u] to offsets[u + 1], ascending.
class Rated {
 public:
  Rated(const Ratings& ratings, std::int64_t users);
  // ValueError unless the offsets begin with 0, do not fall and end with the number of items, and
  // the items of a user ascend from 0 to below `number_of_items`.
  Rated(std::vector<std::int64_t> offsets, std::vector<std::int64_t> items,
        std::int64_t number_of_items);

  std::int64_t users() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::span<const std::int64_t> of(std::int64_t user) const;
  bool contains(std::int64_t user, std::int64_t item) const;
  void append(const Rated& more);  // the next users
  const std::vector<std::int64_t>& offsets() const { return offsets_; }
  const std::vector<std::int64_t>& items() const { return items_; }

 private:
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> items_;
};

}  // namespace recommender
