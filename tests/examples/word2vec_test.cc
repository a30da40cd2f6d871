// What word2vec learns from a text whose structure is known, and how it treats texts and options.
// Read next: examples/word2vec/main.cc.
#include <signal.h>
#include <tapegrad/nn/text/word_vectors.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "catch.h"
#include "examples/example_program.h"
#include "examples/grammar.h"
#include "sanitized.h"
#include "word2vec/batches.h"

using namespace word2vec;
using namespace example_test;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(WORD2VEC) {}
};

struct Losses {
  double before = 0;
  double after = 0;
};

// From the last line: `...; held-out loss 1.2345 (at first 4.1589); 1,234,567 words/s`.
Losses losses_of(const Output& output) {
  const std::size_t begin = output.out.find("held-out loss ");
  INFO(output.out);
  REQUIRE(begin != std::string::npos);
  Losses losses;
  REQUIRE(std::sscanf(output.out.c_str() + begin, "held-out loss %lf (at first %lf)", &losses.after,
                      &losses.before) == 2);
  CHECK(output.out.ends_with(" words/s\n"));
  return losses;
}

}  // namespace

TEST_CASE("nearest neighbors are in the right category, with every combination of options") {
  const Session session;
  session.write("text", grammar(4000));
  int combination = 0;
  for (const std::string arch :
       {"", " --negatives shared", " --arch cbow", " --arch cbow --sum-gradient"}) {
    for (const std::string options :
         {"", " --simple-loss", " --sample 0 --binary",
          " --negative 1 --window 2 --lr 0.1 --tokens spaces", " --window 1 --batch 7",
          " --held-out 0.1 --min-count 1 --negative 20"}) {
      // 1, 6, 11, 16 and 21: each architecture, and each option but --simple-loss.
      if (kSanitized && ++combination % 5 != 1) continue;
      const Output output =
          session.run_well("--input text --output out --dim 20 --epochs 15" + arch + options);
      CAPTURE(arch, options, output.out);
      const Losses losses = losses_of(output);
      CHECK(losses.after > 0.1);
      CHECK(losses.after < 0.97 * losses.before);
      const tg::nn::WordVectors vectors = tg::nn::load_word_vectors(session.file("out"));
      REQUIRE(vectors.size() == kCategories * kWordsOfCategory);
      REQUIRE(vectors.dim() == 20);
      // They began between -0.025 and 0.025.
      CHECK(max(abs(vectors.vectors())).item<float>() > 0.1F);
      // By chance it would be 7 of 95.
      CHECK(share_of_right_neighbors(vectors) > 0.9);
    }
  }
  for (const std::string arch : {" --arch cbow --sum-gradient", "", " --arch cbow"}) {
    const Output output = session.run_well(
        "--input text --output out --dim 20 --epochs 15 --window 1 --loss hs --lr 0.1" + arch);
    CAPTURE(arch, output.out);
    const Losses losses = losses_of(output);
    CHECK(losses.before ==
          Approx(6.67 * std::log(2)).epsilon(0.02));  // the depth is log2(96) or so
    CHECK(losses.after < 0.97 * losses.before);
    CHECK(share_of_right_neighbors(tg::nn::load_word_vectors(session.file("out"))) > 0.9);
    if (kSanitized) break;
  }
}

TEST_CASE("word2vec: the same seed gives the same bytes, and another seed others") {
  const Session session;
  session.write("text", grammar(300));
  for (const std::string options : {"", " --arch cbow", " --negatives shared --binary"}) {
    CAPTURE(options);
    const auto bytes = [&](const std::string& seed) {
      session.run_well("--input text --output out --dim 10 --seed " + seed + options);
      return session.read("out");
    };
    const std::string first = bytes("1");
    CHECK(bytes("1") == first);
    CHECK(bytes("2") != first);
  }
}

