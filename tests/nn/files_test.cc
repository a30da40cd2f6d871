// What all readers and all writers of files promise: a failure at any moment leaves the old file or
// the new one and nothing else, no reader waits for a pipe, and memory is bounded by the size of
// the file. docs/reliability.md names these tests. Read next: tests/tensor/io/file_io_test.cc.
#include "catch.h"

#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tapegrad/tapegrad.h>

#include "child.h"
#include "error_text.h"
#include "sanitized.h"
#include "tensor/crash_states.h"
#include "tensor/failing_ops.h"
#include "tensor/temporary_folder.h"

namespace tg = tapegrad;
namespace fs = std::filesystem;
using tg::detail::ReplacedFileOps;
using tg::test::CrashRecorder;
using tg::test::DiskState;
using tg::test::error_text;
using tg::test::FailingOps;
using tg::test::limit_memory;
using tg::test::TemporaryFolder;
using tg::test::text_in_child;
using Fault = FailingOps::Fault;

namespace {

// Writes a file whose content depends on `version`.
struct FileWriter {
  const char* name;
  std::function<void(const std::string& path, int version)> write;
};

std::vector<FileWriter> writers() {
  const auto tensor = [](int version) { return tg::full({300}, version); };
  const auto vectors = [](int version) {
    return tg::nn::WordVectors({"who", "where"}, tg::full({2, 3}, 0.5 + version));
  };
  const auto save_vectors = [vectors](tg::nn::WordVectorsFormat format) {
    return [vectors, format](const std::string& path, int version) {
      tg::nn::save_word_vectors(path, vectors(version), format);
    };
  };
  return {
      {"write_file_atomically",
       [](const std::string& path, int version) {
         tg::write_file_atomically(path, std::string(5000, static_cast<char>('a' + version)));
       }},
      {"save",
       [=](const std::string& path, int version) {
         tg::save(path, {{"w", tensor(version)}}, {{"note", "text"}});
       }},
      {"save_npy",
       [=](const std::string& path, int version) { tg::save_npy(path, tensor(version)); }},
      {"save_npz",
       [=](const std::string& path, int version) {
         tg::save_npz(path, {{"w", tensor(version)}});
       }},
      {"save_checkpoint",
       [](const std::string& path, int version) {
         const std::int64_t step = version;
         tg::save_checkpoint(path, step);
       }},
      {"Vocabulary::save",
       [](const std::string& path, int version) {
         const std::vector<std::vector<std::string>> texts = {{"w" + std::to_string(version)}};
         tg::nn::Vocabulary::build(texts).save(path);
       }},
      {"save_word_vectors, text", save_vectors(tg::nn::WordVectorsFormat::word2vec_text)},
      {"save_word_vectors, binary", save_vectors(tg::nn::WordVectorsFormat::word2vec_binary)},
      {"save_word_vectors, GloVe", save_vectors(tg::nn::WordVectorsFormat::glove_text)},
      {"OnnxGraph::save",
       [=](const std::string& path, int version) {
         tg::nn::OnnxGraph graph("g");
         graph.output("y", graph.constant(tensor(version)), {300});
         graph.save(path);
       }},
  };
}

// Reads a file and uses nothing of it.
struct FileReader {
  const char* name;
  std::function<void(const std::string& path)> read;
};

std::vector<FileReader> readers() {
  const auto vectors = [] { return tg::nn::WordVectors({"who"}, tg::ones({1, 3})); };
  return {
      {"read_file", [](const std::string& path) { tg::read_file(path); }},
      {"load", [](const std::string& path) { tg::load(path); }},
      {"load_with_metadata", [](const std::string& path) { tg::load_with_metadata(path); }},
      {"load_checkpoint",
       [](const std::string& path) {
         std::int64_t step = 0;
         tg::load_checkpoint(path, step);
       }},
      {"load_npy", [](const std::string& path) { tg::load_npy(path); }},
      {"load_npz", [](const std::string& path) { tg::load_npz(path); }},
      {"read_text", [](const std::string& path) { tg::nn::read_text(path); }},
      {"Vocabulary::load", [](const std::string& path) { tg::nn::Vocabulary::load(path); }},
      {"load_word_vectors", [](const std::string& path) { tg::nn::load_word_vectors(path); }},
      {"load_word_vectors, binary",
       [](const std::string& path) {
         tg::nn::load_word_vectors(path, {.format = tg::nn::WordVectorsFormat::word2vec_binary});
       }},
      {"evaluate_similarity",
       [=](const std::string& path) { tg::nn::evaluate_similarity(vectors(), path); }},
      {"evaluate_analogies",
       [=](const std::string& path) { tg::nn::evaluate_analogies(vectors(), path); }},
  };
}

std::string bytes_of(const FileWriter& writer, const TemporaryFolder& folder, int version) {
  const std::string path = folder.file("expected");
  writer.write(path, version);
  const std::string bytes = tg::read_file(path);
  fs::remove(path);
  return bytes;
}

}  // namespace

