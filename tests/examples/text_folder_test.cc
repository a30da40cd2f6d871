// The folder that `train` writes: after a failure at any moment, the old or the new model loads;
// one run at a time; folders of older versions; hostile folders. Read next:
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
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "child.h"
#include "error_text.h"
#include "python.h"
#include "sanitized.h"
#include "tensor/crash_states.h"
#include "tensor/failing_ops.h"
#include "tensor/temporary_folder.h"
#include "text_classifier/parameter_shapes.h"
#include "text_classifier/saved_settings.h"

using namespace text_classifier;
namespace fs = std::filesystem;
using tapegrad::detail::ReplacedFileOps;
using tapegrad::test::Answer;
using tapegrad::test::CrashRecorder;
using tapegrad::test::DiskState;
using tapegrad::test::error_text;
using tapegrad::test::FailingOps;
using tapegrad::test::limit_memory;
using tapegrad::test::shell;
using tapegrad::test::TemporaryFolder;
using tapegrad::test::text_in_child;
using Fault = FailingOps::Fault;

namespace {

// Two models that differ in everything but the architecture, and have the same shapes: weights of
// one with the words of the other would load.
struct Version {
  Trained trained;
  ModelSettings settings;
};

Version version_of(int number) {
  const std::string name = std::to_string(number);
  const std::vector<std::vector<std::string>> texts = {{"who" + name}, {"where" + name}};
  const auto vocabulary = tg::nn::Vocabulary::build(texts);
  ModelSettings settings{.arch = "bag", .vocabulary = vocabulary.size(), .classes = 2, .dim = 3};
  tg::manual_seed(static_cast<std::uint64_t>(number));
  return {{Classifier(settings), vocabulary, {"A" + name, "B" + name}, 100 + number}, settings};
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
void write_run(const Version& version, const std::string& folder) {
  RunFolder run(folder);
  run.metrics().write({.epoch = version.trained.max_length});
  run.save(version.trained, version.settings);
}

// Writes the folder as older versions did.
void write_older(const Version& version, const std::string& folder) {
  fs::create_directories(folder);
  tg::save(folder + "/model.safetensors", version.trained.model.state_dict());
  version.trained.vocabulary.save(folder + "/vocabulary.txt");
  std::ofstream(folder + "/settings.json")
      << settings_text(version.settings, version.trained.max_length, version.trained.labels);
  std::ofstream(folder + "/metrics.jsonl") << "{\"epoch\":1}\n";
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<std::string> kNames = {".lock", "metrics.jsonl", "model.safetensors"};

// A child that makes run after run into the folder, the two versions in turn, until it is killed.
pid_t start_runs(const Version (&versions)[2], const std::string& path) {
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

}  // namespace

TEST_CASE("a run into a folder: if any call fails, the old or the new model loads",
          "[text_folder]") {
  const Version older = version_of(0);
  const Version newer = version_of(1);
  const std::string before = content_of(older.trained);
  const std::string after = content_of(newer.trained);
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
  const Version older = version_of(0);
  const Version newer = version_of(1);
  const std::string before = content_of(older.trained);
  const std::string after = content_of(newer.trained);
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
  const Version versions[] = {version_of(0), version_of(1)};
  const std::string contents[] = {content_of(versions[0].trained), content_of(versions[1].trained)};
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
  const TemporaryFolder folder;
  std::ofstream(folder.file("train0")) << "who a\tA\nwhere b\tB\nwho c\tA\n";
  std::ofstream(folder.file("train1")) << "how a\tX\nwhen b\tY\nhow c\tX\n";
  const auto start = [&](std::size_t i, const std::string& out) {
    const pid_t child = fork();
    if (child == 0) {
      const std::string texts = folder.file("train" + std::to_string(i));
      if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
      execl(TEXT_CLASSIFIER, TEXT_CLASSIFIER, "train", "--train", texts.c_str(), "--arch", "bag",
            "--dim", "300", "--epochs", "2", "--out", out.c_str(), nullptr);
      _exit(1);
    }
    REQUIRE(child > 0);
    return child;
  };
  // The time of a whole run, and the two models.
  std::string contents[2];
  std::chrono::duration<double> seconds{};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string out = folder.file("expected" + std::to_string(i));
    const auto begin = std::chrono::steady_clock::now();
    int status = 1;
    REQUIRE(waitpid(start(i, out), &status, 0) > 0);
    seconds = std::chrono::steady_clock::now() - begin;
    REQUIRE(status == 0);
    contents[i] = content_of(out);
  }
  const std::string out = folder.file("model");
  fs::copy(folder.file("expected0"), out);
  for (std::size_t round = 0; round < kills; ++round) {
    const pid_t child = start((round + 1) % 2, out);
    const double share = static_cast<double>(round * 7919 % 1000) / 1000;  // 0 to 1
    std::this_thread::sleep_for(share * 1.1 * seconds);
    kill(child, SIGKILL);  // it may have ended
    REQUIRE(waitpid(child, nullptr, 0) == child);
    const std::string now = content_of(out);
    CAPTURE(round);
    CHECK((now == contents[0] || now == contents[1]));
  }
}

TEST_CASE("a reader during many runs sees one model or the other", "[text_folder]") {
  const Version versions[] = {version_of(0), version_of(1)};
  const std::string contents[] = {content_of(versions[0].trained), content_of(versions[1].trained)};
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
  CHECK(wrong.empty());
  CHECK(seen[0] > 0);
  CHECK(seen[1] > 0);
}

TEST_CASE("a folder has one run at a time, and readers do not wait for it", "[text_folder]") {
  const Version older = version_of(0);
  const Version newer = version_of(1);
  const TemporaryFolder folder;
  const std::string path = folder.file("model");
  write_run(older, path);
  const std::string metrics = tg::read_file(path + "/metrics.jsonl");
  std::optional<RunFolder> running(std::in_place, path);
  running->metrics().write({.epoch = 7});
  CHECK(error_text<tg::IoError>([&] { RunFolder second(path); }) ==
        "train: another run is writing into " + path +
            "; wait until it ends, or choose another folder with --out");
  CHECK(tg::read_file(path + "/metrics.jsonl") == metrics);  // also not emptied by the first run
  CHECK(content_of(path) == content_of(older.trained));

  // The same between processes, with the program.
  std::ofstream(folder.file("train.tsv")) << "who\tHUM\nwhere\tLOC\n";
  const std::string train = "'" TEXT_CLASSIFIER "' train --train '" + folder.file("train.tsv") +
                            "' --epochs 1 --arch bag --out '" + path + "'";
  const Answer refused = shell(train);
  CHECK(refused.status != 0);
  CHECK(refused.text.find("text_classifier: train: another run is writing into " + path) !=
        std::string::npos);
  CHECK(shell("'" TEXT_CLASSIFIER "' predict --model '" + path + "' who").status == 0);
  CHECK(content_of(path) == content_of(older.trained));

  running->save(newer.trained, newer.settings);
  CHECK(content_of(path) == content_of(newer.trained));
  CHECK(tg::read_file(path + "/metrics.jsonl").starts_with("{\"epoch\":7,"));
  running.reset();
  const Answer trained = shell(train);
  INFO(trained.text);
  CHECK(trained.status == 0);
  CHECK(names_in(path) == kNames);
}

TEST_CASE("a run that fails leaves the old metrics, and its own beside them", "[text_folder]") {
  const Version version = version_of(0);
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
  const std::string folders = TAPEGRAD_SOURCE_DIR "/tests/examples/folders/";
  const auto answers = [&](const std::string& name) {
    const Answer answer = shell("'" TEXT_CLASSIFIER "' predict --model '" + folders + name +
                                "' 'who sang?' 'where is Paris' 'Was that where?'");
    CHECK(answer.status == 0);
    return answer.text;
  };
  CHECK(answers("format_1") ==
        "HUM  0.729  who sang?\nLOC  0.718  where is Paris\nHUM  0.540  Was that where?\n");
  CHECK(answers("format_2") ==
        "HUM  0.741  who sang?\nLOC  0.840  where is Paris\nLOC  0.677  Was that where?\n");

  // Their texts can be exported again.
  const TemporaryFolder out;
  for (const std::string name : {"format_1", "format_2"}) {
    const Answer exported =
        shell("'" TEXT_CLASSIFIER "' export --model '" + folders + name + "' --vocabulary '" +
              out.file("v") + "' --settings '" + out.file("s") + "'");
    INFO(exported.text);
    CHECK(exported.status == 0);
    CHECK(tg::read_file(out.file("v")) == tg::read_file(folders + name + "/vocabulary.txt"));
    CHECK(tg::read_file(out.file("s")) == tg::read_file(folders + name + "/settings.json"));
  }
}

TEST_CASE("the settings of a model are read strictly", "[text_folder]") {
  const std::string good = settings_text({.arch = "gru"}, 200, {"A", "B"});
  CHECK(parse_settings(good, "s").labels.size() == 2);
  const auto text_with = [&](const std::string& old, const std::string& by) {
    std::string changed = good;
    REQUIRE(changed.find(old) != std::string::npos);
    changed.replace(changed.find(old), old.size(), by);
    return error_text<tg::FormatError>([&] { parse_settings(changed, "s"); });
  };
  const std::string dim = "\"dim\": 64";
  CHECK(text_with(dim, "\"dim\": 8.9") == "s: dim is 8.9, needed an integer");
  CHECK(text_with(dim, "\"dim\": 64.0") == "s: dim is 64.0, needed an integer");
  CHECK(text_with(dim, "\"dim\": 2e99") == "s: dim is 2e+99, needed an integer");
  CHECK(text_with(dim, "\"dim\": 2e999") == "s: a number is too large");
  CHECK(text_with(dim, "\"dim\": true") == "s: dim is true, needed an integer");
  CHECK(text_with(dim, "\"dim\": null") == "s: dim is null, needed an integer");
  CHECK(text_with(dim, "\"dim\": \"64\"") == "s: dim is \"64\", needed an integer");
  CHECK(text_with(dim, "\"dim\": 18446744073709551615") ==
        "s: dim is 18446744073709551615, needed at most 9223372036854775807");
  CHECK(text_with(dim, "\"dim\": 99999999999999999999") == "s: dim is 1e+20, needed an integer");
  CHECK(text_with(dim, "\"dim\": -9223372036854775808") == "s: needed a dim from 1 to 1000000");
  CHECK(text_with(dim, dim + ", " + dim) == "s: \"dim\" is given twice");
  CHECK(text_with(dim, "\"more\": 1, \"more\": 2, " + dim) == "s: \"more\" is given twice");
  CHECK(text_with(dim, "\"more\": [[[]]], " + dim) ==
        "s: objects and lists are nested more deeply than needed");
  CHECK(text_with(dim + ",", "") == "s: dim is missing");
  CHECK(text_with("\"format\": 3", "\"format\": 2e99") == "s: format is 2e+99, needed an integer");
  CHECK(text_with("\"format\": 3", "\"format\": 4294967298") ==
        "s: format 4294967298, this program reads 1 to 3");
  CHECK(text_with("\"dropout\": 0.5", "\"dropout\": \"x\"") ==
        "s: dropout is \"x\", needed a number");
  CHECK(text_with("\"bidirectional\": false", "\"bidirectional\": 0") ==
        "s: bidirectional is 0, needed true or false");
  CHECK(text_with("\"max\"", "7") == "s: pool is 7, needed a string");
  CHECK(text_with("\"B\"", "\"A\"") == "s: label \"A\" is given twice");
  CHECK(text_with("\"B\"", "7") == "s: labels holds 7, needed only strings");
  CHECK(text_with("\"B\"", "\"" + std::string(90, 'x') + "\", 7").ends_with("needed only strings"));
  CHECK(text_with("\"gru\"", "\"attention\", \"heads\": 4611686018427387905") ==
        "s: needed a hidden that is a multiple of twice the heads");
  CHECK(text_with("\"B\"", "\"\xFF\"").starts_with("s: this is not JSON at its byte "));
  CHECK(text_with("}\n", std::string("}\0", 2)) ==
        "s: this is not JSON at its byte " + std::to_string(good.size()));
  for (const char* text : {"", "[]", "7", "null", "{", "\"format\"", "[[[[[[[["}) {
    CHECK(error_text<tg::FormatError>([&] { parse_settings(text, "s"); }).starts_with("s: "));
  }
}

TEST_CASE("parameter_shapes() are the shapes of the model", "[text_folder]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm", "gru", "cnn", "attention");
  const std::int64_t layers = GENERATE(1, 3);
  const bool both = GENERATE(false, true);
  const ModelSettings settings{.arch = arch,
                               .vocabulary = 11,
                               .classes = 3,
                               .dim = 5,
                               .hidden = 8,
                               .layers = has_states(arch) ? layers : 1,
                               .bidirectional = both && is_recurrent(arch),
                               .filters = 7,
                               .heads = 2};
  const auto shapes = parameter_shapes(settings);
  const tg::StateDict state = Classifier(settings).state_dict();
  CAPTURE(arch, layers, both);
  CHECK(shapes.size() == state.size());
  for (const auto& [name, shape] : shapes) {
    CAPTURE(name);
    REQUIRE(state.contains(name));
    CHECK(state.at(name).shape() == shape);
  }
}

TEST_CASE("the texts in the file of a model are checked", "[text_folder]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("model.safetensors");
  const Version version = version_of(0);
  save(version.trained, version.settings, folder.path());
  const tg::Checkpoint good = tg::load_with_metadata(path);
  const auto text_with = [&](const std::string& key, const std::string& old,
                             const std::string& by) {
    tg::Metadata changed = good.metadata;
    std::string& text = changed.at(key);
    REQUIRE(text.find(old) != std::string::npos);
    text.replace(text.find(old), old.size(), by);
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

TEST_CASE("a vocabulary that no file can hold is refused before the training", "[text_folder]") {
  const std::vector<std::vector<std::string>> texts = {{std::string(99'000'000, 'a')}};
  const auto vocabulary = tg::nn::Vocabulary::build(texts);
  const ModelSettings settings{.arch = "bag", .vocabulary = 3, .classes = 1, .dim = 1};
  const Trained trained{Classifier(settings), vocabulary, {"A"}, 1};
  CHECK(error_text<tg::ValueError>([&] {
          check_can_be_saved(trained, settings);
        }).starts_with("train: the vocabulary of 3 words and the labels take 99000"));
}

#ifndef SANITIZED
TEST_CASE("a small hostile folder gives an error and takes little memory", "[text_folder]") {
  const std::string arch = GENERATE("bag", "rnn", "lstm", "gru", "cnn", "attention");
  const ModelSettings honest{.arch = arch, .vocabulary = 4, .classes = 2, .dim = 4, .hidden = 16};
  const auto vocabulary =
      tg::nn::Vocabulary::build(std::vector<std::vector<std::string>>{{"who", "where"}});
  const tg::StateDict state = Classifier(honest).state_dict();
  // Each setting alone is allowed and too large, while every tensor that was checked first in older
  // versions has the shape that the settings need.
  std::vector<ModelSettings> hostile;
  const auto add = [&](auto change) {
    ModelSettings settings = honest;
    change(settings);
    if (has_states(arch) || settings.layers == 1) hostile.push_back(settings);
  };
  add([](ModelSettings& s) { s.dim = 1'000'000; });
  add([](ModelSettings& s) { s.hidden = 1'000'000; });
  add([](ModelSettings& s) { s.filters = 1'000'000; });
  add([](ModelSettings& s) { s.layers = 100; });
  add([](ModelSettings& s) { s.layers = 100, s.hidden = 10'000; });
  if (is_recurrent(arch)) add([](ModelSettings& s) { s.bidirectional = true, s.layers = 100; });
  for (const ModelSettings& settings : hostile) {
    tg::StateDict forged;
    const auto needed = parameter_shapes(settings);
    for (const auto& [name, tensor] : state) forged.insert(name, tensor);
    if (!forged.contains(needed[1].first)) forged.insert(needed[1].first, tg::zeros({2}));
    const TemporaryFolder folder;
    tg::save(folder.file("model.safetensors"), forged,
             {{"settings", settings_text(settings, 200, {"A", "B"})},
              {"vocabulary", vocabulary.text()}});
    CAPTURE(arch, settings.dim, settings.hidden, settings.filters, settings.layers);
    const std::string text = text_in_child([&] {
      limit_memory(std::size_t{32} << 20);
      load(folder.path());
      return "loaded";
    });
    const bool unused = (settings.hidden != honest.hidden && !has_states(arch)) ||
                        (settings.filters != honest.filters && arch != "cnn");
    if (unused) {
      CHECK(text == "loaded");
    } else {
      CHECK(text.starts_with(folder.file("model.safetensors: ")));
      CHECK(text.find("vocabulary and settings need") != std::string::npos);
    }
  }
}

TEST_CASE("the embedding of a folder cannot be larger than the file", "[text_folder]") {
  // The tensor that older versions compared before the others has its shape; the head does not.
  const TemporaryFolder folder;
  const auto vocabulary =
      tg::nn::Vocabulary::build(std::vector<std::vector<std::string>>{{"who", "where"}});
  const ModelSettings settings{.arch = "attention", .dim = 1, .hidden = 200, .layers = 100};
  tg::StateDict state;
  state.insert("embedding.weight", tg::zeros({4, 1}));
  state.insert("encoder.layers.99.self_attn.out_proj.weight", tg::zeros({200, 200}));
  tg::save(folder.file("model.safetensors"), state,
           {{"settings", settings_text(settings, 200, {"A"})}, {"vocabulary", vocabulary.text()}});
  CHECK(text_in_child([&] {
          limit_memory(std::size_t{16} << 20);
          load(folder.path());
          return "loaded";
        }) == folder.file("model.safetensors: ") +
                  "encoder.layers.99.self_attn.out_proj.bias is missing, vocabulary and settings "
                  "need (200)");
}
#endif
