// Replacing files when any of the system calls fails.
#include "catch.h"
#include "error_text.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/file_ops.h>

#include "tensor/failing_ops.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace fs = std::filesystem;
using tg::detail::FileOps;
using tg::test::error_text;
using tg::test::FailingOps;
using tg::test::TemporaryFolder;

namespace {

using Fault = FailingOps::Fault;

const std::string kOld = "the old bytes";
const std::string kNew = std::string(100'000, 'n') + "the new bytes";

void write(FileOps& ops, const std::string& path, const std::string& bytes) {
  const auto all = std::as_bytes(std::span(bytes));
  const std::span<const std::byte> chunks[] = {all.first(3), {}, all.subspan(3)};
  tg::detail::write_file_atomically(ops, path, chunks, "save");
}

std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), {}));
}

}  // namespace

TEST_CASE("write_file_atomically: creates and replaces files, also with no bytes") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  for (const std::string& bytes : {kOld, kNew, std::string(), std::string("\0\xFF\n", 3)}) {
    tg::write_file_atomically(path, bytes);
    CHECK(tg::read_file(path) == bytes);
    CHECK(folder.files() == 1);
  }
  const std::string long_name = folder.file(std::string(255, 'x'));  // as long as Linux allows
  tg::write_file_atomically(long_name, kOld);
  CHECK(tg::read_file(long_name) == kOld);
}

TEST_CASE("write_file_atomically: chunks that are made one after the other") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  tg::write_file_atomically(path, kOld);
  std::string chunk;
  const auto until = [&](std::size_t count, bool fails) {
    return [&chunk, count, fails, made = std::size_t{0}]() mutable {
      if (made == count && fails) throw tg::ValueError("no more");
      chunk.assign(made < count ? 1000 : 0, static_cast<char>('a' + made));  // the same memory
      ++made;
      return std::as_bytes(std::span<const char>(chunk));
    };
  };
  CHECK(error_text<tg::ValueError>([&] { tg::write_file_atomically(path, until(2, true)); }) ==
        "no more");
  CHECK(tg::read_file(path) == kOld);
  CHECK(folder.files() == 1);
  tg::write_file_atomically(path, until(3, false));
  CHECK(tg::read_file(path) ==
        std::string(1000, 'a') + std::string(1000, 'b') + std::string(1000, 'c'));
  tg::write_file_atomically(path, until(0, false));
  CHECK(tg::read_file(path).empty());
}

TEST_CASE("write_file_atomically: in the current folder") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  tg::write_file_atomically("plain", kOld);
  fs::current_path(before);
  CHECK(tg::read_file(folder.file("plain")) == kOld);
  CHECK(folder.files() == 1);
}

TEST_CASE("write_file_atomically: keeps permissions and links") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  const auto mode = [](const std::string& file) { return fs::status(file).permissions(); };
  const mode_t mask = umask(022);
  tg::write_file_atomically(path, kOld);
  CHECK(mode(path) == fs::perms(0644));
  for (const int permissions : {0600, 0666}) {
    fs::permissions(path, fs::perms(permissions));
    tg::write_file_atomically(path, kNew);
    CHECK(mode(path) == fs::perms(permissions));
  }
  umask(mask);

  fs::create_directory(folder.file("elsewhere"));
  const std::string link = folder.file("elsewhere/link");
  fs::create_symlink("../a", link);
  tg::write_file_atomically(link, kOld);
  CHECK(fs::is_symlink(link));
  CHECK(tg::read_file(path) == kOld);
}

TEST_CASE("write_file_atomically: if any call fails, the old file is the only one") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  for (const int error : {EIO, ENOSPC}) {
    int k = 1;
    for (;; ++k) {
      tg::write_file_atomically(path, kOld);
      const std::size_t files_before = open_files();
      FailingOps ops(Fault::kError, k, error);
      const std::string text = error_text<tg::IoError>([&] { write(ops, path, kNew); });
      if (ops.calls() < k) {
        CHECK(text.empty());
        break;
      }
      CAPTURE(k, ops.failed(), text);
      CHECK(open_files() == files_before);
      CHECK(folder.files() == 1);
      const std::string now = tg::read_file(path);
      if (text.find("is replaced, but a power failure may undo that") != std::string::npos) {
        CHECK(ops.failed() == "fsync");
        CHECK(now == kNew);
      } else if (text.empty()) {  // closing the folder, which no longer matters; and the lock
        CHECK((ops.failed() == "close" || ops.failed() == "flock" || ops.failed() == "fstat"));
        CHECK(now == kNew);
      } else {
        CHECK(now == kOld);
        CHECK(text.starts_with("save: cannot "));
        CHECK(text.find(folder.path()) != std::string::npos);
        CHECK(text.ends_with(error == EIO ? ": Input/output error" : ": No space left on device"));
      }
    }
    // stat, open folder and file, flock, fstat, fchmod, two writes, fsync, close, rename, fsync,
    // close.
    CHECK(k == 14);
    CHECK(tg::read_file(path) == kNew);
  }
}