TEST_CASE("word2vec: text and binary output hold the same vectors, most frequent words first") {
  const Session session;
  session.write("text", "b a b c b a\nb a b c b a\n");
  session.run_well("--input text --output text.vec --min-count 1 --dim 3");
  session.run_well("--input text --output binary.bin --min-count 1 --dim 3 --binary");
  const auto text = tg::nn::load_word_vectors(session.file("text.vec"));
  const auto binary = tg::nn::load_word_vectors(session.file("binary.bin"));
  CHECK(text.report().format == tg::nn::WordVectorsFormat::word2vec_text);
  CHECK(binary.report().format == tg::nn::WordVectorsFormat::word2vec_binary);
  CHECK(text.words() == std::vector<std::string>{"b", "a", "c"});
  CHECK(binary.words() == text.words());
  CHECK(equal(binary.vectors(), text.vectors()));
}

TEST_CASE("word2vec: the last line says why there is no held-out loss") {
  const Session session;
  session.write("text", "b a b c b a\nb a b c b a\n");
  CHECK(session.run_well("--input text --output out --min-count 1")
            .out.find("no held-out loss, the text has fewer than 100 sentences; ") !=
        std::string::npos);
  CHECK(session.run_well("--input text --output out --min-count 1 --held-out 0")
            .out.find("no sentences are held out; ") != std::string::npos);
}

TEST_CASE("word2vec: texts that it cannot learn from, and files that it cannot read or write") {
  const Session session;
  const auto with = [&](const std::string& content) {
    session.write("text", content);
    session.write("out", "old");
    return std::string("--input text --output out");
  };
  session.require_error(with(""), "text: no words; needed at least 2");
  session.require_error(with("\n \n.,!\n"), "text: no words; needed at least 2");
  session.require_error(
      with("one"),
      "text: 1 words, of which 0 different ones occur at least 5 times; needed at least 2");
  session.require_error(
      with("one one one one one one"),
      "text: 6 words, of which 1 different ones occur at least 5 times; needed at least 2");
  session.require_error(with("these words are all rare"),
                        "text: 5 words, of which 0 different ones occur at least 5 times; needed "
                        "at least 2, so lower --min-count");
  session.require_error(with("a b\nc\xC3\xA9 \xFF"),
                        "text:2: byte 0xFF is neither UTF-8 nor Windows-1252; convert with iconv");
  session.require_error(with("a b\n") + " --input", "--input: 1 required FILE missing; see --help");
  CHECK(session.read("out") == "old");
  session.require_error("nonsense", "unknown argument `nonsense`; see --help");
  session.require_error("--input none --output out", "cannot read none: No such file or directory");
  session.require_error("--input . --output out", "cannot read .: Is a directory");
  session.write("text", grammar(20));
  session.require_error("--input text --output none/out",
                        "cannot write none/out: there is no folder none");
  session.require_error("--input text --output .", "cannot write .: Is a directory");
}

TEST_CASE("word2vec: options that are refused") {
  const Session session;
  session.write("text", grammar(20));
  const std::string files = "--input text --output out ";
  session.require_error(files + "--negative 0",
                        "--negative: Value 0 not in range 1 to 1000; see --help");
  session.require_error(files + "--sum-gradient", "--sum-gradient: only --arch cbow has a mean");
  session.require_error(files + "--arch cbow --negatives shared",
                        "--negatives shared: with --arch cbow, a word has one prediction, so there "
                        "is nothing to share");
  for (const std::string option : {"--negative 5", "--negatives per-pair", "--simple-loss"}) {
    session.require_error(files + "--loss hs " + option,
                          option.substr(0, option.find(' ')) + ": only for --loss ns");
  }
  session.require_error(files + "--racy --loss hs", "--racy: only for --loss ns");
  session.require_error(files + "--racy --simple-loss",
                        "--racy: not with --simple-loss, whose threads share the operations");
  session.require_error(files + "--arch glove", "--arch: glove not in {cbow,skipgram}; see --help");
  session.require_error(files + "--lr 1e3",
                        "--lr: Value 1e3 not in range 0.000000 to 100.000000; see --help");
  session.require_error("--output out", "--input is required; see --help");
  CHECK(session.run("--help").out.find("--negatives") != std::string::npos);
}

