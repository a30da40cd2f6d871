// Reads whole files; replaces them so that a crash leaves either the old file or the new one; and
// locks a file, so that only one process writes into a folder. The tests simulate failures of the
// system: tensor/io/file_ops.h. Read next: tensor/io/safetensors.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tapegrad {

namespace detail {
class OpenFile;
}

// Returns the bytes of a file. IoError with the path and the reason if it cannot be read, does not
// fit into memory, or is not a regular file: a pipe could make the program wait forever.
std::string read_file(const std::string& path, const char* operation = "read_file");

// Writes the chunks, one after the other, to the file at `path`, which is created or replaced. A
// reader that opens the path during the write or after a failure sees either all of the old bytes
// or all of the new ones: the new bytes are written to another file in the same folder, synced to
// the disk, and that file is renamed. On failure throws an IoError with the path and the reason,
// and the old file is unchanged. If the temporary file could not be removed, or if the file was
// replaced but the folder could not be synced, the text says so. A process that is killed leaves
// its temporary file; the next write into the same folder removes it.
//
// Follows a symbolic link, also to a file that does not exist yet, and keeps the permissions of the
// old file. A device or a pipe is written to directly. Error texts start with `operation`.
void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation = "write_file_atomically");
void write_file_atomically(const std::string& path, std::string_view bytes,
                           const char* operation = "write_file_atomically");
// The same for chunks that are made one after the other, so that they need not be in memory at
// once: `next` returns a chunk, which it may overwrite when it is called again, and an empty one at
// the end. If it throws, the old file is unchanged.
using NextChunk = std::function<std::span<const std::byte>()>;
void write_file_atomically(const std::string& path, const NextChunk& next,
                           const char* operation = "write_file_atomically");

// Creates a folder, and those in which it lies, where they do not exist yet. IoError with the path
// and the reason.
void create_folders(const std::string& path, const char* operation = "create_folders");

// A lock that at most one FileLock of all processes on this machine holds. It ends when the object
// is destroyed, and also when the process is killed.
//
//   const std::optional<FileLock> lock = FileLock::try_lock(folder + "/.lock");
//   if (!lock) ...   // another process writes into the folder
class FileLock {
 public:
  // Creates the file if it does not exist, and leaves it empty; it is never removed. Returns
  // nullopt if the lock is held. IoError if the file cannot be opened or locked.
  static std::optional<FileLock> try_lock(const std::string& path,
                                          const char* operation = "try_lock");
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  ~FileLock();

 private:
  explicit FileLock(std::unique_ptr<detail::OpenFile> file);
  std::unique_ptr<detail::OpenFile> file_;
};

}  // namespace tapegrad
