// Runs that are killed or stopped and resumed end with the bytes of a run that was not; what
// --resume refuses; the signals. Read next: examples/text_classifier/resume.h.
#include "text_classifier/resume.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "child.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/run_options.h"

using namespace text_classifier;
using namespace text_classifier_test;
namespace fs = std::filesystem;
using tapegrad::test::error_text;
using tapegrad::test::text_in_child;
using Clock = std::chrono::steady_clock;

namespace {

const std::vector<std::string> kFinished = {".lock", "metrics.jsonl", "model.safetensors"};
const std::vector<std::string> kStopped = {".lock", "checkpoint.safetensors",
                                           "metrics.running.jsonl"};

// Everything that must not depend on interruptions.
std::string result_in(const std::string& folder) {
  static const std::regex seconds("\"seconds\":[^}]*");
  return read_file(folder + "/model.safetensors") +
         std::regex_replace(read_file(folder + "/metrics.jsonl"), seconds, "");
}

// A folder with more texts.
class Workshop : public Session {
 public:
  Workshop() {
    std::string texts, test;
    const char* const subjects[] = {"the king", "a city", "that song", "it"};
    for (int i = 0; i < 24; ++i) {
      const std::string subject = subjects[i % 4] + std::string(i % 3 == 0 ? " of old" : "");
      texts += (i % 2 == 0 ? "who wrote " : "where is ") + subject + " number" +
               std::to_string(i * 7 % 24) + (i % 2 == 0 ? "\tHUM\n" : "\tLOC\n");
    }
    write("train.tsv", texts);
    write("test.tsv", "who sang it\tHUM\nwhere is Rome\tLOC\nwho was that\tHUM\n");
    write("glove.txt", "who 0.1 -0.2 0.3\nis 1 2 3\nunseen 0.5 0 1\ncity 0 0.25 -1\n");
  }
  // Starts the program, whose standard output and error go into the file `stderr`.
  Process start(const std::string& arguments) const {
    write("stderr", "");  // a process may be killed before it opens the file
    return Process(command(arguments) + " >stderr 2>&1");
  }
  Output train(const std::string& options) const { return run(kTrain + options); }
  // Trains until a signal stops it, soon after the first epoch.
  Output train_until(int signal, const std::string& options) const {
    Process process = start(kTrain + options);
    await_epoch(out_of(options));
    process.send(signal);
    const int status = process.wait();
    return {status, "", read("stderr")};
  }
  void await_epoch(const std::string& out) const {
    await_more(file(out) + "/metrics.running.jsonl", 0);
  }
  // Waits until a file has more bytes than these.
  static void await_more(const std::string& path, std::size_t bytes) {
    const auto end = Clock::now() + std::chrono::seconds(60);
    for (std::error_code error;;) {
      const std::uintmax_t size = fs::file_size(path, error);
      if (!error && size > bytes) return;
      REQUIRE(Clock::now() < end);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  static inline const std::string kTrain =
      "train --train train.tsv --test test.tsv --dim 3 --batch 4 ";

 private:
  static std::string out_of(const std::string& options) {
    const std::size_t at = options.find("--out ") + 6;
    return options.substr(at, options.find(' ', at) - at);
  }
};

std::size_t kills_wanted(std::size_t usual) {
  const char* const wanted = std::getenv("TAPEGRAD_KILLS");
  return wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : usual;
}

// Sends the signal to runs with these options at random moments and resumes them, until it has
// ended `kills` of them. Each run that saves its model must have the result of an undisturbed one.
void kill_and_compare(const std::string& options, std::size_t kills, int signal = SIGKILL) {
  const Workshop workshop;
  const auto begin = Clock::now();
  static const std::regex every("--checkpoint-every [0-9]+");
  const Output whole = workshop.train(std::regex_replace(options, every, "") + " --out whole");
  INFO(options << "\n" << whole.error);
  REQUIRE(whole.status == 0);
  const std::chrono::duration<double> seconds = Clock::now() - begin;
  const std::string expected = result_in(workshop.file("whole"));

  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(options)));
  std::uniform_real_distribution<double> share(0, 0.8);
  std::size_t killed = 0, resumed = 0, ended = 0;
  const std::string out = workshop.file("out");
  while (killed < kills || ended == 0) {
    setenv("TAPEGRAD_NUM_THREADS", killed % 2 == 0 ? "1" : "3", 1);  // which changes no bits
    const bool resume = fs::exists(out + "/checkpoint.safetensors");
    Process process = workshop.start(resume ? "train --resume --out out"
                                            : Workshop::kTrain + options + " --out out");
    resumed += resume;
    if (killed < kills) {
      std::this_thread::sleep_for(share(random) * seconds);
      process.send(signal);
    }
    const int status = process.wait();
    CAPTURE(options, killed, resumed, status, workshop.read("stderr"));
    const bool stopped = status == 128 + signal && signal != SIGKILL;  // not while it reads files
    killed += status == -signal || stopped;
    const bool complete = fs::exists(out + "/model.safetensors");
    if (stopped) REQUIRE(complete != fs::exists(out + "/checkpoint.safetensors"));
    if (status == -signal && complete && signal != SIGKILL) {  // when it had saved everything
      CHECK(result_in(out) == expected);
      fs::remove_all(out);
      continue;
    }
    if (status == -signal || (stopped && !complete)) continue;
    REQUIRE((status == 0 || stopped));
    CHECK(result_in(out) == expected);
    CHECK(names_in(out) == kFinished);
    fs::remove_all(out);
    ++ended;
  }
  unsetenv("TAPEGRAD_NUM_THREADS");
  CHECK((resumed > 0 || kills < 10));
}

}  // namespace

