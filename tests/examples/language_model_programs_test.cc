// What char_rnn, tiny_gpt and ngram_lm have in common as programs: files, errors, signals,
// resuming. Read next: language_model_test.cc.
#include <signal.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <cmath>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "catch.h"
#include "char_rnn/char_rnn.h"
#include "examples/example_program.h"
#include "language_model/training.h"
#include "ngram_lm/ngram_lm.h"
#include "tiny_gpt/tiny_gpt.h"

using namespace example_test;

namespace tg = tapegrad;

namespace {

struct Sample {
  std::string path;     // of the program
  std::string options;  // a small model, for quick tests
  std::string unit;
  std::string name() const { return path.substr(path.rfind('/') + 1); }
};

const std::vector<Sample>& programs() {
  static const std::vector<Sample> all = {
      {CHAR_RNN, " --hidden 16 --dim 8 --steps 10 --batch 4", "characters"},
      {TINY_GPT, " --dim 16 --heads 2 --layers 1 --context 8 --batch 4", "characters"},
      {NGRAM_LM, " --dim 8 --hidden 16 --context 2 --batch 16", "words"}};
  return all;
}

std::string rhyme(int verses) {
  std::string text;
  for (int i = 0; i < verses; ++i) text += "the cat sat on the mat.\nthe dog sat on the log.\n";
  return text;
}

double number_after(const std::string& text, const std::string& mark) {
  const std::size_t at = text.rfind(mark);
  INFO(text);
  REQUIRE(at != std::string::npos);
  return std::stod(text.substr(at + mark.size()));
}

}  // namespace

TEST_CASE("language models: the loss falls, and the last line says so") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(100));
    const Output output =
        session.run_well("train --input text --model out --epochs 4 --report 50" + each.options);
    CAPTURE(output.out);
    const double after = number_after(output.out, "held-out loss ");
    const double before = number_after(output.out, "(at first ");
    CHECK(after > 0);
    CHECK(after < 0.9 * before);
    CHECK(number_after(output.out, "perplexity ") == Approx(std::exp(after)).epsilon(0.01));
    CHECK(output.out.ends_with(" " + each.unit + "/s\n"));
    CHECK(output.out.find("\n| ") != std::string::npos);  // a sample
    CHECK(session.files() == 2);
  }
}

TEST_CASE("language models: seeds decide the model and the sample") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(30));
    const auto model = [&](const std::string& more) {
      session.run_well("train --input text --model out --epochs 1" + each.options + more);
      return read_file(session.file("out"));
    };
    const std::string first = model(" --seed 3");
    CHECK(model(" --seed 3") == first);
    CHECK(model(" --seed 3 --report 5 --sample 7") != first);  // other settings are in the file
    CHECK(model(" --seed 4") != first);
    const auto sample = [&](const std::string& more) {
      return session.run_well("sample --model out --length 60" + more).out;
    };
    CHECK(sample(" --seed 3") == sample(" --seed 3"));
    CHECK(sample(" --seed 3") != sample(" --seed 4"));
    CHECK(sample(" --temperature 0 --seed 3") == sample(" --temperature 0 --seed 4"));
    CHECK(sample(" --prompt 'the cat'").starts_with("the cat"));
    CHECK(session.run_well("sample --model out --length 0 --prompt 'the cat'").out == "the cat\n");
  }
}

TEST_CASE("language models: reports do not change what is learned") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(30));
    const std::string command = "train --input text --epochs 1 --model ";
    session.run_well(command + "a --report 7" + each.options);
    session.run_well(command + "b --report 1000000" + each.options);
    const tg::StateDict a = tg::load(session.file("a"));
    const tg::StateDict b = tg::load(session.file("b"));
    for (const auto& [name, tensor] : a) {
      INFO(name);
      CHECK(allclose(tensor, b.at(name), 1e-3, 1e-5));
    }
  }
}

TEST_CASE("language models: texts and files that they refuse") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    const std::string train = "train --input text --model out" + each.options;
    session.require_error(train, "cannot open text: No such file or directory");
    session.require_error("train --input . --model out", "cannot read .: Is a directory");
    write_file(session.file("out"), "old");
    write_file(session.file("text"), "a b");
    const std::string needed = each.name() == "char_rnn"   ? "41"
                               : each.name() == "tiny_gpt" ? "9"
                                                           : "3";
    const Output output = session.run(train + " --held-out 0");
    CHECK(output.status == 1);
    const std::string few = each.unit == "words" ? "2 words" : "3 characters";
    CHECK(output.error == each.name() + ": text: " + few + " to train on, needed at least " +
                              needed + " for one batch; choose a longer text or a smaller " +
                              (each.name() == "char_rnn" ? "--batch or --steps\n" : "--context\n"));
    write_file(session.file("text"), "");
    CHECK(session.run(train).error.find("text: 0 " + each.unit + " to train on") !=
          std::string::npos);
    write_file(session.file("text"), "a\nb\xC3\xA9 \xFF");
    session.require_error(
        train, "text:2: byte 0xFF is neither UTF-8 nor Windows-1252; convert with iconv");
    write_file(session.file("text"), rhyme(20));
    session.require_error("train --input text --model none/out",
                          "cannot write none/out: there is no folder none");
    session.require_error("train --input text --model .", "cannot write .: Is a directory");
    CHECK(read_file(session.file("out")) == "old");

    session.require_error("sample --model none",
                          "load: cannot open none: No such file or directory");
    session.run_well(train + " --epochs 1");
    session.require_error(
        "sample --model out --temperature -1",
        "--temperature: Value -1 not in range 0.000000 to 1000.000000; see --help");
    const Output unknown = session.run("sample --model out --prompt 'zebra'");
    CHECK(unknown.status == 1);
    CHECK(unknown.error.find("--prompt: the model has not learned the ") != std::string::npos);
    session.require_error("", "A subcommand is required; see --help");
    for (const std::string help : {"--help", "train --help", "sample --help"}) {
      CHECK(session.run_well(help).out.find("Usage: " + each.name()) != std::string::npos);
    }
  }
}