TEST_CASE("word2vec: a loss that is not finite saves nothing and names the remedy") {
  const Session session;
  session.write("text", grammar(200));
  const Output output = session.run(
      "--input text --output out --lr 100 --dim 10 --epochs 20 --sum-gradient --arch cbow");
  INFO(output.out << output.error);
  if (output.status == 0) {  // large, but finite
    CHECK(tg::nn::load_word_vectors(session.file("out")).report().malformed == 0);
  } else {
    CHECK(output.error.find("the loss is not finite, nothing was saved; lower --lr") !=
          std::string::npos);
    CHECK(session.files() == 1);
  }
}

TEST_CASE("word2vec: a line of 10^6 words, without an end, is learned from") {
  const Session session;
  std::string text = grammar(84'000);  // 1,008,000 words
  std::ranges::replace(text, '\n', ' ');
  text.pop_back();
  session.write("text", text);
  const Output output = session.run_well(
      "--input text --output out --dim 8 --epochs 1 --negatives shared --held-out 0.05");
  CHECK(output.out.find("text: 1,008,000 words, 96 different") != std::string::npos);
  const Losses losses = losses_of(output);
  CHECK(losses.after < 0.97 * losses.before);
  CHECK(share_of_right_neighbors(tg::nn::load_word_vectors(session.file("out"))) > 0.9);
}

TEST_CASE("word2vec: Ctrl-C saves what was learned and says so") {
  const Session session;
  session.write("text", grammar(4000));
  for (const int number : {SIGINT, SIGTERM}) {
    std::filesystem::remove(session.file("out"));
    const Output output = session.interrupt("--input text --output out --epochs 100000 --dim 20",
                                            "different", number);
    CHECK(output.status == 128 + number);
    const std::string& error = output.error;
    CAPTURE(error);
    CHECK(error.find(number == SIGINT ? "stopped by SIGINT after " : "stopped by SIGTERM after ") !=
          std::string::npos);
    CHECK(error.find("; what was learned is saved in out\n") != std::string::npos);
    CHECK(tg::nn::load_word_vectors(session.file("out")).size() == kCategories * kWordsOfCategory);
  }
}

TEST_CASE("word2vec: a run that was stopped and resumed ends with the same bytes") {
  const Session session;
  write_file(session.file("text"), grammar(4000));
  for (const std::string options : {" --epochs 60", " --arch cbow --negative 2 --epochs 300",
                                    " --loss hs --epochs 60", " --negatives shared --epochs 150"}) {
    CAPTURE(options);
    const std::string run = "--input text --dim 20" + options + " --output ";
    session.run_well(run + "whole");
    const std::string stopped = run + "out --checkpoint state";
    REQUIRE(session.interrupt(stopped, "different", SIGINT).status == 128 + SIGINT);
    CHECK(read_file(session.file("out")) != read_file(session.file("whole")));
    const std::string resumed = session.interrupt(stopped + " --resume", "different", SIGINT).error;
    CHECK(resumed.ends_with("; --resume continues\n"));
    session.run_well(stopped + " --resume --threads 2");
    CHECK(read_file(session.file("out")) == read_file(session.file("whole")));
    session.run_well(stopped + " --resume");  // nothing is left to do
    CHECK(read_file(session.file("out")) == read_file(session.file("whole")));
  }
}

TEST_CASE("word2vec: a checkpoint that is damaged or of another run is refused") {
  const Session session;
  write_file(session.file("text"), grammar(200));
  const std::string run = "--input text --output out --checkpoint state --dim 10 ";
  session.run_well(run);
  const std::string before = read_file(session.file("out"));
  const auto refused = [&](const std::string& options, const std::string& reason) {
    const Output output = session.run(run + "--resume " + options);
    CAPTURE(output.error);
    CHECK(output.status == 1);
    CHECK(output.error == "word2vec: state: cannot resume: " + reason + "\n");
    CHECK(read_file(session.file("out")) == before);
  };
  refused("--window 4", "it has --window 5, and this run has 4");
  refused("--epochs 6", "it has --epochs 5, and this run has 6");
  refused("--arch cbow", "it has --arch skipgram, and this run has cbow");
  refused("--min-count 26", "it is of another text");
  const std::string whole = read_file(session.file("state"));
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 20) {
    write_file(session.file("state"), whole.substr(0, size));
    const Output output = session.run(run + "--resume");
    CAPTURE(size, output.error);
    CHECK(output.status == 1);
    CHECK(output.error.find("state") != std::string::npos);
  }
  std::filesystem::remove(session.file("state"));
  CHECK(session.run(run + "--resume").status == 1);
  session.require_error("--input text --output out --resume", "--resume: needs --checkpoint");
}

