// The folder that `train` writes: after a failure at any moment, the old or the new model loads;
// one run at a time; folders of older versions. Read next:
// examples/text_classifier/run_folder.h.
#include "text_classifier/run_folder.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "child.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "tensor/crash_states.h"
#include "tensor/failing_ops.h"
#include "tensor/temporary_folder.h"
#include "text_classifier/saved_settings.h"

using namespace text_classifier;
using namespace text_classifier_test;
namespace fs = std::filesystem;
using tapegrad::detail::ReplacedFileOps;
using tapegrad::test::CrashRecorder;
using tapegrad::test::DiskState;
using tapegrad::test::error_text;
using tapegrad::test::FailingOps;
using tapegrad::test::TemporaryFolder;
using tapegrad::test::text_in_child;
using Fault = FailingOps::Fault;

namespace {

// Two models that differ in everything but the architecture, and have the same shapes: weights of
// one with the words of the other would load.
Trained version_of(int number) {
  const std::string name = std::to_string(number);
  const std::vector<std::vector<std::string>> texts = {{"who" + name}, {"where" + name}};
  const auto vocabulary = tg::nn::Vocabulary::build(texts);
  ModelSettings settings{.arch = "bag", .vocabulary = vocabulary.size(), .classes = 2, .dim = 3};
  tg::manual_seed(static_cast<std::uint64_t>(number));
  return {Classifier(settings), vocabulary, {"A" + name, "B" + name}, 100 + number};
}

// Everything that load() gives, as text.
std::string content_of(const Trained& trained) {
  std::string content = trained.vocabulary.text() + std::to_string(trained.max_length);
  for (const std::string& label : trained.labels) content += ' ' + label;
  for (const auto& [name, tensor] : trained.model.state_dict()) {
    const std::span<const float> elements = tensor.span<float>();
    content += name;
    content.append(reinterpret_cast<const char*>(elements.data()), elements.size_bytes());
  }
  return content;
}
std::string content_of(const std::string& folder) { return content_of(load(folder)); }

// A run as `train` does it, without the training.
void write_run(const Trained& version, const std::string& folder) {
  RunFolder run(folder);
  run.metrics().write({.epoch = version.max_length});
  run.save(version);
}

// Writes the folder as older versions did.
void write_older(const Trained& version, const std::string& folder) {
  fs::create_directories(folder);
  tg::save(folder + "/model.safetensors", version.model.state_dict());
  version.vocabulary.save(folder + "/vocabulary.txt");
  std::ofstream(folder + "/settings.json")
      << settings_text(version.settings(), version.max_length, version.labels);
  std::ofstream(folder + "/metrics.jsonl") << "{\"epoch\":1}\n";
}

const std::vector<std::string> kNames = {".lock", "metrics.jsonl", "model.safetensors"};

// A child that makes run after run into the folder, the two versions in turn, until it is killed.
pid_t start_runs(const Trained (&versions)[2], const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      for (std::size_t i = 1;; ++i) write_run(versions[i % 2], path);
    } catch (...) {
      _exit(1);
    }
  }
  REQUIRE(child > 0);
  return child;
}

// Before a reader's k-th open(), another run replaces the model.
class RunBeforeOpen : public tapegrad::detail::FileOps {
 public:
  RunBeforeOpen(int k, std::function<void()> run) : k_(k), run_(std::move(run)) {}
  bool ran() const { return ran_; }
  int open(const char* path, int flags, mode_t mode) override {
    if (!ran_ && ++opened_ == k_) {
      ran_ = true;
      run_();
    }
    return FileOps::open(path, flags, mode);
  }

 private:
  const int k_;
  const std::function<void()> run_;
  int opened_ = 0;
  bool ran_ = false;
};

}  // namespace