TEST_CASE("every writer: if any call fails, the old file or the new one is the only one") {
  for (const FileWriter& writer : writers()) {
    const TemporaryFolder folder;
    const std::string path = folder.file("file");
    const std::string before = bytes_of(writer, folder, 0);
    const std::string after = bytes_of(writer, folder, 1);
    REQUIRE(before != after);
    for (const Fault fault : {Fault::kError, Fault::kShort}) {
      for (int k = 1;; ++k) {
        std::ofstream(path, std::ios::binary) << before;
        FailingOps ops(fault, k, ENOSPC);
        std::string text;
        {
          const ReplacedFileOps replaced(ops);
          text = error_text<tg::IoError>([&] { writer.write(path, 1); });
        }
        CAPTURE(writer.name, k, ops.failed(), text);
        const std::string now = tg::read_file(path);
        CHECK(folder.files() == 1);
        if (text.empty() || text.find("is replaced, but") != std::string::npos) {
          CHECK(now == after);
        } else {
          CHECK(fault == Fault::kError);
          CHECK(now == before);
          CHECK(text.find(folder.path()) != std::string::npos);
        }
        if (ops.calls() < k) break;
        REQUIRE(k < 100);
      }
    }
  }
}

namespace {

struct CrashCount {
  int states = 0;
  int broken = 0;  // neither the old nor the new file
  int lost = 0;    // the old file, although the writer has returned
};

// All states of the disk during and after a write.
CrashCount crash(const FileWriter& writer, bool old_file, CrashRecorder::Syncs syncs) {
  const TemporaryFolder folder;
  const std::string path = folder.file("file");
  const std::string before = bytes_of(writer, folder, 0);
  const std::string after = bytes_of(writer, folder, 1);
  if (old_file) std::ofstream(path, std::ios::binary) << before;
  CrashRecorder recorder(folder.path(), syncs);
  {
    const ReplacedFileOps replaced(recorder);
    writer.write(path, 1);
  }
  CrashCount count;
  for (std::size_t k = 0; k <= recorder.calls(); ++k) {
    for (const DiskState& state : recorder.states(k)) {
      ++count.states;
      const auto found = state.find("file");
      const bool is_old =
          old_file ? found != state.end() && found->second == before : found == state.end();
      const bool is_new = found != state.end() && found->second == after;
      if (!is_old && !is_new) ++count.broken;
      if (!is_new && k == recorder.calls()) ++count.lost;
    }
  }
  return count;
}

}  // namespace

TEST_CASE("every writer: after a power failure the file is the old one or the new one") {
  using Syncs = CrashRecorder::Syncs;
  int states = 0;
  for (const FileWriter& writer : writers()) {
    for (const bool old_file : {false, true}) {
      CAPTURE(writer.name, old_file);
      const CrashCount count = crash(writer, old_file, Syncs::all);
      states += count.states;
      CHECK(count.broken == 0);
      CHECK(count.lost == 0);
      // The test would find a writer that forgets to sync the file, or the folder.
      CHECK(crash(writer, old_file, Syncs::only_folders).broken > 0);
      CHECK(crash(writer, old_file, Syncs::only_files).lost > 0);
    }
  }
  CAPTURE(states);
  CHECK(states > 100);
}