TEST_CASE("write_file_atomically: if a new file fails, no file is left") {
  const TemporaryFolder folder;
  for (int k = 1; k <= 9; ++k) {     // up to the close
    if (k == 4 || k == 5) continue;  // flock and fstat: some file systems have no locks
    FailingOps ops(Fault::kError, k);
    CAPTURE(k, ops.failed());
    CHECK_THROWS_AS(write(ops, folder.file("new"), kNew), tg::IoError);
    CHECK(folder.files() == 0);
  }
}

TEST_CASE("write_file_atomically: continues after interrupted and short calls") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  for (const Fault fault : {Fault::kInterrupt, Fault::kShort}) {
    for (int k = 1;; ++k) {
      tg::write_file_atomically(path, kOld);
      FailingOps ops(fault, k);
      CAPTURE(k, ops.failed());
      CHECK_NOTHROW(write(ops, path, kNew));
      CHECK(tg::read_file(path) == kNew);
      CHECK(folder.files() == 1);
      if (ops.calls() < k) break;
    }
  }
}

TEST_CASE("write_file_atomically: reports a temporary file that cannot be removed") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  tg::write_file_atomically(path, kOld);
  FailingOps ops(Fault::kBroken, 7);
  const std::string text = error_text<tg::IoError>([&] { write(ops, path, kNew); });
  CHECK(text.starts_with("save: cannot write " + path + ": Input/output error; "));
  CHECK(text.ends_with(".tmp could not be removed"));
  CHECK(tg::read_file(path) == kOld);
}

TEST_CASE("read_file: failed, interrupted and short calls") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a");
  tg::write_file_atomically(path, kNew);
  for (const Fault fault : {Fault::kError, Fault::kInterrupt, Fault::kShort}) {
    for (int k = 1; k <= 3; ++k) {
      FailingOps ops(fault, k);
      CAPTURE(k, ops.failed());
      if (fault == Fault::kError) {
        CHECK(error_text<tg::IoError>([&] { tg::detail::read_file(ops, path, "load"); }) ==
              std::string("load: cannot ") + (k == 1 ? "open " : "read ") + path +
                  ": Input/output error");
      } else {
        CHECK(tg::detail::read_file(ops, path, "load") == kNew);
      }
    }
  }
  CHECK(error_text<tg::IoError>([&] { tg::read_file(folder.file("none")); }) ==
        "read_file: cannot open " + folder.file("none") + ": No such file or directory");
  CHECK(error_text<tg::IoError>([&] { tg::read_file(folder.path()); }) ==
        "read_file: cannot read " + folder.path() + ": Is a directory");
}

TEST_CASE("write_file_atomically: errors of the real system") {
  const TemporaryFolder folder;
  const std::string file = folder.file("file");
  tg::write_file_atomically(file, kOld);
  const auto text = [](const std::string& path) {
    return error_text<tg::IoError>([&] { tg::write_file_atomically(path, kNew); });
  };
  const std::string start = "write_file_atomically: cannot ";
  CHECK(text(file + "/below") == start + "write " + file + "/below: Not a directory");
  CHECK(text(folder.file("none/a")) ==
        start + "open the folder " + folder.file("none") + ": No such file or directory");
  CHECK(text(folder.path()) == start + "write " + folder.path() + ": Is a directory");
  CHECK(tg::read_file(file) == kOld);
  CHECK(folder.files() == 1);
}

TEST_CASE("write_file_atomically: writes to a full device without replacing it") {
  class NoRename : public FileOps {
    int rename(const char*, const char*) override { throw std::logic_error("renamed"); }
  } ops;
  CHECK(error_text<tg::IoError>([&] { write(ops, "/dev/full", kNew); }) ==
        "save: cannot write /dev/full: No space left on device");
  CHECK_NOTHROW(write(ops, "/dev/null", kNew));
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE("write_file_atomically: a limit on the file size") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  tg::write_file_atomically(path, kOld);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string text = error_text<tg::IoError>([&] { tg::write_file_atomically(path, kNew); });
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, handler);
  CHECK(text == "write_file_atomically: cannot write " + path + ": File too large");
  CHECK(tg::read_file(path) == kOld);
  CHECK(folder.files() == 1);
}

TEST_CASE("write_file_atomically: creates the file to which a dangling link leads") {
  const TemporaryFolder folder;
  fs::create_directory(folder.file("elsewhere"));
  fs::create_symlink("../b", folder.file("elsewhere/relative"));
  fs::create_symlink(folder.file("elsewhere/relative"), folder.file("absolute"));
  tg::write_file_atomically(folder.file("absolute"), kOld);
  CHECK(fs::is_symlink(folder.file("absolute")));
  CHECK(fs::is_symlink(folder.file("elsewhere/relative")));
  CHECK_FALSE(fs::is_symlink(folder.file("b")));
  CHECK(tg::read_file(folder.file("b")) == kOld);
  CHECK(folder.files() == 3);

  fs::create_symlink("none/c", folder.file("nowhere"));
  CHECK(error_text<tg::IoError>([&] { tg::write_file_atomically(folder.file("nowhere"), kOld); }) ==
        "write_file_atomically: cannot open the folder " + folder.file("none") +
            ": No such file or directory");
  fs::create_symlink("circle", folder.file("circle"));
  CHECK(error_text<tg::IoError>([&] { tg::write_file_atomically(folder.file("circle"), kOld); }) ==
        "write_file_atomically: cannot write " + folder.file("circle") +
            ": Too many levels of symbolic links");
}