TEST_CASE("language models: damaged files, and files of another program") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(20));
    session.run_well("train --input text --model good --epochs 1" + each.options);
    const std::string good = read_file(session.file("good"));
    const auto refused = [&](const std::string& bytes, const std::string& expected) {
      write_file(session.file("bad"), bytes);
      for (const std::string command :
           {"sample --model bad", "train --input text --model bad --resume"}) {
        const Output output = session.run(command);
        CAPTURE(command, output.error);
        CHECK(output.status == 1);
        CHECK(output.error.find("bad") != std::string::npos);
        CHECK(output.error.find(expected) != std::string::npos);
      }
      CHECK(read_file(session.file("bad")) == bytes);
    };
    refused("", "");
    refused("not a model", "");
    refused(good.substr(0, good.size() / 2), "");
    refused(good + "x", "");
    for (std::size_t at = 9; at < 600; at += 37) {  // in the header
      std::string changed = good;
      changed[at] = '\x01';
      write_file(session.file("bad"), changed);
      const Output output = session.run("sample --model bad");
      CAPTURE(at, output.error);
      CHECK((output.status == 0 || output.status == 1));  // no crash
    }
    const tg::Checkpoint saved = tg::load_with_metadata(session.file("good"));
    const auto with = [&](const std::string& key, const std::string& value) {
      tg::Metadata changed = saved.metadata;
      changed[key] = value;
      tg::save(session.file("changed"), saved.state, changed);
      return read_file(session.file("changed"));
    };
    refused(with("program", "other"), "bad: a model of other, not of " + each.name());
    refused(with("setting.dim", "0"), "bad: the setting dim is '0', which is out of range");
    refused(with("setting.dim", "32"), "bad: ");
    refused(with("vocabulary", "ba"), "bad:");
    const auto without = [&](const std::string& start) {
      tg::StateDict less;
      for (const auto& [name, tensor] : saved.state) {
        if (!name.starts_with(start)) less.insert(name, tensor);
      }
      tg::save(session.file("changed"), less, saved.metadata);
      return read_file(session.file("changed"));
    };
    refused(without("model.head"), "head.weight");
    for (const std::string part : {"optimizer.", "generator."}) {
      write_file(session.file("bad"), without(part));
      session.run_well("sample --model bad");  // needs only the model
      const Output output = session.run("train --input text --model bad --resume");
      CHECK(output.status == 1);
      CHECK(output.error.starts_with(each.name() + ": bad: "));
    }
  }
}

TEST_CASE("language models: a loss that is not finite is never saved") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(100));
    const Output output = session.run(
        "train --input text --model out --lr 100 --clip 1e9 --epochs 20 --report 1000000" +
        each.options);
    CAPTURE(output.error);
    if (output.status != 0) {
      CHECK(output.error.find(" is not finite; lower --lr; nothing was saved\n") !=
            std::string::npos);
      CHECK(session.files() == 1);
      continue;
    }
    for (const auto& [name, tensor] : tg::load(session.file("out"))) {
      INFO(name);
      CHECK((tensor.dtype() == tg::int64 || all(isfinite(tensor)).item<bool>()));
    }
  }
}

TEST_CASE("language models: the program starts without a held-out text or without training") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(10));
    const Output none =
        session.run_well("train --input text --model out --held-out 0 --epochs 1" + each.options);
    CHECK(none.out.find("out: no held-out loss, because the held-out text is too short; ") !=
          std::string::npos);
    const Output start =
        session.run_well("train --input text --model out --epochs 0" + each.options);
    CHECK(number_after(start.out, "held-out loss ") == number_after(start.out, "(at first "));
    CHECK(tg::load_with_metadata(session.file("out")).metadata.at("batches") == "0");
  }
}