TEST_CASE("every writer: full disks, limits, and folders that cannot be written") {
  for (const FileWriter& writer : writers()) {
    CAPTURE(writer.name);
    const TemporaryFolder folder;
    const std::string path = folder.file("file");
    const std::string before = bytes_of(writer, folder, 0);
    writer.write(path, 0);

    CHECK(error_text<tg::IoError>([&] {
            writer.write("/dev/full", 1);
          }).ends_with("/dev/full: No space left on device"));
    CHECK(text_in_child([&] {
            signal(SIGXFSZ, SIG_IGN);
            const rlimit small{.rlim_cur = 10, .rlim_max = 10};
            setrlimit(RLIMIT_FSIZE, &small);
            writer.write(path, 1);
            return "written";
          }).ends_with(path + ": File too large"));
    CHECK(tg::read_file(path) == before);
    CHECK(folder.files() == 1);

    CHECK(error_text<tg::IoError>([&] {
            writer.write(path + "/below", 1);
          }).ends_with(path + "/below: Not a directory"));
    CHECK_THROWS_AS(writer.write(folder.file("none/file"), 1), tg::IoError);

    // Root may write everywhere, so the child becomes another user.
    const bool root = geteuid() == 0;
    constexpr uid_t kNobody = 65534;
    if (root) REQUIRE(chown(folder.path().c_str(), kNobody, kNobody) == 0);
    if (root) REQUIRE(chown(path.c_str(), kNobody, kNobody) == 0);
    fs::permissions(folder.path(), fs::perms(0555));
    CHECK(text_in_child([&] {
            if (root && (setgroups(0, nullptr) != 0 || setuid(kNobody) != 0)) _exit(3);
            writer.write(path, 1);
            return "written";
          }).ends_with(path + ": Permission denied"));
    fs::permissions(folder.path(), fs::perms(0755));
    CHECK(tg::read_file(path) == before);
    CHECK(folder.files() == 1);
  }
}

TEST_CASE("every writer: follows links, also to a file that does not exist yet") {
  for (const FileWriter& writer : writers()) {
    CAPTURE(writer.name);
    const TemporaryFolder folder;
    fs::create_directory(folder.file("elsewhere"));
    fs::create_symlink("elsewhere/file", folder.file("link"));
    for (int version = 0; version < 2; ++version) {  // the first creates the file
      writer.write(folder.file("link"), version);
      CHECK(fs::is_symlink(folder.file("link")));
      CHECK_FALSE(fs::is_symlink(folder.file("elsewhere/file")));
      CHECK(tg::read_file(folder.file("elsewhere/file")) == bytes_of(writer, folder, version));
    }
  }
}

// TAPEGRAD_KILLS=2000 kills more often.
TEST_CASE("every writer: killed at any moment") {
  const char* const wanted = std::getenv("TAPEGRAD_KILLS");
  const std::size_t kills = wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 60;
  const std::vector<FileWriter> all = writers();
  const TemporaryFolder folder, other;
  std::vector<std::string> versions[2];
  for (const FileWriter& writer : all) {
    for (int version = 0; version < 2; ++version) {
      versions[version].push_back(bytes_of(writer, other, version));
    }
  }
  const auto path = [&](std::size_t i) { return folder.file(std::to_string(i)); };
  for (std::size_t i = 0; i < all.size(); ++i) all[i].write(path(i), 0);
  for (std::size_t round = 0; round < kills; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (int version = 1;; version = 1 - version) {
        for (std::size_t i = 0; i < all.size(); ++i) all[i].write(path(i), version);
      }
    }
    REQUIRE(child > 0);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + round * 7919 % 20'000));
    REQUIRE(kill(child, SIGKILL) == 0);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    CAPTURE(round);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::string now = tg::read_file(path(i));
      CHECK((now == versions[0][i] || now == versions[1][i]));
    }
    CHECK(folder.files() <= all.size() + 1);  // litter does not pile up
  }
  all[0].write(path(0), 0);
  CHECK(folder.files() == all.size());
}

TEST_CASE("every reader: refuses what is not a file, and does not wait for a pipe") {
  const TemporaryFolder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  for (const FileReader& reader : readers()) {
    CAPTURE(reader.name);
    const auto text = [&](const std::string& path) {
      return text_in_child([&] {
        reader.read(path);
        return "read";
      });
    };
    CHECK(text(pipe).ends_with(": cannot read " + pipe + ": it is not a regular file"));
    CHECK(text("/dev/zero").ends_with(": cannot read /dev/zero: it is not a regular file"));
    CHECK(text(folder.path()).find(": cannot read " + folder.path() + ": ") != std::string::npos);
    CHECK(text(folder.file("none"))
              .ends_with(": cannot open " + folder.file("none") + ": No such file or directory"));
  }
}