TEST_CASE("killed 50 times and resumed, a run ends with the same bytes", "[text_resume]") {
  kill_and_compare(
      "--arch rnn --epochs 30 --patience 9 --schedule cosine --hidden 8 --checkpoint-every 3",
      kills_wanted(50));
}

TEST_CASE("stopped 50 times at random moments, a run ends with the same bytes", "[text_resume]") {
  const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP);
  kill_and_compare("--arch rnn --epochs 30 --patience 9 --hidden 8", kills_wanted(50) / 3 + 1,
                   signal);
}

TEST_CASE("every architecture and option can be killed and resumed", "[text_resume]") {
  const std::string options = GENERATE(
      "--arch bag --ngrams 2", "--arch bag --sparse", "--arch bag --optimizer sgd --lr 1",
      "--arch rnn --pool last --hidden 4", "--arch rnn --bidirectional --layers 2 --hidden 4",
      "--arch lstm --layers 2 --hidden 4 --schedule one-cycle", "--arch gru --hidden 4 --pool mean",
      "--arch cnn --filters 5 --schedule warm-up", "--arch attention --hidden 8 --heads 2",
      "--arch bag --vectors glove.txt --freeze-known",
      "--arch rnn --hidden 4 --vectors glove.txt --freeze-embeddings",
      "--arch bag --vectors glove.txt --all-vectors --min-count 2",
      "--arch bag --train-limit 13 --seed 4 --schedule constant --patience 3 --lr 0.5",
      "--arch bag --dev test.tsv --patience 3");
  const std::string every = GENERATE("1", "7");
  kill_and_compare(options + " --epochs 12 --checkpoint-every " + every, kills_wanted(3));
}

TEST_CASE("a search for the number of epochs can be killed and resumed", "[text_resume]") {
  const std::string options = GENERATE("", "--dev test.tsv", "--optimizer sgd --lr 0.1");
  kill_and_compare(options + " --checkpoint-every 5", kills_wanted(3));
}