TEST_CASE("word2vec: the vectors are the same for every number of threads") {
  const Session session;
  write_file(session.file("text"), grammar(1000));
  for (const std::string options :
       {"", " --arch cbow", " --negatives shared --batch 128", " --simple-loss --batch 100"}) {
    CAPTURE(options);
    const auto run = [&](const std::string& threads) {
      const Output output = session.run_well("--input text --output out --dim 24 --epochs 2" +
                                             options + " --threads " + threads);
      const std::size_t end = output.out.rfind("; ");  // the speed follows
      return read_file(session.file("out")) + output.out.substr(0, end);
    };
    const std::string one = run("1");
    CHECK(run("2") == one);
    CHECK(run("5") == one);
  }
}

TEST_CASE("word2vec: with --racy, one thread learns the same up to rounding") {
  const Session session;
  write_file(session.file("text"), grammar(1000));
  for (const std::string options : {"", " --arch cbow", " --negatives shared --batch 128",
                                    " --arch cbow --sum-gradient", " --subwords 3-4"}) {
    CAPTURE(options);
    const auto run = [&](const std::string& racy) {
      session.run_well("--input text --output out --dim 24 --epochs 2" + options + racy);
      return tg::nn::load_word_vectors(session.file("out")).vectors();
    };
    const tg::Tensor plain = run(""), racy = run(" --racy");
    CHECK(max(abs(plain)).item<float>() > 0.01F);
    CHECK(max(abs(plain - racy)).item<float>() < 1e-3F * max(abs(plain)).item<float>());
  }
}

TEST_CASE("word2vec: with --racy, several threads find the right neighbors, and stop and resume") {
  const Session session;
  write_file(session.file("text"), grammar(4000));
  for (const std::string options : {"", " --arch cbow", " --negatives shared"}) {
    for (const std::string threads : {"2", "3"}) {
      CAPTURE(options, threads);
      const std::string run = "--input text --output out --dim 20 --epochs 15 --racy --threads " +
                              threads + options + " --checkpoint state";
      const Output stopped = session.interrupt(run + " --seed 3", "different", SIGINT);
      const bool resumes = stopped.status == 128 + SIGINT;
      if (!resumes) CHECK(stopped.status == 0);  // it was too fast for the signal
      const Output output = session.run_well(run + " --seed 3" + (resumes ? " --resume" : ""));
      const Losses losses = losses_of(output);
      CHECK(losses.after < 0.97 * losses.before);
      CHECK(share_of_right_neighbors(tg::nn::load_word_vectors(session.file("out"))) > 0.9);
    }
  }
}

// The parts ---------------------------------------------------------------------------------------

