// Reading and replacing whole files, and locks, with the calls of POSIX. Read next:
// autograd/tape.h.
#include <tapegrad/tensor/io/file_io.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

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

std::string random_name() {
  std::random_device random;
  char digits[20];
  std::snprintf(digits, sizeof digits, "%08x%08x", random(), random());
  return std::string(kPartialPrefix) + digits + std::string(kPartialSuffix);
}

FileOps real_ops;
std::atomic<FileOps*> ops_in_use = &real_ops;

}  // namespace

int FileOps::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
int FileOps::stat(const char* path, struct stat* status) { return ::stat(path, status); }
int FileOps::fstat(int file, struct stat* status) { return ::fstat(file, status); }
int FileOps::fchmod(int file, mode_t mode) { return ::fchmod(file, mode); }
int FileOps::flock(int file, int operation) { return ::flock(file, operation); }
int FileOps::mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }
ssize_t FileOps::read(int file, void* to, std::size_t bytes) { return ::read(file, to, bytes); }
ssize_t FileOps::write(int file, const void* from, std::size_t bytes) {
  return ::write(file, from, bytes);
}
int FileOps::fsync(int file) { return ::fsync(file); }
int FileOps::close(int file) { return ::close(file); }
int FileOps::rename(const char* from, const char* to) { return ::rename(from, to); }
int FileOps::unlink(const char* path) { return ::unlink(path); }

FileOps& system_file_ops() { return *ops_in_use; }

ReplacedFileOps::ReplacedFileOps(FileOps& ops) : before_(ops_in_use.exchange(&ops)) {}
ReplacedFileOps::~ReplacedFileOps() { ops_in_use = before_; }