TEST_CASE("every reader: the error of a call that fails names the file") {
  const TemporaryFolder folder;
  const std::string path = folder.file("file");
  std::ofstream(path) << "some text\n";
  for (const FileReader& reader : readers()) {
    for (int k = 1;; ++k) {
      FailingOps ops(Fault::kError, k);
      const ReplacedFileOps replaced(ops);
      const std::string text = error_text<tg::Error>([&] { reader.read(path); });
      CAPTURE(reader.name, k, ops.failed(), text);
      if (ops.calls() < k) break;
      if (ops.failed() == "close") continue;
      CHECK(text.find(path) != std::string::npos);
      CHECK(text.find("Input/output error") != std::string::npos);
    }
  }
}

#ifndef SANITIZED
TEST_CASE("every reader: a file of 1 TB gives an error with its name") {
  const TemporaryFolder folder;
  constexpr off_t kTerabyte = off_t{1} << 40;
  // The starts that announce that all of it belongs to one array, and nothing at all.
  const std::string length = std::to_string((std::uint64_t{1} << 40) - 128);
  std::string npy = "{'descr': '|u1', 'fortran_order': False, 'shape': (" + length + ",), }";
  npy.resize(117, ' ');
  const std::string header = R"({"w":{"dtype":"U8","shape":[)" +
                             std::to_string(kTerabyte - 8 - 100) + R"(],"data_offsets":[0,)" +
                             std::to_string(kTerabyte - 8 - 100) + "]}}";
  std::string tensors = std::string("d\0\0\0\0\0\0\0", 8) + header;
  tensors.resize(108, ' ');
  const std::string starts[] = {"", "\x93NUMPY\x01" + std::string("\0v\0", 3) + npy + "\n", tensors,
                                "68719476735 3\n",
                                "tapegrad vocabulary 1; words-1; 68719476735 tokens\n"};
  for (const std::string& start : starts) {
    const std::string path = folder.file("large");
    std::ofstream(path, std::ios::binary) << start;
    if (truncate(path.c_str(), kTerabyte) != 0) return;  // the file system has no such files
    for (const FileReader& reader : readers()) {
      const std::string text = text_in_child([&] {
        limit_memory(std::size_t{1} << 30);
        reader.read(path);
        return "read";
      });
      CAPTURE(reader.name, start, text);
      CHECK(text.find(path) != std::string::npos);
    }
  }
}

TEST_CASE("every reader: a small file does not take more memory than its size justifies") {
  // Each announces far more than it holds, or holds as much structure as its size permits.
  std::vector<std::string> files = {
      "{\"w\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]}}",
      "\x93NUMPY\x01" + std::string("\0v\0", 3) +
          "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }" +
          std::string(48, ' ') + "\n",
      "4611686018427387904 4611686018427387904\nwho 1 2\n",
      "2 4611686018427387904\nwho 1 2\n",
      "4611686018427387904 2\nwho 1 2\n",
      "tapegrad vocabulary 1; words-1; 9223372036854775807 tokens\n<pad>\n<unk>\n",
  };
  for (std::string& file : files) {
    if (!file.starts_with('{')) continue;
    const std::uint64_t length = file.size();
    file.insert(0, std::string(reinterpret_cast<const char*>(&length), sizeof length));
    file += std::string(4, '\0');
  }
  std::string tokens = "tapegrad vocabulary 1; words-1; 200002 tokens\n<pad>\n<unk>\n";
  std::string words;
  for (int i = 0; i < 200'000; ++i) {
    tokens += std::to_string(i) + "\n";
    words += "w" + std::to_string(i) + " 1\n";
  }
  files.push_back(tokens);
  files.push_back(words);
  files.push_back(std::string(1'000'000, '['));
  files.push_back(std::string(1'000'000, '\n'));
  files.push_back(std::string(1'000'000, ','));
  const TemporaryFolder folder;
  const std::string path = folder.file("small");
  for (const std::string& file : files) {
    std::ofstream(path, std::ios::binary) << file;
    for (const FileReader& reader : readers()) {
      const std::string text = text_in_child([&] {
        limit_memory((std::size_t{16} << 20) + 32 * file.size());
        reader.read(path);
        return "read";
      });
      CAPTURE(reader.name, file.substr(0, 80), text);
      CHECK(text != "bad_alloc");
      CHECK_FALSE(text.starts_with("signal"));
      CHECK(text.find("enough memory") == std::string::npos);
    }
  }
}
#endif
