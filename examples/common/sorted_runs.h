// Sums of counts by key, for more keys than the memory holds: sorted runs in a temporary file, and
// their merge. Read next: sorted_runs.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace examples {

struct KeyCount {
  std::uint64_t key = 0;
  std::uint64_t count = 0;
};

// A file without a name: the system frees it when the object is destroyed, and also when the
// program is killed.
class TemporaryFile {
 public:
  // IoError, which begins with `program`, if it cannot be created in this folder.
  TemporaryFile(std::string folder, std::string program);
  ~TemporaryFile();
  TemporaryFile(TemporaryFile&&) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) noexcept;

  // IoError if the disk is full, for example; the text names the folder.
  void append(std::span<const KeyCount> entries);
  // Reads entries.size() entries from position `first`, which all were appended.
  void read(std::int64_t first, std::span<KeyCount> entries) const;
  std::int64_t size() const { return size_; }  // entries

 private:
  [[noreturn]] void fail() const;

  std::string folder_;
  std::string program_;
  int file_ = -1;
  std::int64_t size_ = 0;
};

// Runs, each sorted by its keys. merge() adds up the counts of equal keys. The result is that of
// one sorted list of all entries, however they were divided into runs.
class SortedRuns {
 public:
  // Merging reads with `memory` bytes, or 4 KiB for each run if that is more.
  SortedRuns(const std::string& folder, const std::string& program, std::int64_t memory);

  // `sorted` has ascending keys, each once. When kMostRuns runs have come together, they are merged
  // into one.
  void add(std::span<const KeyCount> sorted);
  // The sums in ascending order of their keys. Removes the runs.
  TemporaryFile merge();

  static constexpr std::size_t kMostRuns = 256;

 private:
  struct Run {
    std::int64_t next = 0;  // in file_
    std::int64_t end = 0;
    std::vector<KeyCount> block;
    std::size_t position = 0;  // in block
  };
  bool refill(Run& run, std::size_t block_size) const;

  std::string folder_;
  std::string program_;
  std::int64_t memory_;
  TemporaryFile file_;
  std::vector<Run> runs_;
};

}  // namespace examples