TEST_CASE("Corpus: a pass from the file gives the same sentences as the ids that it keeps") {
  const Session session;
  session.write("text", "One two, three!\n\nrare one two\nthree ONE 2nd two\n" + grammar(500));
  Settings settings;
  settings.input = session.file("text");
  settings.held_out = 0.1;
  settings.min_count = 2;
  std::vector<std::vector<Sentence>> passes;
  for (const std::int64_t most_kept : {0, 10'000'000}) {
    examples::Corpus corpus(settings, "test", most_kept);
    CHECK(corpus.words().total == 10 + 6000);
    CHECK(corpus.words().distinct == 5 + kCategories * kWordsOfCategory);
    CHECK(corpus.words().kept() == 8 + 6000);
    CHECK(corpus.held_out().size() == 50);
    for (int pass = 0; pass < 3; ++pass) {
      corpus.rewind();
      std::vector<Sentence>& sentences = passes.emplace_back();
      Sentence sentence;
      std::int64_t read = 0, total = 0;
      while (corpus.next(sentence, read)) {
        sentences.push_back(sentence);
        total += read;
      }
      CHECK(total == corpus.words_to_train());
      CHECK(sentences.size() == 504 - 50);
    }
    const auto& words = corpus.words();
    CHECK(std::ranges::is_sorted(words.counts, std::greater<>()));
    const auto one = std::ranges::find(words.words, "one") - words.words.begin();
    CHECK(words.counts[static_cast<std::size_t>(one)] == 3);
  }
  for (const auto& pass : passes) CHECK(pass == passes[0]);
}

TEST_CASE("Batches: windows, negatives and words that are skipped") {
  Words words;
  words.words = {"the", "b", "c", "d"};
  words.counts = {9000, 500, 300, 200};
  words.total = 10'000;
  Settings settings;
  settings.window = 2;
  settings.negative = 3;
  settings.batch = 1000;
  settings.sample = 0;
  const auto sentences = [](int count, const Sentence& given) {
    return [left = count, given](Sentence& sentence, std::int64_t& read) mutable {
      sentence = given;
      read = static_cast<std::int64_t>(given.size());
      return left-- > 0;
    };
  };
  SECTION("each pair is near, and no negative is the word in the text") {
    for (const bool shared : {false, true}) {
      settings.negatives = shared ? Negatives::shared : Negatives::per_pair;
      tg::Generator generator(3);
      Batches batches(settings, words, generator);
      batches.start(sentences(50, {0, 1, 2, 3}));
      Batch batch;
      REQUIRE(batches.next(batch));
      CHECK(batches.words_read() == 200);
      CHECK(batch.predictions() == batch.inputs.size(0));
      CHECK(batch.outputs.shape() == tg::Shape{shared ? 200 : batch.inputs.size(0), 4});
      const auto outputs = batch.outputs.span<std::int64_t>();
      const auto inputs = batch.inputs.span<std::int64_t>();
      for (std::size_t g = 0; g < outputs.size(); g += 4) {
        const auto at = static_cast<std::size_t>(
            batch.offsets.item<std::int64_t>({static_cast<std::int64_t>(g / 4)}));
        CHECK(inputs[at] != outputs[g]);
        CHECK(std::abs(inputs[at] - outputs[g]) <= 2);
        for (std::size_t k = 1; k < 4; ++k) CHECK(outputs[g + k] != outputs[g]);
      }
      CHECK(!batches.next(batch));
    }
  }
  SECTION("frequent words are skipped as often as word2vec.c does") {
    settings.sample = 0.01;
    tg::Generator generator(3);
    Batches batches(settings, words, generator);
    batches.start(sentences(10'000, Sentence(100, 0)));
    std::int64_t kept = 0;
    for (Batch batch; batches.next(batch);) {
      std::int64_t last = -1;  // groups of one word have one output each, and a word has up to 4
      kept += batch.outputs.size(0);
      last = batch.outputs.size(0);
      CHECK(last > 0);
    }
    CHECK(batches.words_read() == 1'000'000);
    // sqrt(0.01 / 0.9) + 0.01 / 0.9 = 0.1165 of the words, with 3 pairs each, less 4 pairs at the
    // ends of each sentence.
    CHECK(static_cast<double>(kept) == Approx(116'520 * 3 - 10'000 * 4).epsilon(0.01));
  }
  SECTION("a sentence of one word has no window") {
    tg::Generator generator(3);
    Batches batches(settings, words, generator);
    batches.start(sentences(5, {1}));
    Batch batch;
    CHECK(!batches.next(batch));
    CHECK(batches.words_read() == 5);
  }
}
