// System calls, of which the k-th fails. Read next: tensor/io/file_io_test.cc.
#pragma once

#include <cerrno>
#include <string>

#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad::test {

// The system calls, of which the k-th fails.
class FailingOps : public detail::FileOps {
 public:
  enum class Fault {
    kError,      // fails with errno `error`
    kInterrupt,  // fails with EINTR, before anything is done
    kShort,      // transfers half of the bytes
    kBroken,     // fails, as does every later call
  };
  FailingOps(Fault fault, int k, int error = EIO) : fault_(fault), k_(k), error_(error) {}

  int calls() const { return calls_; }
  const std::string& failed() const { return failed_; }  // the name of the call that failed

  int open(const char* path, int flags, mode_t mode) override {
    return faulty("open") ? -1 : detail::FileOps::open(path, flags, mode);
  }
  int stat(const char* path, struct stat* status) override {
    return faulty("stat") ? -1 : detail::FileOps::stat(path, status);
  }
  int fstat(int file, struct stat* status) override {
    return faulty("fstat") ? -1 : detail::FileOps::fstat(file, status);
  }
  int flock(int file, int operation) override {
    return faulty("flock") ? -1 : detail::FileOps::flock(file, operation);
  }
  int mkdir(const char* path, mode_t mode) override {
    return faulty("mkdir") ? -1 : detail::FileOps::mkdir(path, mode);
  }
  int fchmod(int file, mode_t mode) override {
    return faulty("fchmod") ? -1 : detail::FileOps::fchmod(file, mode);
  }
  ssize_t read(int file, void* to, std::size_t bytes) override {
    if (faulty("read")) {
      if (fault_ != Fault::kShort) return -1;
      bytes = (bytes + 1) / 2;
    }
    return detail::FileOps::read(file, to, bytes);
  }
  ssize_t write(int file, const void* from, std::size_t bytes) override {
    if (faulty("write")) {
      if (fault_ != Fault::kShort) return -1;
      bytes = (bytes + 1) / 2;
    }
    return detail::FileOps::write(file, from, bytes);
  }
  int fsync(int file) override { return faulty("fsync") ? -1 : detail::FileOps::fsync(file); }
  int close(int file) override {
    const int result = detail::FileOps::close(file);  // a close that fails also closes the file
    return faulty("close") ? -1 : result;
  }
  int rename(const char* from, const char* to) override {
    return faulty("rename") ? -1 : detail::FileOps::rename(from, to);
  }
  int unlink(const char* path) override {
    return faulty("unlink") ? -1 : detail::FileOps::unlink(path);
  }

 private:
  bool faulty(const std::string& call) {
    ++calls_;
    const bool moves = call == "read" || call == "write";
    if (fault_ == Fault::kShort && !moves) return false;
    if (calls_ != k_ && !(fault_ == Fault::kBroken && calls_ > k_)) return false;
    if (failed_.empty()) failed_ = call;
    errno = fault_ == Fault::kInterrupt ? EINTR : error_;
    return true;
  }

  Fault fault_;
  int k_;
  int error_;
  int calls_ = 0;
  std::string failed_;
};
}  // namespace tapegrad::test