TEST_CASE("SIGINT, SIGTERM and SIGHUP stop a run with a checkpoint", "[text_resume]") {
  const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP);
  const Workshop workshop;
  const std::string options = "--arch bag --ngrams 2 --epochs 2000 --out ";
  const Output stopped = workshop.train_until(signal, options + "out");
  INFO(stopped.error);
  CHECK(stopped.status == 128 + signal);
  CHECK(names_in(workshop.file("out")) == kStopped);
  const std::string hint = " after step ";
  CHECK(stopped.error.find("\nstopped by " + name_of_signal(signal) + hint) != std::string::npos);
  CHECK(stopped.error.ends_with("; a checkpoint is saved; to go on:\n  " TEXT_CLASSIFIER
                                " train --resume --out out\n"));

  // A new run would lose the checkpoint.
  const std::string checkpoint = workshop.read("out/checkpoint.safetensors");
  const Output refused = workshop.train(options + "out");
  CHECK(refused.status == 1);
  CHECK(refused.error ==
        "text_classifier: train: out has the checkpoint of a run that was stopped; add --resume to "
        "go on with it, or delete out/checkpoint.safetensors to begin a new run\n");
  CHECK(workshop.read("out/checkpoint.safetensors") == checkpoint);

  const Output resumed = workshop.run("train --resume --out out");
  INFO(resumed.error);
  CHECK(resumed.status == 0);
  CHECK(resumed.error.find("resumed after step ") != std::string::npos);
  REQUIRE(workshop.train(options + "whole").status == 0);
  CHECK(result_in(workshop.file("out")) == result_in(workshop.file("whole")));
  CHECK(names_in(workshop.file("out")) == kFinished);
  workshop.write("out/metrics.running.jsonl", "");
  CHECK(
      workshop.run("train --resume --out out").error ==
      "text_classifier: train: --resume: there is no checkpoint in out; its last run ended before "
      "it wrote one; begin a new run, with --checkpoint-every N\n");
  fs::remove(workshop.file("out/metrics.running.jsonl"));
  CHECK(workshop.run("train --resume --out out").error ==
        "text_classifier: train: --resume: there is no checkpoint in out; its last run has ended, "
        "and the model is saved\n");
}

TEST_CASE("a run that lost its terminal still writes its checkpoint", "[text_resume]") {
  const Workshop workshop;
  const std::string options = "--arch bag --epochs 1000000 --out out";
  SECTION("the reader of a pipe ends") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    Process process(workshop.command(Workshop::kTrain + options),
                    {.in = -1, .out = ends[1], .error = ends[1]});
    close(ends[1]);
    workshop.await_epoch("out");
    close(ends[0]);
    process.send(SIGHUP);
    CHECK(process.wait() == 128 + SIGHUP);
  }
  SECTION("the terminal is closed") {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    REQUIRE(grantpt(terminal) == 0);
    REQUIRE(unlockpt(terminal) == 0);
    const std::string name = ptsname(terminal);
    const pid_t child = fork();
    if (child == 0) {
      setsid();
      const int other = open(name.c_str(), O_RDWR);
      for (const int file : {0, 1, 2}) dup2(other, file);
      close(other);
      close(terminal);
      if (chdir(workshop.folder().c_str()) != 0) _exit(99);
      const std::string command = "exec '" TEXT_CLASSIFIER "' " + Workshop::kTrain + options;
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(99);
    }
    REQUIRE(child > 0);
    workshop.await_epoch("out");
    close(terminal);  // the kernel sends SIGHUP
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 128 + SIGHUP);
  }
  CHECK(names_in(workshop.file("out")) == kStopped);
}

TEST_CASE("if a checkpoint or the model cannot be written, the last checkpoint stays",
          "[text_resume]") {
  const Workshop workshop;
  const std::string options = "--arch bag --epochs 300 --out out";
  REQUIRE(workshop.train_until(SIGTERM, options).status == 128 + SIGTERM);
  const std::string checkpoint = workshop.read("out/checkpoint.safetensors");
  const std::string most =
      std::to_string(2 + workshop.read("out/metrics.running.jsonl").size() / 512);
  const Output output =
      workshop.shell("(ulimit -f " + most +
                     " && trap '' XFSZ && exec '" TEXT_CLASSIFIER "' train --resume --out out)");
  CHECK(output.status == 1);
  INFO(output.error);
  CHECK(output.error.find("File too large") != std::string::npos);
  CHECK(workshop.read("out/checkpoint.safetensors") == checkpoint);
  CHECK(names_in(workshop.file("out")) == kStopped);
  CHECK(workshop.run("train --resume --out out").status == 0);
  REQUIRE(workshop.train("--arch bag --epochs 300 --out whole").status == 0);
  CHECK(result_in(workshop.file("out")) == result_in(workshop.file("whole")));
}