OpenFile::OpenFile(FileOps& ops, const std::string& path, int flags, mode_t mode,
                   const char* operation, const char* purpose, const std::string& shown_path)
    : ops_(ops), shown_path_(shown_path), operation_(operation) {
  file_ = retry([&] { return ops_.open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (file_ < 0) fail(purpose, errno);
}

// O_NONBLOCK, because opening a pipe would wait for a writer.
OpenFile::OpenFile(FileOps& ops, const std::string& path, const char* operation,
                   const char* text_for_folder)
    : OpenFile(ops, path, O_RDONLY | O_NONBLOCK, 0, operation, "open", path) {
  const struct stat status = this->status();
  if (!S_ISREG(status.st_mode)) {
    throw IoError(std::string(operation) + ": cannot read " + path + ": " +
                  (S_ISDIR(status.st_mode) ? text_for_folder : "it is not a regular file"));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
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

struct stat OpenFile::status() {
  struct stat status;
  if (retry([&] { return ops_.fstat(file_, &status); }) != 0) fail("read", errno);
  return status;
}

bool OpenFile::is_regular() { return S_ISREG(status().st_mode); }
bool OpenFile::is_removed() { return status().st_nlink == 0; }

OpenFile::Lock OpenFile::try_lock() {
  if (retry([&] { return ops_.flock(file_, LOCK_EX | LOCK_NB); }) == 0) return Lock::locked;
  return errno == EWOULDBLOCK ? Lock::held_by_another : Lock::not_supported;
}

void OpenFile::fail_for_memory() const {
  throw IoError(std::string(operation_) + ": cannot read " + shown_path_ +
                ": there is not enough memory for its " + std::to_string(size_) + " bytes");
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
  OpenFile file(ops, path, operation, "Is a directory");
  return file.within_memory([&] {
    std::string bytes;
    bytes.reserve(file.size());  // fails at once, rather than after gigabytes, if it is too large
    std::array<char, 1 << 16> block;
    // To the end, wherever that is: some files of the system say that they have 0 bytes.
    while (const std::size_t count = file.read_some(block.data(), block.size())) {
      bytes.append(block.data(), count);
    }
    return bytes;
  });
}

namespace {

// The arguments of write_file_atomically().
struct Request {
  FileOps& ops;
  const std::string& path;
  const NextChunk& next;
  const char* operation;

  void write_to(OpenFile& file) const {
    for (auto chunk = next(); !chunk.empty(); chunk = next()) {
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

// Removes the files that killed processes have left in the folder. A file that is still being
// written is locked. This is a favor to the user, so errors are ignored.
void remove_partial_files(FileOps& ops, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPartialPrefix) || !name.ends_with(kPartialSuffix)) continue;
    const std::string path = entry->path().string();
    try {
      OpenFile file(ops, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, 0, "", "open", path);
      if (file.is_regular() && file.try_lock() == OpenFile::Lock::locked) ops.unlink(path.c_str());
    } catch (const IoError&) {
      continue;
    }
  }
}

// A new file in a folder, locked if the file system has locks.
class PartialFile {
 public:
  PartialFile(const Request& request, const std::filesystem::path& folder) {
    // Another process may see the file before it is locked, and remove it. Then another is created.
    for (int attempt = 0;; ++attempt) {
      path_ = (folder / random_name()).string();
      file_.emplace(request.ops, path_, O_WRONLY | O_CREAT | O_EXCL, 0666, request.operation,
                    "write", request.path);
      const OpenFile::Lock lock = file_->try_lock();
      if (lock == OpenFile::Lock::not_supported || attempt == 100) return;
      if (lock == OpenFile::Lock::locked && !was_removed()) return;
    }
  }

  OpenFile& file() { return *file_; }
  const std::string& path() const { return path_; }

 private:
  bool was_removed() {
    try {
      return file_->is_removed();
    } catch (const IoError&) {
      return false;  // if it is, renaming it fails
    }
  }

  std::string path_;
  std::optional<OpenFile> file_;
};

// Writes a new file in `folder`, with the permissions of the old one if there is one, and renames
// it to `target`. If that fails, removes the new file.
void write_and_rename(const Request& request, const std::filesystem::path& folder,
                      const std::filesystem::path& target, std::optional<mode_t> permissions) {
  PartialFile partial_file(request, folder);
  OpenFile& file = partial_file.file();
  const std::string& partial = partial_file.path();
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
  } catch (...) {  // from the maker of the chunks
    retry([&] { return request.ops.unlink(partial.c_str()); });
    throw;
  }
}

// The path to which symbolic links lead, whether or not a file exists there.
std::filesystem::path followed(std::filesystem::path path, const Request& request) {
  constexpr int kMostLinks = 40;  // as Linux allows
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    if (!std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) return path;
    const std::filesystem::path next = std::filesystem::read_symlink(path, error);
    if (error) throw_io_error(request.operation, "write", request.path, error.value());
    path = path.parent_path() / next;  // `next` alone if it is absolute
  }
  throw_io_error(request.operation, "write", request.path, ELOOP);
}

}  // namespace

void write_file_atomically(FileOps& ops, const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation) {
  const auto next = [&]() -> std::span<const std::byte> {
    while (!chunks.empty() && chunks.front().empty()) chunks = chunks.subspan(1);
    if (chunks.empty()) return {};
    const std::span<const std::byte> chunk = chunks.front();
    chunks = chunks.subspan(1);
    return chunk;
  };
  write_file_atomically(ops, path, next, operation);
}

void write_file_atomically(FileOps& ops, const std::string& path, const NextChunk& next,
                           const char* operation) {
  const Request request{ops, path, next, operation};
  struct stat old;
  const bool exists = retry([&] { return ops.stat(path.c_str(), &old); }) == 0;
  if (!exists && errno != ENOENT) throw_io_error(operation, "write", path, errno);
  if (exists && !S_ISREG(old.st_mode)) return write_in_place(request);

  const std::filesystem::path target = followed(path, request);
  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  OpenFile folder(ops, parent.string(), O_RDONLY | O_DIRECTORY, 0, operation, "open the folder",
                  parent.string());
  remove_partial_files(ops, parent);
  write_and_rename(request, parent, target,
                   exists ? std::optional<mode_t>(old.st_mode & 07777) : std::nullopt);
  try {
    folder.sync();
  } catch (const IoError& failure) {
    throw IoError(std::string(failure.what()) + "; " + path +
                  " is replaced, but a power failure may undo that");
  }
}

namespace {

void sync_folder(FileOps& ops, const std::filesystem::path& folder, const char* operation) {
  const std::string path = folder.empty() ? "." : folder.string();
  OpenFile(ops, path, O_RDONLY | O_DIRECTORY, 0, operation, "open the folder", path).sync();
}

}  // namespace
}  // namespace detail

void create_folders(const std::string& path, const char* operation) {
  detail::FileOps& ops = detail::system_file_ops();
  std::filesystem::path made;
  for (const std::filesystem::path& part : std::filesystem::path(path)) {
    made /= part;
    const std::string folder = made.string();
    if (ops.mkdir(folder.c_str(), 0777) == 0) {
      detail::sync_folder(ops, made.parent_path(), operation);
      continue;
    }
    const int error = errno;  // EEXIST in most cases, but EROFS or EACCES are possible too
    struct stat status;
    if (ops.stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    detail::throw_io_error(operation, "create the folder", path, error == EEXIST ? ENOTDIR : error);
  }
}

FileLock::FileLock(std::unique_ptr<detail::OpenFile> file) : file_(std::move(file)) {}
FileLock::FileLock(FileLock&&) noexcept = default;
FileLock& FileLock::operator=(FileLock&&) noexcept = default;
FileLock::~FileLock() = default;

std::optional<FileLock> FileLock::try_lock(const std::string& path, const char* operation) {
  auto file = std::make_unique<detail::OpenFile>(detail::system_file_ops(), path,
                                                 O_RDWR | O_CREAT | O_NONBLOCK, 0666, operation,
                                                 "open", path);
  const detail::OpenFile::Lock lock = file->try_lock();
  if (lock == detail::OpenFile::Lock::not_supported) {
    detail::throw_io_error(operation, "lock", path, errno);
  }
  if (lock == detail::OpenFile::Lock::held_by_another) return std::nullopt;
  return FileLock(std::move(file));
}

std::string read_file(const std::string& path, const char* operation) {
  return detail::read_file(detail::system_file_ops(), path, operation);
}

void write_file_atomically(const std::string& path,
                           std::span<const std::span<const std::byte>> chunks,
                           const char* operation) {
  detail::write_file_atomically(detail::system_file_ops(), path, chunks, operation);
}

void write_file_atomically(const std::string& path, const NextChunk& next, const char* operation) {
  detail::write_file_atomically(detail::system_file_ops(), path, next, operation);
}

void write_file_atomically(const std::string& path, std::string_view bytes, const char* operation) {
  const std::span<const std::byte> chunk = std::as_bytes(std::span(bytes.data(), bytes.size()));
  write_file_atomically(path, std::span(&chunk, 1), operation);
}

}  // namespace tapegrad