TEST_CASE("a run into a folder: if any call fails, the old or the new model loads",
          "[text_folder]") {
  const Trained older = version_of(0);
  const Trained newer = version_of(1);
  const std::string before = content_of(older);
  const std::string after = content_of(newer);
  REQUIRE(before != after);
  const bool from_older_version = GENERATE(false, true);
  const TemporaryFolder templates;
  if (from_older_version) {
    write_older(older, templates.file("model"));
  } else {
    write_run(older, templates.file("model"));
  }
  for (const Fault fault : {Fault::kError, Fault::kBroken, Fault::kShort}) {
    for (int k = 1;; ++k) {
      const TemporaryFolder folder;
      const std::string path = folder.file("model");
      fs::copy(templates.file("model"), path);
      const std::string old_metrics = tg::read_file(path + "/metrics.jsonl");
      FailingOps ops(fault, k, ENOSPC);
      std::string text;
      {
        const ReplacedFileOps replaced(ops);
        text = error_text<tg::IoError>([&] { write_run(newer, path); });
      }
      CAPTURE(from_older_version, k, ops.failed(), text);
      const std::string now = content_of(path);
      const std::string metrics = tg::read_file(path + "/metrics.jsonl");
      if (text.empty()) {
        CHECK(now == after);
        CHECK(metrics != old_metrics);
        CHECK(names_in(path) == kNames);
      } else if (text.find("the model is saved") != std::string::npos ||
                 text.find("model.safetensors is replaced, but") != std::string::npos) {
        CHECK(now == after);
      } else {
        CHECK(now == before);
        CHECK(metrics == old_metrics);
      }
      CHECK((text.empty() || text.find(path) != std::string::npos));
      if (ops.calls() < k) break;
      REQUIRE(k < 200);

      if (fault != Fault::kBroken) continue;
      write_run(newer, path);  // the next run repairs everything
      CHECK(content_of(path) == after);
      CHECK(names_in(path) == kNames);
    }
  }
}

// TAPEGRAD_KILLS=2000 kills more often.
TEST_CASE("a run into a folder: after a power failure the old or the new model loads",
          "[text_folder]") {
  const Trained older = version_of(0);
  const Trained newer = version_of(1);
  const std::string before = content_of(older);
  const std::string after = content_of(newer);
  const bool from_older_version = GENERATE(false, true);
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  if (from_older_version) {
    write_older(older, path);
  } else {
    write_run(older, path);
  }
  CrashRecorder recorder(path);
  {
    const ReplacedFileOps replaced(recorder);
    write_run(newer, path);
  }
  for (std::size_t k = 0; k <= recorder.calls(); ++k) {
    for (const DiskState& state : recorder.states(k)) {
      const TemporaryFolder disk;
      tapegrad::test::put_on_disk(state, disk.path());
      const std::string now = content_of(disk.path());
      CAPTURE(from_older_version, k);
      CHECK((now == after || (now == before && k < recorder.calls())));
    }
  }
}