TEST_CASE("StopSignals: the first signal sets a flag, a second SIGINT ends the process",
          "[text_resume]") {
  CHECK(text_in_child([] {
          const StopSignals signals;
          raise(SIGPIPE);
          if (StopSignals::received() != 0) return "received";
          raise(SIGTERM);
          raise(SIGHUP);
          raise(SIGTERM);
          return StopSignals::received() == SIGTERM ? "SIGTERM" : "another";
        }) == "SIGTERM");
  CHECK(text_in_child([] {
          const StopSignals signals;
          raise(SIGINT);
          raise(SIGINT);
          return "alive";
        }) == "signal " + std::to_string(SIGINT));
  CHECK(text_in_child([] {  // as nohup starts a program
          signal(SIGHUP, SIG_IGN);
          {
            const StopSignals signals;
            raise(SIGHUP);
            if (StopSignals::received() != 0) return "received";
          }
          raise(SIGHUP);
          return "ignored";
        }) == "ignored");
  CHECK(text_in_child([] {
          signal(SIGTERM, SIG_DFL);  // not the handler of the test program
          { const StopSignals signals; }
          raise(SIGTERM);
          return "alive";
        }) == "signal " + std::to_string(SIGTERM));
}

TEST_CASE("resuming refuses what does not fit the checkpoint", "[text_resume]") {
  const Workshop workshop;
  const std::string options =
      "--arch bag --ngrams 2 --vectors glove.txt --epochs 1000000 --out out";
  REQUIRE(workshop.train_until(SIGTERM, options).status == 128 + SIGTERM);
  const std::string path = workshop.file("out/checkpoint.safetensors");
  const std::string checkpoint = read_file(path);
  const std::string metrics = workshop.read("out/metrics.running.jsonl");
  const auto refused = [&](const std::string& more, const std::string& expected) {
    const Output output = workshop.run("train --resume " + more);
    CHECK(output.status == 1);
    CHECK(without_descriptions(output.error) ==
          "text_classifier: train: --resume: " + expected + "\n");
    CHECK(names_in(workshop.file("out")) == kStopped);
    CHECK(workshop.read("out/metrics.running.jsonl") == metrics);
  };
  const auto differs = [&](const std::string& option, const std::string& value,
                           const std::string& saved) {
    const std::string given = value.empty() ? "given" : value;
    refused("--out out " + option + " " + value,
            option + " is " + given + ", in the checkpoint it is " + saved + "; leave " + option +
                " out, or begin a new run with another --out");
  };
  refused("--out nowhere",
          "there is no checkpoint in nowhere; needed the --out of a run that was stopped");
  CHECK_FALSE(fs::exists(workshop.file("nowhere")));
  differs("--batch", "32", "4");  // also if it is the default
  differs("--lr", "0.5", "not given");
  differs("--arch", "rnn", "bag");
  differs("--sparse", "", "not given");
  differs("--checkpoint-every", "5", "0");

  // Files may move, but not change.
  const auto with = [&](const std::string& name, const std::string& content, auto check) {
    const std::string before = workshop.read(name);
    workshop.write(name, content);
    check();
    workshop.write(name, before);
  };
  const auto changed = [&](const std::string& what, const std::string& name) {
    return "the " + what + " of " + name +
           " are not those that the checkpoint was made with; needed the same file";
  };
  const std::string train = workshop.read("train.tsv");
  with("train.tsv", train + "who\tHUM\n",
       [&] { refused("--out out --train train.tsv", changed("training texts", "train.tsv")); });
  with("test.tsv", "who\tHUM\n",
       [&] { refused("--out out --test test.tsv", changed("test texts", "test.tsv")); });
  with("glove.txt", "who 0.1 -0.2 0.4\n",
       [&] { refused("--out out --vectors glove.txt", changed("vectors", "glove.txt")); });
  CHECK(read_file(path) == checkpoint);

  // A damaged file.
  std::mt19937 random(0);
  for (int i = 0; i < 40; ++i) {
    std::string damaged = checkpoint;
    const std::size_t at = random() % damaged.size();
    if (i % 4 == 0) {
      damaged.resize(at);
    } else {
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    }
    write_file(path, damaged);
    CAPTURE(i, at);
    CHECK(error_text<tg::FormatError>([&] { read_checkpoint(path); }).find(path + ": ") !=
          std::string::npos);
    if (i < 4) {
      const Output output = workshop.run("train --resume --out out");
      CHECK(output.status == 1);
      INFO(output.error);
      CHECK(output.error.starts_with("text_classifier: "));
      CHECK(output.error.find("out/checkpoint.safetensors: ") != std::string::npos);
      CHECK(std::ranges::count(output.error, '\n') == 1);
    }
  }
  write_file(path, checkpoint);

  // A right checksum, and what no run has.
  const auto impossible = [&](const std::string& name, const tg::Tensor& value) {
    RunCheckpoint other = read_checkpoint(path);
    tg::StateDict state;
    for (const auto& [key, tensor] : other.state) state.insert(key, key == name ? value : tensor);
    write_checkpoint(path, {state, other.texts});
    CHECK(workshop.run("train --resume --out out")
              .error.ends_with("text_classifier: out/checkpoint.safetensors: " + name + " is " +
                               std::to_string(value.item<std::int64_t>()) +
                               ", which no run with these options and texts has\n"));
    write_file(path, checkpoint);
  };
  impossible("position.epoch", tg::tensor(INT64_MIN));
  impossible("position.epoch", tg::tensor(1000001));
  impossible("position.steps", tg::tensor(INT64_MAX));
  impossible("position.done", tg::tensor(25));
  impossible("position.correct", tg::tensor(-1));

  // The same files in another place, and the working folder of another.
  fs::create_directory(workshop.file("moved"));
  fs::rename(workshop.file("train.tsv"), workshop.file("moved/texts"));
  Process process("cd '" + workshop.file("moved") +
                  "' && exec '" TEXT_CLASSIFIER
                  "' train --resume --out ../out --train texts --batch 4 2>/dev/null");
  workshop.await_more(workshop.file("out/metrics.running.jsonl"), metrics.size());

  // Nobody else may use the folder meanwhile.
  for (const std::string more :
       {"train --resume --out out", "train --train moved/texts --out out"}) {
    const Output output = workshop.run(more);
    CHECK(output.status == 1);
    INFO(output.error);
    CHECK(std::ranges::count(output.error, '\n') == 1);
  }
  process.send(SIGTERM);
  CHECK(process.wait() == 128 + SIGTERM);
}

