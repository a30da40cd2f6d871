// The system calls of file_io.cc as virtual functions, so that a test can make any one of them
// fail; and open files, with which the readers of all file formats begin. Only file_io.cc makes
// system calls for files, so for files another system needs another version of that file only.
//
// Internal. Read next: tensor/io/file_io.cc.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <tapegrad/tensor/io/file_io.h>

namespace tapegrad::detail {

// Each returns what the system call of that name returns, and sets errno.
class FileOps {
 public:
  virtual ~FileOps() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual int stat(const char* path, struct stat* status);
  virtual int fstat(int file, struct stat* status);
  virtual int fchmod(int file, mode_t mode);
  virtual int flock(int file, int operation);
  virtual int mkdir(const char* path, mode_t mode);
  virtual ssize_t read(int file, void* to, std::size_t bytes);
  virtual ssize_t write(int file, const void* from, std::size_t bytes);
  virtual int fsync(int file);
  virtual int close(int file);
  virtual int rename(const char* from, const char* to);
  virtual int unlink(const char* path);
};

// The calls that all readers and writers use: those of the system, unless a test replaces them.
FileOps& system_file_ops();

// Replaces them for all threads until it is destroyed.
class ReplacedFileOps {
 public:
  explicit ReplacedFileOps(FileOps& ops);
  ~ReplacedFileOps();
  ReplacedFileOps(const ReplacedFileOps&) = delete;
  ReplacedFileOps& operator=(const ReplacedFileOps&) = delete;

 private:
  FileOps* before_;
};

// An open file, which the destructor closes.
class OpenFile {
 public:
  // Errors are IoErrors `<operation>: cannot <purpose> <shown path>: <why>`.
  OpenFile(FileOps& ops, const std::string& path, int flags, mode_t mode, const char* operation,
           const char* purpose, const std::string& shown_path);
  // Opens a file to read it. IoError if it is not a regular file: a device may be endless, and
  // reading from a pipe may wait forever.
  OpenFile(FileOps& ops, const std::string& path, const char* operation,
           const char* text_for_folder = "it is a folder");
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  std::uint64_t size() const { return size_; }  // of a file that was opened to read it

  // Calls `function`, which reads the file. If there is not enough memory, throws an IoError with
  // the path and the size.
  template <class Function>
  auto within_memory(const Function& function) const {
    try {
      return function();
    } catch (const std::bad_alloc&) {
      fail_for_memory();
    } catch (const std::length_error&) {  // more than any string can hold
      fail_for_memory();
    }
  }

  std::size_t read_some(void* to, std::size_t bytes);   // 0 at the end of the file
  void read_exactly(void* to, std::size_t bytes);       // IoError if the file ends too early
  void write_all(const void* from, std::size_t bytes);  // repeats the call until all is written
  void set_mode(mode_t mode);
  void sync();
  void close();  // unlike the destructor, reports an error

  // Locks the file until it is closed, also because the process ends.
  enum class Lock { locked, held_by_another, not_supported };
  Lock try_lock();
  bool is_regular();
  bool is_removed();  // no folder contains it any more

 private:
  [[noreturn]] void fail(const char* purpose, int error) const;
  [[noreturn]] void fail_for_memory() const;
  struct stat status();

  FileOps& ops_;
  std::string shown_path_;
  const char* operation_;
  int file_;
  std::uint64_t size_ = 0;
};

// The names of the files that write_file_atomically() writes and then renames.
constexpr std::string_view kPartialPrefix = ".tapegrad-";
constexpr std::string_view kPartialSuffix = ".tmp";

std::string read_file(FileOps& ops, const std::string& path, const char* operation);
void write_file_atomically(FileOps& ops, const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation);
void write_file_atomically(FileOps& ops, const std::string& path, const NextChunk& next,
                           const char* operation);

}  // namespace tapegrad::detail
