// Reading and replacing whole files. Read next: autograd/tape.h.
#include <tapegrad/tensor/io/file_io.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad {
namespace detail {
namespace {

[[noreturn]] void throw_io_error(const char* operation, const char* purpose,
                                 const std::string& path, int error) {
  throw IoError(std::string(operation) + ": cannot " + purpose + " " + path + ": " +
                std::generic_category().message(error));
}

// Repeats a system call that a signal has interrupted.
template <class Call>
auto retry(const Call& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

// A random file name. In the unlikely case that it exists, O_EXCL makes the save fail.
std::string random_name() {
  std::random_device random;
  char name[40];
  std::snprintf(name, sizeof name, ".tapegrad-%08x%08x.tmp", random(), random());
  return name;
}

}  // namespace

int FileOps::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
int FileOps::stat(const char* path, struct stat* status) { return ::stat(path, status); }
int FileOps::fstat(int file, struct stat* status) { return ::fstat(file, status); }
int FileOps::fchmod(int file, mode_t mode) { return ::fchmod(file, mode); }
ssize_t FileOps::read(int file, void* to, std::size_t bytes) { return ::read(file, to, bytes); }
ssize_t FileOps::write(int file, const void* from, std::size_t bytes) {
  return ::write(file, from, bytes);
}
int FileOps::fsync(int file) { return ::fsync(file); }
int FileOps::close(int file) { return ::close(file); }
int FileOps::rename(const char* from, const char* to) { return ::rename(from, to); }
int FileOps::unlink(const char* path) { return ::unlink(path); }

FileOps& system_file_ops() {
  static FileOps ops;
  return ops;
}

OpenFile::OpenFile(FileOps& ops, const std::string& path, int flags, mode_t mode,
                   const char* operation, const char* purpose, const std::string& shown_path)
    : ops_(ops), shown_path_(shown_path), operation_(operation) {
  file_ = retry([&] { return ops_.open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (file_ < 0) fail(purpose, errno);
}

OpenFile::~OpenFile() {
  if (file_ >= 0) ops_.close(file_);
}

void OpenFile::fail(const char* purpose, int error) const {
  throw_io_error(operation_, purpose, shown_path_, error);
}

// Linux moves at most 2 GiB per call.
constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;

std::size_t OpenFile::read_some(void* to, std::size_t bytes) {
  const ssize_t count =
      retry([&] { return ops_.read(file_, to, std::min(bytes, kLargestTransfer)); });
  if (count < 0) fail("read", errno);
  return static_cast<std::size_t>(count);
}

void OpenFile::read_exactly(void* to, std::size_t bytes) {
  auto* position = static_cast<std::byte*>(to);
  while (bytes > 0) {
    const std::size_t count = read_some(position, bytes);
    if (count == 0) {
      throw IoError(std::string(operation_) + ": cannot read " + shown_path_ + ": it ends " +
                    std::to_string(bytes) + " bytes early; did it change while it was read?");
    }
    position += count;
    bytes -= count;
  }
}

void OpenFile::write_all(const void* from, std::size_t bytes) {
  const auto* position = static_cast<const std::byte*>(from);
  while (bytes > 0) {
    const ssize_t count =
        retry([&] { return ops_.write(file_, position, std::min(bytes, kLargestTransfer)); });
    if (count <= 0) fail("write", count < 0 ? errno : EIO);
    position += count;
    bytes -= static_cast<std::size_t>(count);
  }
}

std::uint64_t OpenFile::regular_size() {
  struct stat status;
  if (retry([&] { return ops_.fstat(file_, &status); }) != 0) fail("read", errno);
  if (!S_ISREG(status.st_mode)) {
    throw IoError(std::string(operation_) + ": cannot read " + shown_path_ +
                  (S_ISDIR(status.st_mode) ? ": it is a folder" : ": it is not a regular file"));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

void OpenFile::set_mode(mode_t mode) {
  if (retry([&] { return ops_.fchmod(file_, mode); }) != 0) fail("keep the permissions of", errno);
}

void OpenFile::sync() {
  // EINVAL: this file system cannot sync it; some cannot sync folders.
  if (retry([&] { return ops_.fsync(file_); }) != 0 && errno != EINVAL) fail("sync", errno);
}

void OpenFile::close() {
  const int file = file_;
  file_ = -1;  // closed even after an error, also EINTR: never close it twice
  if (ops_.close(file) != 0 && errno != EINTR) fail("close", errno);
}

std::string read_file(FileOps& ops, const std::string& path, const char* operation) {
  OpenFile file(ops, path, O_RDONLY, 0, operation, "open", path);
  std::string bytes;
  std::array<char, 1 << 16> block;
  while (const std::size_t count = file.read_some(block.data(), block.size())) {
    bytes.append(block.data(), count);
  }
  return bytes;
}

namespace {

// The arguments of write_file_atomically().
struct Request {
  FileOps& ops;
  const std::string& path;
  std::span<const std::span<const std::byte>> chunks;
  const char* operation;

  void write_to(OpenFile& file) const {
    for (const std::span<const std::byte> chunk : chunks) {
      file.write_all(chunk.data(), chunk.size());
    }
  }
};

// For a device or a pipe, which cannot be replaced.
void write_in_place(const Request& request) {
  OpenFile file(request.ops, request.path, O_WRONLY, 0, request.operation, "write", request.path);
  request.write_to(file);
  file.close();
}

// Writes a new file in `folder`, with the permissions of the old one if there is one, and renames
// it to `target`. If that fails, removes the new file.
void write_and_rename(const Request& request, const std::filesystem::path& folder,
                      const std::filesystem::path& target, std::optional<mode_t> permissions) {
  const std::string partial = (folder / random_name()).string();
  OpenFile file(request.ops, partial, O_WRONLY | O_CREAT | O_EXCL, 0666, request.operation, "write",
                request.path);
  try {
    if (permissions) file.set_mode(*permissions);
    request.write_to(file);
    file.sync();
    file.close();
    if (retry([&] { return request.ops.rename(partial.c_str(), target.c_str()); }) != 0) {
      throw_io_error(request.operation, "replace", request.path, errno);
    }
  } catch (const IoError& failure) {
    if (retry([&] { return request.ops.unlink(partial.c_str()); }) == 0) throw;
    throw IoError(std::string(failure.what()) + "; " + partial + " could not be removed");
  }
}

}  // namespace

void write_file_atomically(FileOps& ops, const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation) {
  const Request request{ops, path, chunks, operation};
  struct stat old;
  const bool exists = retry([&] { return ops.stat(path.c_str(), &old); }) == 0;
  if (!exists && errno != ENOENT) throw_io_error(operation, "write", path, errno);
  if (exists && !S_ISREG(old.st_mode)) return write_in_place(request);

  std::error_code error;
  const std::filesystem::path target =
      exists ? std::filesystem::canonical(path, error) : std::filesystem::path(path);
  if (error) throw_io_error(operation, "write", path, error.value());
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  OpenFile folder(ops, parent.string(), O_RDONLY | O_DIRECTORY, 0, operation, "open the folder",
                  parent.string());
  write_and_rename(request, parent, target,
                   exists ? std::optional<mode_t>(old.st_mode & 07777) : std::nullopt);
  try {
    folder.sync();
  } catch (const IoError& failure) {
    throw IoError(std::string(failure.what()) + "; " + path +
                  " is replaced, but a power failure may undo that");
  }
}

}  // namespace detail

std::string read_file(const std::string& path, const char* operation) {
  return detail::read_file(detail::system_file_ops(), path, operation);
}

void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation) {
  detail::write_file_atomically(detail::system_file_ops(), path, chunks, operation);
}

void write_file_atomically(const std::string& path, std::string_view bytes, const char* operation) {
  const std::span<const std::byte> chunk = std::as_bytes(std::span(bytes.data(), bytes.size()));
  write_file_atomically(path, std::span(&chunk, 1), operation);
}

}  // namespace tapegrad
