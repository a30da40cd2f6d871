// The system calls of file_io.cc as virtual functions, so that a test can make any one of them
// fail.
//
// Internal. Read next: tensor/io/file_io.cc.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tapegrad::detail {

// Each returns what the system call of that name returns, and sets errno.
class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual int stat(const char* path, struct stat* status);
  virtual int fstat(int file, struct stat* status);
  virtual int fchmod(int file, mode_t mode);
  virtual ssize_t read(int file, void* to, std::size_t bytes);
  virtual ssize_t write(int file, const void* from, std::size_t bytes);
  virtual int fsync(int file);
  virtual int close(int file);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
};

FileOps& system_file_ops();

// An open file, which the destructor closes.
class OpenFile {
 public:
  // Errors are IoErrors `<operation>: cannot <purpose> <shown path>: <why>`.
  OpenFile(FileOps& ops, const std::string& path, int flags, mode_t mode, const char* operation,
           const char* purpose, const std::string& shown_path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  std::size_t read_some(void* to, std::size_t bytes);   // 0 at the end of the file
  void read_exactly(void* to, std::size_t bytes);       // IoError if the file ends too early
  void write_all(const void* from, std::size_t bytes);  // repeats the call until all is written
  std::uint64_t regular_size();                         // IoError if it is not a regular file
  void set_mode(mode_t mode);
  void sync();
  void close();  // unlike the destructor, reports an error

 private:
  [[noreturn]] void fail(const char* purpose, int error) const;

  FileOps& ops_;
  std::string shown_path_;
  const char* operation_;
  int file_;
};

std::string read_file(FileOps& ops, const std::string& path, const char* operation);
void write_file_atomically(FileOps& ops, const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation);

}  // namespace tapegrad::detail