TEST_CASE("language models: Ctrl-C saves what was learned, and --resume continues") {
  for (const Sample& each : programs()) {
    const ExampleProgram session(each.path);
    CAPTURE(each.path);
    write_file(session.file("text"), rhyme(100));
    for (const int number : {SIGINT, SIGTERM}) {
      const Output output = session.interrupt(
          "train --input text --model out --epochs 100000" + each.options, "parameters", number);
      CAPTURE(output.error);
      CHECK(output.status == 128 + number);
      CHECK(output.error.find(number == SIGINT ? "stopped by SIGINT after "
                                               : "stopped by SIGTERM ") != std::string::npos);
      CHECK(output.error.find("; what was learned is saved in out, and --resume continues\n") !=
            std::string::npos);
      session.run_well("sample --model out --length 10");
    }
    // The run has more batches than --epochs 1, so nothing is left to do.
    const Output resumed = session.run_well("train --input text --model out --resume --epochs 1");
    CHECK(resumed.out.find("held-out loss ") != std::string::npos);
    session.require_error("train --input text --model out --resume --lr 0.1",
                          "--lr: --resume takes it from the file of the model");
    write_file(session.file("other"), rhyme(99));
    session.require_error("train --input other --model out --resume",
                          "--resume: out was trained on another text than other");
  }
}

namespace {

// Raises SIGINT when a batch is asked for the first time.
class Stopping final : public language_model::Batches {
 public:
  Stopping(std::unique_ptr<language_model::Batches> batches, std::int64_t of_batch,
           std::int64_t of_epoch, std::int64_t stop)
      : Batches(of_batch, of_epoch), batches_(std::move(batches)), stop_(stop) {}
  tg::Tensor at(std::int64_t number) override {
    if (number == stop_) raise(SIGINT);
    return batches_->at(number);
  }
  bool continues(std::int64_t number) const override { return batches_->continues(number); }

 private:
  std::unique_ptr<language_model::Batches> batches_;
  std::int64_t stop_;
};

// A program whose training is stopped while it computes batch `stop`; -1: not at all.
template <class Of>
class Stopped final : public Of {
 public:
  explicit Stopped(std::int64_t stop) : stop_(stop) {}
  std::unique_ptr<language_model::Batches> batches(
      language_model::Ids ids, const language_model::TrainSettings& train) const override {
    auto batches = Of::batches(std::move(ids), train);
    const std::int64_t of_epoch = batches->predictions_before(batches->per_epoch());
    const std::int64_t of_batch = batches->predictions_before(1);
    return std::make_unique<Stopping>(std::move(batches), of_batch, of_epoch, stop_);
  }

 private:
  std::int64_t stop_;
};

// Keeps what the code prints out of the output of the tests.
class Quiet {
 public:
  ~Quiet() {
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(error_);
  }

 private:
  std::ostringstream text_;
  std::streambuf* out_ = std::cout.rdbuf(text_.rdbuf());
  std::streambuf* error_ = std::cerr.rdbuf(text_.rdbuf());
};

template <class Of>
void check_resume(const Of& settings) {
  const tapegrad::test::TemporaryFolder folder;
  write_file(folder.file("text"), rhyme(40));
  // 20 batches or more; the reports, which save the model, are after batch 13.
  const language_model::TrainSettings train{.epochs = 2, .batch = 4, .report = 13, .sample = 5};
  const Quiet quiet;
  Stopped<Of> whole(-1), stopped(12), rest(-1);
  whole.model_settings = stopped.model_settings = settings.model_settings;
  CHECK(language_model::train(whole, train, {folder.file("text"), folder.file("whole")}) == 0);
  const language_model::Files files{folder.file("text"), folder.file("parts")};
  CHECK(language_model::train(stopped, train, files) == SIGINT);
  const auto [before, texts] = tg::load_with_metadata(folder.file("parts"));
  CHECK(texts.at("batches") == "13");
  CHECK(language_model::resume(rest, 0, files) == 0);  // with the settings of the file

  const auto [expected, expected_texts] = tg::load_with_metadata(folder.file("whole"));
  const auto [got, got_texts] = tg::load_with_metadata(folder.file("parts"));
  CHECK(got_texts == expected_texts);
  CHECK(std::stoi(got_texts.at("batches")) > 20);
  CHECK(got.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    INFO(name);
    CHECK(equal(got.at(name), tensor));
    if (name.ends_with("weight") && name.starts_with("model.")) {
      CHECK(!equal(before.at(name), tensor));
    }
  }
}

}  // namespace

TEST_CASE("language models: a run that was stopped and resumed ends with the same bits") {
  SECTION("char_rnn") {
    for (const std::string arch : {"lstm", "gru"}) {
      char_rnn::Program program;
      program.model_settings = {
          .arch = arch, .dim = 8, .hidden = 16, .layers = 2, .dropout = 0.2, .steps = 10};
      check_resume(program);
    }
  }
  SECTION("tiny_gpt") {
    tiny_gpt::Program program;
    program.model_settings = {.context = 8, .dim = 16, .heads = 2, .layers = 1, .dropout = 0.2};
    check_resume(program);
  }
  SECTION("ngram_lm") {
    for (const bool tie : {false, true}) {
      ngram_lm::Program program;
      program.model_settings = {.context = 2, .dim = 8, .hidden = 16, .tie = tie};
      check_resume(program);
    }
  }
}