TEST_CASE("write_file_atomically: removes what killed processes left, and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  for (const char* name : {".tapegrad-0123456789abcdef.tmp", ".tapegrad-1.tmp"}) {
    std::ofstream(folder.file(name)) << "a part";
  }
  const std::string others[] = {
      folder.file(".tapegrad-1"), folder.file("tapegrad-1.tmp"), folder.file(".tapegrad-pipe.tmp"),
      folder.file(".tapegrad-link.tmp"), folder.file(".tapegrad-folder.tmp")};
  std::ofstream(others[0]) << "mine";
  std::ofstream(others[1]) << "mine";
  REQUIRE(mkfifo(others[2].c_str(), 0600) == 0);
  fs::create_symlink(others[0], others[3]);
  fs::create_directory(others[4]);
  // A file that is still being written is locked.
  const std::string held = folder.file(".tapegrad-held.tmp");
  std::optional<tg::FileLock> writer = tg::FileLock::try_lock(held);
  REQUIRE(writer);

  tg::write_file_atomically(path, kNew);
  CHECK(tg::read_file(path) == kNew);
  for (const std::string& other : others) CHECK(fs::exists(fs::symlink_status(other)));
  CHECK(fs::exists(held));
  CHECK(folder.files() == 7);
  writer.reset();
  tg::write_file_atomically(path, kOld);
  CHECK_FALSE(fs::exists(held));
}

TEST_CASE("write_file_atomically: its file is removed before it is locked") {
  class Removing : public FileOps {  // as another writer does between open() and flock()
   public:
    int open(const char* path, int flags, mode_t mode) override {
      const int file = FileOps::open(path, flags, mode);
      if (std::string(path).ends_with(".tmp") && ++opened <= 3) ::unlink(path);
      return file;
    }
    int opened = 0;
  } ops;
  const TemporaryFolder folder;
  write(ops, folder.file("model"), kNew);
  CHECK(ops.opened == 4);
  CHECK(tg::read_file(folder.file("model")) == kNew);
  CHECK(folder.files() == 1);
}

TEST_CASE("create_folders: creates what is missing") {
  const TemporaryFolder folder;
  tg::create_folders(folder.file("a/b/c/"));
  CHECK(fs::is_directory(folder.file("a/b/c")));
  CHECK_NOTHROW(tg::create_folders(folder.file("a/b")));
  std::ofstream(folder.file("file")) << "text";
  CHECK(error_text<tg::IoError>([&] { tg::create_folders(folder.file("file/below")); }) ==
        "create_folders: cannot create the folder " + folder.file("file/below") +
            ": Not a directory");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  tg::create_folders("relative/d");
  tg::create_folders(".");
  fs::current_path(before);
  CHECK(fs::is_directory(folder.file("relative/d")));
}

TEST_CASE("FileLock: one holder, until it is destroyed or killed") {
  const TemporaryFolder folder;
  const std::string path = folder.file(".lock");
  std::optional<tg::FileLock> first = tg::FileLock::try_lock(path);
  REQUIRE(first);
  CHECK_FALSE(tg::FileLock::try_lock(path));
  tg::FileLock moved = *std::move(first);
  first.reset();
  CHECK_FALSE(tg::FileLock::try_lock(path));
  { const tg::FileLock last = std::move(moved); }
  CHECK(tg::FileLock::try_lock(path));
  CHECK(folder.files() == 1);

  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::optional<tg::FileLock> lock = tg::FileLock::try_lock(path);
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) == 1) pause();
    _exit(1);
  }
  char answer = 0;
  REQUIRE(read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK_FALSE(tg::FileLock::try_lock(path));
  REQUIRE(kill(child, SIGKILL) == 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(tg::FileLock::try_lock(path));
  close(ready[0]);
  close(ready[1]);

  CHECK(error_text<tg::IoError>([&] { tg::FileLock::try_lock(folder.file("none/.lock")); }) ==
        "try_lock: cannot open " + folder.file("none/.lock") + ": No such file or directory");
}

TEST_CASE("write_file_atomically: the process is killed at any moment") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  const std::string contents[] = {std::string(300'000, 'a'), std::string(300'000, 'b')};
  tg::write_file_atomically(path, contents[0]);
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        for (std::size_t i = 0;; ++i) tg::write_file_atomically(path, contents[i % 2]);
      } catch (...) {
        _exit(1);
      }
    }
    REQUIRE(child > 0);
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + 1700 * round));
    REQUIRE(kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));  // it was still writing
    const std::string now = tg::read_file(path);
    CHECK((now == contents[0] || now == contents[1]));
  }
  tg::write_file_atomically(path, contents[0]);
  CHECK(folder.files() == 1);  // whatever the eight have left
}
