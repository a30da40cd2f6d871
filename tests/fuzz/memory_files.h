// Files in memory: the readers and writers use them instead of the system's, which makes a fuzzer
// many times faster. Read next: tests/fuzz/fuzzer.h.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad::test {

// While an object exists, all readers and writers see its files. Every path that is not the name of
// a file is a folder, and every folder exists.
class MemoryFiles : public detail::FileOps {
 public:
  MemoryFiles() : replaced_(*this) {}

  std::string& operator[](const std::string& path) { return files_[path]; }
  void clear() { files_.clear(); }

  int open(const char* path, int flags, mode_t) override {
    const bool folder = (flags & O_DIRECTORY) != 0;
    if (!folder && !files_.contains(path)) {
      if ((flags & O_CREAT) == 0) return fail(ENOENT);
      files_[path];
    }
    const auto free = std::ranges::find_if(open_, [](const Open& file) { return !file.used; });
    const auto number = static_cast<int>(free - open_.begin());
    if (free == open_.end()) open_.emplace_back();
    open_[static_cast<std::size_t>(number)] = {true, folder, path, 0};
    return number;
  }
  int stat(const char* path, struct stat* status) override {
    const auto found = files_.find(path);
    if (found == files_.end()) return fail(ENOENT);
    *status = {};
    status->st_mode = S_IFREG | 0644;
    status->st_nlink = 1;
    status->st_size = static_cast<off_t>(found->second.size());
    return 0;
  }
  int fstat(int file, struct stat* status) override { return stat(at(file).path.c_str(), status); }
  int fchmod(int, mode_t) override { return 0; }
  int flock(int, int) override { return 0; }
  int mkdir(const char*, mode_t) override { return 0; }
  ssize_t read(int file, void* to, std::size_t bytes) override {
    const std::string& content = files_[at(file).path];
    std::size_t& position = at(file).position;
    const std::size_t count = std::min(bytes, content.size() - position);
    if (count > 0) std::memcpy(to, content.data() + position, count);
    position += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(int file, const void* from, std::size_t bytes) override {
    files_[at(file).path].append(static_cast<const char*>(from), bytes);
    return static_cast<ssize_t>(bytes);
  }
  int fsync(int) override { return 0; }
  int close(int file) override {
    at(file).used = false;
    return 0;
  }
  int rename(const char* from, const char* to) override {
    const auto found = files_.find(from);
    if (found == files_.end()) return fail(ENOENT);
    std::string content = std::move(found->second);
    files_.erase(found);
    files_[to] = std::move(content);
    return 0;
  }
  int unlink(const char* path) override { return files_.erase(path) == 1 ? 0 : fail(ENOENT); }

 private:
  struct Open {
    bool used = false;
    bool folder = false;
    std::string path{};
    std::size_t position = 0;
  };
  Open& at(int file) { return open_[static_cast<std::size_t>(file)]; }
  static int fail(int error) {
    errno = error;
    return -1;
  }

  std::map<std::string, std::string, std::less<>> files_;
  std::vector<Open> open_;
  detail::ReplacedFileOps replaced_;
};

}  // namespace tapegrad::test
