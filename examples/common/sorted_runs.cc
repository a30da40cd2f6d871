// A heap holds the run with the smallest key at the top. Read next: cooccurrences.cc.
#include "common/sorted_runs.h"

#include <stdlib.h>
#include <tapegrad/tensor/error.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace examples {

// TemporaryFile -----------------------------------------------------------------------------------

TemporaryFile::TemporaryFile(std::string folder, std::string program)
    : folder_(std::move(folder)), program_(std::move(program)) {
  std::string name = (folder_.empty() ? "." : folder_) + "/.tapegrad-XXXXXX";
  file_ = mkstemp(name.data());
  if (file_ < 0) fail();
  unlink(name.c_str());
}

TemporaryFile::~TemporaryFile() {
  if (file_ >= 0) close(file_);
}

TemporaryFile::TemporaryFile(TemporaryFile&& other) noexcept
    : folder_(std::move(other.folder_)),
      program_(std::move(other.program_)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_) {}

TemporaryFile& TemporaryFile::operator=(TemporaryFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(program_, other.program_);
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  return *this;
}

void TemporaryFile::fail() const {
  throw tapegrad::IoError(program_ + ": a temporary file in " + (folder_.empty() ? "." : folder_) +
                          ": " + std::strerror(errno));
}

void TemporaryFile::append(std::span<const KeyCount> entries) {
  const auto bytes = std::as_bytes(entries);
  for (std::size_t done = 0; done < bytes.size();) {
    const auto at =
        size_ * static_cast<std::int64_t>(sizeof(KeyCount)) + static_cast<std::int64_t>(done);
    const ssize_t written = pwrite(file_, bytes.data() + done, bytes.size() - done, at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail();
    done += static_cast<std::size_t>(written);
  }
  size_ += static_cast<std::int64_t>(entries.size());
}

void TemporaryFile::read(std::int64_t first, std::span<KeyCount> entries) const {
  const auto bytes = std::as_writable_bytes(entries);
  for (std::size_t done = 0; done < bytes.size();) {
    const auto at =
        first * static_cast<std::int64_t>(sizeof(KeyCount)) + static_cast<std::int64_t>(done);
    const ssize_t got = pread(file_, bytes.data() + done, bytes.size() - done, at);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;
    if (got <= 0) fail();
    done += static_cast<std::size_t>(got);
  }
}

// SortedRuns --------------------------------------------------------------------------------------

SortedRuns::SortedRuns(const std::string& folder, const std::string& program, std::int64_t memory)
    : folder_(folder), program_(program), memory_(memory), file_(folder, program) {}

void SortedRuns::add(std::span<const KeyCount> sorted) {
  if (runs_.size() == kMostRuns) {
    file_ = merge();
    runs_.push_back({.next = 0, .end = file_.size(), .block = {}});
  }
  const std::int64_t begin = file_.size();
  file_.append(sorted);
  runs_.push_back({.next = begin, .end = file_.size(), .block = {}});
}

// False at the end of the run.
bool SortedRuns::refill(Run& run, std::size_t block_size) const {
  const auto left = static_cast<std::size_t>(run.end - run.next);
  run.block.resize(std::min(left, block_size));
  run.position = 0;
  file_.read(run.next, run.block);
  run.next += static_cast<std::int64_t>(run.block.size());
  return !run.block.empty();
}

TemporaryFile SortedRuns::merge() {
  const std::size_t bytes = static_cast<std::size_t>(memory_) / (runs_.size() + 1);
  const std::size_t block_size = std::max<std::size_t>(bytes, 4096) / sizeof(KeyCount);
  std::vector<Run*> heap;
  for (Run& run : runs_) {
    if (refill(run, block_size)) heap.push_back(&run);
  }
  const auto later = [](const Run* a, const Run* b) {
    return a->block[a->position].key > b->block[b->position].key;
  };
  std::ranges::make_heap(heap, later);
  TemporaryFile merged(folder_, program_);
  std::vector<KeyCount> block;
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, later);
    Run& run = *heap.back();
    const KeyCount entry = run.block[run.position++];
    if (!block.empty() && block.back().key == entry.key) {
      block.back().count += entry.count;
    } else {
      if (block.size() == block_size) {
        merged.append(block);
        block.clear();
      }
      block.push_back(entry);
    }
    if (run.position < run.block.size() || refill(run, block_size)) {
      std::ranges::push_heap(heap, later);
    } else {
      heap.pop_back();
    }
  }
  merged.append(block);
  runs_.clear();
  return merged;
}

}  // namespace examples