TEST_CASE("the commands of the README resume a run", "[text_resume]") {
  const Workshop workshop;
  const std::string readme = read_file(TAPEGRAD_SOURCE_DIR "/examples/text_classifier/README.md");
  static const std::regex command("\\ntext_classifier (train [^#\n]*) +#");
  const std::size_t section = readme.find("## Interrupted runs");
  REQUIRE(section != std::string::npos);
  std::sregex_iterator found(readme.begin() + static_cast<std::ptrdiff_t>(section), readme.end(),
                             command);
  const std::string first = (*found)[1], second = (*++found)[1];
  {
    Process process = workshop.start(first);
    workshop.await_epoch("DIR");
    process.send(SIGTERM);
    CHECK(process.wait() == 128 + SIGTERM);
  }
  CHECK(workshop.run(second).status == 0);
  CHECK(names_in(workshop.file("DIR")) == kFinished);
}

TEST_CASE("the checkpoint has every option of train", "[text_resume]") {
  const Workshop workshop;
  const std::string help = workshop.run("train --help-all").out;
  const std::string saved = options_text({});
  std::set<std::string> missing;
  for (const std::string& name : options_in(help)) {
    if (saved.find('"' + name + '"') == std::string::npos) missing.insert(name);
  }
  CHECK(missing == std::set<std::string>{"--help", "--help-all", "--out", "--resume"});
}

TEST_CASE("the options of a checkpoint are read strictly", "[text_resume]") {
  TrainSettings settings;
  settings.lr = 0.1;
  settings.heads = 3;
  settings.model.arch = "attention";
  const std::string good = options_text(settings);
  CHECK(options_text(resumed_settings({}, good, "c")) == good);
  const auto text_with = [&](const std::string& old, const std::string& by) {
    const std::string changed = replaced(good, old, by);
    return error_text<tg::FormatError>([&] { resumed_settings({}, changed, "c"); });
  };
  for (const char* number : {"0", "-1", "1e30", "2.5", "\"32\"", "null", "99999999999"}) {
    CHECK(text_with("\"--batch\": 32", std::string("\"--batch\": ") + number) ==
          "c: --batch is missing or has a wrong value");
  }
  CHECK(text_with("\"--sparse\": false", "\"--sparse\": 0") ==
        "c: --sparse is missing or has a wrong value");
  CHECK(text_with("\"--arch\"", "\"--ark\"") == "c: --arch is missing or has a wrong value");
  CHECK(text_with("{", "[") == "c: the options are not a JSON object");
}