TEST_CASE("a run into a folder: killed at any moment, the old or the new model loads",
          "[text_folder]") {
  const char* const wanted = std::getenv("TAPEGRAD_KILLS");
  const std::size_t kills = wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 60;
  const Trained versions[] = {version_of(0), version_of(1)};
  const std::string contents[] = {content_of(versions[0]), content_of(versions[1])};
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  for (std::size_t round = 0; round < kills; ++round) {
    if (round == 0) write_older(versions[0], path);
    const pid_t child = start_runs(versions, path);
    std::this_thread::sleep_for(std::chrono::microseconds(500 + round * 7919 % 20'000));
    REQUIRE(kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));  // it was still writing: the lock of the killed run is free
    CAPTURE(round);
    const std::string now = content_of(path);
    CHECK((now == contents[0] || now == contents[1]));
    const auto partial = [](const std::string& name) { return name.starts_with(".tapegrad-"); };
    CHECK(std::ranges::count_if(names_in(path), partial) <= 1);  // litter does not pile up
  }
  write_run(versions[0], path);
  CHECK(content_of(path) == contents[0]);
  CHECK(names_in(path) == kNames);
}

// TAPEGRAD_KILLS=200 kills more often.
TEST_CASE("the program is killed while it trains and saves: the old or the new model loads",
          "[text_folder]") {
  const char* const wanted = std::getenv("TAPEGRAD_KILLS");
  const std::size_t kills = wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 12;
  const Session session;
  session.write("train0", "who a\tA\nwhere b\tB\nwho c\tA\n");
  session.write("train1", "how a\tX\nwhen b\tY\nhow c\tX\n");
  const auto start = [&](std::size_t i, const std::string& out) {
    return Process(session.command("train --train train" + std::to_string(i) +
                                   " --arch bag --dim 300 --epochs 2 --out " + out +
                                   " 2>/dev/null"));
  };
  // The time of a whole run, and the two models.
  std::string contents[2];
  std::chrono::duration<double> seconds{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string out = "expected" + std::to_string(i);
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(start(i, out).wait() == 0);
    seconds = std::chrono::steady_clock::now() - begin;
    contents[i] = content_of(session.file(out));
  }
  fs::copy(session.file("expected0"), session.file("model"));
  for (std::size_t round = 0; round < kills; ++round) {
    Process process = start((round + 1) % 2, "model");
    const double share = static_cast<double>(round * 7919 % 1000) / 1000;  // 0 to 1
    std::this_thread::sleep_for(share * 1.1 * seconds);
    process.send(SIGKILL);  // it may have ended
    process.wait();
    const std::string now = content_of(session.file("model"));
    CAPTURE(round);
    CHECK((now == contents[0] || now == contents[1]));
  }
}

TEST_CASE("a run between any two files that a reader opens: it sees one model or the other",
          "[text_folder]") {
  const Trained older = version_of(0), newer = version_of(1);
  const bool from_older_version = GENERATE(false, true);
  int opened = 0;  // files that a reader opens, if no run disturbs it
  for (bool ran = true; ran; ++opened) {
    const TemporaryFolder folder;
    const std::string path = folder.file("model");
    from_older_version ? write_older(older, path) : write_run(older, path);
    RunBeforeOpen ops(opened + 1, [&] { write_run(newer, path); });
    std::string now;
    {
      const ReplacedFileOps replaced(ops);
      CHECK_NOTHROW(now = content_of(path));
    }
    ran = ops.ran();
    CAPTURE(from_older_version, opened);
    CHECK(now == content_of(ran && (opened == 0 || from_older_version) ? newer : older));
  }
  CHECK(opened == (from_older_version ? 4 : 2));
}

TEST_CASE("a reader during many runs sees one model or the other", "[text_folder]") {
  const Trained versions[] = {version_of(0), version_of(1)};
  const std::string contents[] = {content_of(versions[0]), content_of(versions[1])};
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  write_older(versions[0], path);
  const pid_t child = start_runs(versions, path);
  std::size_t seen[2] = {0, 0};
  std::string wrong;
  // For 0.7 seconds, and on a busy machine until both were seen.
  const auto begin = std::chrono::steady_clock::now();
  const auto goes_on = [&] {
    const auto time = std::chrono::steady_clock::now() - begin;
    const bool both = seen[0] > 0 && seen[1] > 0;
    return wrong.empty() &&
           time < (both ? std::chrono::milliseconds(700) : std::chrono::seconds(60));
  };
  while (goes_on()) {
    try {
      const std::string now = content_of(path);
      if (now == contents[0]) {
        ++seen[0];
      } else if (now == contents[1]) {
        ++seen[1];
      } else {
        wrong = "a mixture";
      }
    } catch (const std::exception& error) {
      wrong = error.what();
    }
  }
  REQUIRE(kill(child, SIGKILL) == 0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK(wrong == "");
  CHECK(seen[0] > 0);
  CHECK(seen[1] > 0);
}

TEST_CASE("a folder has one run at a time, and readers do not wait for it", "[text_folder]") {
  const Trained older = version_of(0);
  const Trained newer = version_of(1);
  const Session session;
  const std::string path = session.file("model");
  write_run(older, path);
  const std::string metrics = tg::read_file(path + "/metrics.jsonl");
  std::optional<RunFolder> running(std::in_place, path);
  running->metrics().write({.epoch = 7});
  CHECK(error_text<tg::IoError>([&] { RunFolder second(path); }) ==
        "train: another run is writing into " + path +
            "; wait until it ends, or choose another folder with --out");
  CHECK(tg::read_file(path + "/metrics.jsonl") == metrics);  // also not emptied by the first run
  CHECK(content_of(path) == content_of(older));

  // The same between processes, with the program.
  const std::string train = "train --train train.tsv --epochs 1 --arch bag --out model";
  const Output refused = session.run(train);
  CHECK(refused.status == 1);
  CHECK(refused.error.find("text_classifier: train: another run is writing into model;") !=
        std::string::npos);
  CHECK(session.run("predict --model model who").status == 0);
  CHECK(content_of(path) == content_of(older));

  running->save(newer);
  CHECK(content_of(path) == content_of(newer));
  CHECK(tg::read_file(path + "/metrics.jsonl").starts_with("{\"epoch\":7,"));
  running.reset();
  const Output trained = session.run(train);
  INFO(trained.error);
  CHECK(trained.status == 0);
  CHECK(names_in(path) == kNames);
}

TEST_CASE("a run that fails leaves the old metrics, and its own beside them", "[text_folder]") {
  const Trained version = version_of(0);
  const TemporaryFolder folder;
  write_run(version, folder.path());
  const std::string metrics = tg::read_file(folder.file("metrics.jsonl"));
  {
    RunFolder run(folder.path());
    run.metrics().write({.epoch = 7});
  }
  CHECK(tg::read_file(folder.file("metrics.jsonl")) == metrics);
  CHECK(tg::read_file(folder.file("metrics.running.jsonl")).starts_with("{\"epoch\":7,"));

  // Whatever has the name of that file is replaced; a pipe is not waited for.
  fs::remove(folder.file("metrics.running.jsonl"));
  REQUIRE(mkfifo(folder.file("metrics.running.jsonl").c_str(), 0600) == 0);
  CHECK(text_in_child([&] {
          write_run(version, folder.path());
          return "written";
        }) == "written");
  CHECK(names_in(folder.path()) == kNames);
}

TEST_CASE("folders of older versions still load", "[text_folder]") {
  // The files are by an older version, and so are the answers.
  const Session session;
  const std::string folders = TAPEGRAD_SOURCE_DIR "/tests/examples/text_classifier/folders/";
  const auto answers = [&](const std::string& name) {
    const Output answer = session.run("predict --model '" + folders + name +
                                      "' 'who sang?' 'where is Paris' 'Was that where?'");
    CHECK(answer.status == 0);
    CHECK(answer.error.empty());
    return answer.out;
  };
  CHECK(answers("format_1") ==
        "HUM  0.729  who sang?\nLOC  0.718  where is Paris\nHUM  0.540  Was that where?\n");
  CHECK(answers("format_2") ==
        "HUM  0.741  who sang?\nLOC  0.840  where is Paris\nLOC  0.677  Was that where?\n");

  // Their texts can be exported again.
  for (const std::string name : {"format_1", "format_2"}) {
    const Output exported = session.run("export --model '" + folders + name +
                                        "' --vocabulary vocabulary --settings settings");
    INFO(exported.error);
    CHECK(exported.status == 0);
    CHECK(session.read("vocabulary") == tg::read_file(folders + name + "/vocabulary.txt"));
    CHECK(session.read("settings") == tg::read_file(folders + name + "/settings.json"));
  }
}

TEST_CASE("the texts in the file of a model are checked", "[text_folder]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  const Trained version = version_of(0);
  save(version, folder.path());
  const tg::Checkpoint good = tg::load_with_metadata(path);
  const auto text_with = [&](const std::string& key, const std::string& old,
                             const std::string& by) {
    tg::Metadata changed = good.metadata;
    changed.at(key) = replaced(changed.at(key), old, by);
    tg::save(path, good.state, changed);
    return error_text<tg::FormatError>([&] { load(folder.path()); });
  };
  CHECK(text_with("settings", "{", "[") == path + ": settings: this is not JSON at its byte 13");
  CHECK(text_with("settings", "\"dim\": 3", "\"dim\": 0") ==
        path + ": settings: needed a dim from 1 to 1000000");
  CHECK(text_with("settings", "\"dim\": 3", "\"dim\": 4") ==
        path + ": embedding.weight is (4, 3), vocabulary and settings need (4, 4)");
  CHECK(text_with("settings", "\"A0\",", "\"A0\", \"C0\",") ==
        path + ": head.weight is (2, 3), vocabulary and settings need (3, 3)");
  CHECK(text_with("vocabulary", "who0", "where0") ==
        path + ": vocabulary:5: token `where0` occurs twice");
  CHECK(text_with("vocabulary", "who0\n", "").starts_with(path + ": vocabulary:4: the file ends"));
  tg::StateDict more = good.state;
  more.insert("more", tg::ones({1}));
  tg::save(path, more, good.metadata);
  CHECK(error_text<tg::FormatError>([&] { load(folder.path()); }).starts_with(path + ": "));
  tg::save(path, good.state);  // neither the texts nor the files of older versions
  CHECK(error_text<tg::IoError>([&] { load(folder.path()); }) ==
        "load: cannot open " + folder.file("settings.json") + ": No such file or directory");
}
