// Compressed models: codes, sizes and accuracies, the strict reading of their files, and what they
// refuse. Read next: examples/text_classifier/compress.h.
#include "text_classifier/compress.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "error_text.h"
#include "examples/program.h"
#include "text_classifier/compressed.h"
#include "text_classifier/evaluation.h"
#include "common/hashing.h"
#include "text_classifier/saved_settings.h"

using namespace text_classifier;
using namespace examples;
using tapegrad::test::error_text;
using tapegrad::test::TemporaryFolder;

namespace {

std::int64_t bytes_of(const std::string& folder) {
  return static_cast<std::int64_t>(std::filesystem::file_size(folder + "/model.safetensors"));
}

std::string bundled(const char* name) {
  return std::string(TAPEGRAD_SOURCE_DIR) + "/examples/text_classifier/data/" + name;
}

// A bag whose rows are given, with words w0, w1, ...: each occurs less often than the one before.
Small bag_of(const std::vector<std::vector<float>>& rows, bool identity = true,
             std::int64_t classes = 2) {
  std::vector<std::vector<std::string>> texts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    texts.emplace_back(rows.size() - i, "w" + std::to_string(i));
  }
  const auto vocabulary = tg::nn::Vocabulary::build(texts);
  const auto dim = std::ssize(rows.front());
  ModelSettings settings{
      .arch = "bag", .vocabulary = vocabulary.size(), .classes = classes, .dim = dim};
  Classifier model(settings);
  tg::StateDict state = model.state_dict();
  tg::Tensor table = tg::zeros({vocabulary.size(), dim});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    select(table, 0, static_cast<std::int64_t>(i) + 2).copy_(tg::tensor(rows[i]));
  }
  std::vector<std::string> labels;
  for (std::int64_t k = 0; k < classes; ++k) labels.push_back("L" + std::to_string(k));
  model.load_state_dict(
      {{"embedding.weight", table},
       {"head.weight", identity ? tg::eye(classes, dim) : state.at("head.weight")},
       {"head.bias", tg::zeros({classes})}});
  model.eval();
  return {{model, vocabulary, labels, 100}, settings};
}

}  // namespace

TEST_CASE("parse_size: numbers with units", "[text_compress]") {
  CHECK(parse_size("100kB", "x") == 100'000);
  CHECK(parse_size("1MB", "x") == 1'000'000);
  CHECK(parse_size("1.5M", "x") == 1'500'000);
  CHECK(parse_size("50000", "x") == 50'000);
  CHECK(parse_size("2GB", "x") == 2'000'000'000);
  for (const char* wrong : {"", "kB", "0", "-1kB", "1 MB", "1TB", "1e3", "0.1", "99999GB", "nan"}) {
    CHECK(error_text<tg::ValueError>([&] { parse_size(wrong, "compress: --size"); }) ==
          "compress: --size is '" + std::string(wrong) + "', needed a size such as 100kB or 1MB");
  }
}

TEST_CASE("CompressedTable: scales by equal factors, elements of both codes", "[text_compress]") {
  CompressedTable table;
  table.least = 1;
  table.greatest = 16;
  CHECK(table.scale(0) == 0);
  CHECK(table.scale(1) == 1);
  CHECK(table.scale(255) == 16);
  CHECK(table.scale(128) == Approx(4));
  CHECK(table.code_of_scale(0) == 0);
  CHECK(table.code_of_scale(4.01) == 128);
  CHECK(table.code_of_scale(0.5) == 1);
  CHECK(table.code_of_scale(99) == 255);

  table.dim = 2;
  table.keys = {key_of("a")};
  table.scales = {1, 255};
  table.codes = {0, 127, 0x81, 64};  // 0x81 is -127
  CHECK(tg::allclose(
      table.table(),
      tg::tensor({{0., 0.}, {0., 1.}, {0., 0.}, {-16., 16 * 64 / 127.}}).to(tg::float32)));
  CHECK(table.find(key_of("a")) == 3);
  CHECK_FALSE(table.find(key_of("b")));

  table.part = 4;
  table.codes = {0, 255};
  table.centroids.assign(256 * 4, 0);
  table.centroids[255 * 4 + 1] = 127;
  CHECK(tg::allclose(table.table(),
                     tg::tensor({{0., 0.}, {0., 0.}, {0., 0.}, {0., 16.}}).to(tg::float32)));
}

TEST_CASE("keys of words and buckets: known values", "[text_compress]") {
  CHECK(key_of("foobar") == (0x85944171U ^ 0xF73967E8U));
  CHECK(key_of_bucket(12) == folded(hash_of("\x01"
                                            "12")));
  CHECK(key_of_bucket(0) == folded(hash_of("\x01"
                                           "0")));
}

TEST_CASE("compressed: rows become centered logits, and the strongest stay", "[text_compress]") {
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 3000; ++i) rows.push_back({0.001F, -0.001F});
  rows[1500] = {5, 1};  // adds 2, -2 after centering
  rows[2999] = {-4, 4};
  rows[7] = {3, 3};  // adds nothing
  const Small bag = bag_of(rows);
  const Small small = compressed(bag.trained, bag.settings, 2000, "compress");
  CHECK(small.settings.compression.projected);
  CHECK(small.settings.dim == 2);
  const auto row_of = [&](const char* word) {
    const auto id = small.trained.compressed->find(key_of(word));
    REQUIRE(id);
    return select(small.trained.model.embedding.weight.value(), 0, *id);
  };
  CHECK(tg::allclose(row_of("w1500"), tg::tensor({2.0F, -2.0F}), 0.02));
  CHECK(tg::allclose(row_of("w2999"), tg::tensor({-4.0F, 4.0F}), 0.02));
  CHECK_FALSE(small.trained.compressed->find(key_of("w7")));
  // What is left out, and what was never seen, counts as an unknown word.
  CHECK(tg::to_vector<std::int64_t>(small.trained.ids("w7 zzqx")) ==
        std::vector<std::int64_t>{1, 1});
  const TemporaryFolder folder;
  save(small.trained, small.settings, folder.file("m"));
  CHECK(bytes_of(folder.file("m")) <= 2000);
  CHECK(bytes_of(folder.file("m")) > 1500);
}

TEST_CASE("compressed: all rows fit, so the answers hardly change", "[text_compress]") {
  tg::manual_seed(5);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 400; ++i) rows.push_back(tg::to_vector<float>(tg::randn({6})));
  const bool many_classes = GENERATE(false, true);
  const Small bag = bag_of(rows, false, many_classes ? 11 : 3);
  for (const std::int64_t size : {100'000, 12'000}) {
    Small small = compressed(bag.trained, bag.settings, size, "compress");
    CHECK(small.settings.compression.projected != many_classes);
    Trained original = bag.trained;
    std::vector<tg::Tensor> long_ids, short_ids;
    for (int i = 0; i < 100; ++i) {
      const std::string text = "w" + std::to_string(i) + " w" + std::to_string(4 * i);
      long_ids.push_back(original.ids(text));
      short_ids.push_back(small.trained.ids(text));
    }
    const tg::Tensor before = probabilities(original, long_ids);
    const tg::Tensor after = probabilities(small.trained, short_ids);
    CHECK(max(abs(before - after)).item<double>() < 0.05);
    // Saved and loaded again, the model is the same to the bit, and so is its file.
    const TemporaryFolder folder;
    save(small.trained, small.settings, folder.file("m"));
    CHECK(bytes_of(folder.file("m")) <= size);
    Trained loaded = load(folder.file("m"));
    const tg::Tensor again = probabilities(loaded, short_ids);
    CHECK(tg::to_vector<float>(again) == tg::to_vector<float>(after));
    save(loaded, small.settings, folder.file("n"));
    CHECK(tg::read_file(folder.file("m/model.safetensors")) ==
          tg::read_file(folder.file("n/model.safetensors")));
  }
}

TEST_CASE("compressed: each class keeps its words", "[text_compress]") {
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 3000; ++i)
    rows.push_back({i % 2 == 0 ? 9.0F : 0.0F, i % 2 == 0 ? 0.0F : 9.0F, 0});
  for (int i = 2996; i < 3000; ++i) rows[static_cast<std::size_t>(i)] = {0, 0, 0.1F};
  const Small bag = bag_of(rows, true, 3);
  Small small = compressed(bag.trained, bag.settings, 2000, "compress");
  const tg::Tensor p = probabilities(small.trained, {small.trained.ids("w2996")});
  CHECK(argmax(p).item<std::int64_t>() == 2);
}

TEST_CASE("compressed: what is refused", "[text_compress]") {
  const Small bag = bag_of({{1, 2}, {3, 4}});
  const auto refusal = [](const Small& model, std::int64_t size) {
    return error_text<tg::ValueError>(
        [&] { compressed(model.trained, model.settings, size, "compress"); });
  };
  CHECK(refusal(bag, 700).starts_with(
      "compress: 700 bytes are too few for the labels and some words of each; needed "));
  const Small small = compressed(bag.trained, bag.settings, 5000, "compress");
  CHECK(refusal(small, 5000) ==
        "compress: this model is compressed already; needed the one that it was made from");
  Small sequence = bag_of({{1, 2}});
  sequence.settings.arch = "gru";
  CHECK(refusal(sequence, 5000) ==
        "compress: only a bag can be compressed, and this model is a gru; needed --arch bag");
  const Small broken = bag_of({{NAN, 2}, {3, 4}});
  CHECK(refusal(broken, 5000) == "compress: the weights are not finite; train with a lower --lr");
  const Small unknown = bag_of({{1, 2}, {3, 4}});
  tg::select(unknown.trained.model.embedding.weight.leaf().writable_value(), 0, 1).fill_(NAN);
  CHECK(refusal(unknown, 5000) == refusal(broken, 5000));
}

TEST_CASE("compressed: files are read strictly", "[text_compress]") {
  const TemporaryFolder folder;
  const std::string file = folder.file("model.safetensors");
  const Small bag = bag_of({{1, 2}, {3, 4}, {5, 7}});
  const Small small = compressed(bag.trained, bag.settings, 5000, "compress");
  REQUIRE(small.settings.compression.rows == 4);
  REQUIRE(small.settings.compression.part == 0);
  save(small.trained, small.settings, folder.path());
  const tg::Checkpoint good = tg::load_with_metadata(file);
  const auto error_with = [&](const auto& change) {
    tg::StateDict state;
    for (const auto& [name, tensor] : good.state) state.insert(name, tensor.clone());
    tg::Metadata metadata = good.metadata;
    change(state, metadata);
    tg::save(file, state, metadata);
    return error_text<tg::FormatError>([&] { load(folder.path()); });
  };
  const auto with_tensor = [&](const std::string& name, const tg::Tensor& tensor) {
    return error_with([&](tg::StateDict& state, tg::Metadata&) {
      tg::StateDict changed;
      for (const auto& [other, value] : state)
        changed.insert(other, other == name ? tensor : value);
      if (!changed.contains(name)) changed.insert(name, tensor);
      state = changed;
    });
  };
  const auto with_settings = [&](const std::string& from, const std::string& to) {
    return error_with([&](tg::StateDict&, tg::Metadata& metadata) {
      std::string& text = metadata.at("settings");
      const std::size_t at = text.find(from);
      REQUIRE(at != std::string::npos);
      text.replace(at, from.size(), to);
    });
  };
  CHECK(error_with([](auto&, auto&) {}).empty());
  CHECK(with_tensor("table.codes", tg::tensor({1, 2})) ==
        file + ": table.codes is int64 (2), the settings need int64 (1)");
  CHECK(with_tensor("table.scales", tg::tensor({1.0F})) ==
        file + ": table.scales is float32 (1), the settings need int64 (1)");
  CHECK(with_tensor("more", tg::tensor({1})) == file + ": holds 6 tensors, the settings need 5");
  CHECK(with_tensor("table.keys", tg::tensor({5, 5})) ==
        file + ": table.keys: needed keys that ascend");
  for (const float least : {0.0F, -1.0F, 3.0F, NAN}) {
    CHECK(with_tensor("table.scale_limits", tg::tensor({least, 2.0F})) ==
          file + ": table.scale_limits: needed two finite numbers, 0 < least <= greatest");
  }
  CHECK(with_tensor("table.scale_limits", tg::tensor({1.0F, INFINITY})) ==
        file + ": table.scale_limits: needed two finite numbers, 0 < least <= greatest");
  CHECK(with_tensor("head.bias", tg::tensor({1.0F, NAN})) ==
        file + ": head.bias: needed finite elements");
  const std::string settings = file + ": settings: ";
  CHECK(with_settings("\"compressed_rows\": 4", "\"compressed_rows\": 900000000") ==
        file + ": table.keys is int64 (2), the settings need int64 (450000000)");
  CHECK(with_settings("\"compressed_rows\": 4", "\"compressed_rows\": 0") ==
        settings + "needed compressed_rows from 1 to 1000000000");
  CHECK(with_settings("\"int8\"", "\"product2\"") ==
        file + ": table.centroids is missing, the settings need int64 (64)");
  CHECK(with_settings("\"int8\"", "\"int4\"") ==
        settings + "needed compressed_codes of int8, product2 or product4");
  CHECK(with_settings("\"compressed_head\": true", "\"compressed_head\": false") ==
        file + ": head.weight is missing, the settings need float32 (2, 2)");
  CHECK(with_settings("\"compressed_head\": true", "\"x\": true") ==
        settings + "compressed_head is missing");
  CHECK(with_settings("\"dim\": 2", "\"dim\": 1000000") ==
        settings + "needed a dim of the number of labels, at most 256, for compressed_head");
  CHECK(with_settings("\"bag\"", "\"cnn\"") ==
        settings + "needed no compressed_rows, unless arch is bag");
}

TEST_CASE("compress: the bundled questions at a tenth of the size", "[text_compress]") {
  const Program program;
  const std::string test = bundled("questions_test.tsv");
  const auto accuracy = [&](const std::string& model) {
    const std::string out = program.run_well("eval --model " + model + " --test " + test).out;
    return std::stod(out.substr(out.rfind("accuracy ") + 9));
  };
  program.run_well("train --arch bag --ngrams 2 --epochs 20 --out m");
  const std::int64_t before = bytes_of(program.file("m"));
  const std::string error = program.run_well("compress --model m --out s").error;
  CHECK(error.find("compressed from " + std::to_string(before) + " to ") == 0);
  CHECK(bytes_of(program.file("s")) <= before / 10);
  CHECK(accuracy("s") >= accuracy("m") - 0.0251);  // 3 of 120 questions
  for (const char* size : {"20kB", "5kB"}) {
    program.run_well("compress --model m --out t --size " + std::string(size));
    CHECK(bytes_of(program.file("t")) <= parse_size(size, ""));
    CHECK(accuracy("t") > 0.5);
  }
  // It predicts and exports as other models do.
  CHECK(program.run_well("predict --model s 'Who wrote Faust?'").out.starts_with("HUM  "));
  program.run_well("export --model s --onnx m.onnx --settings s.json --c m.c");
  CHECK(program.read("s.json").find("compressed_rows") != std::string::npos);
  program.require_error("export --model s --vocabulary v.txt",
                        "export: --vocabulary: this model is compressed and holds hashes in place "
                        "of words; needed the model that it was made from");
  program.require_error("neighbors --model s who", "neighbors: this model is compressed and holds");
  program.require_error("compress --model s --out u", "compress: this model is compressed already");
  program.require_error("compress --model m --out m", "compress: --out is the folder of --model");
  program.require_error("compress --model m --out u --size 1kB",
                        "compress: 1000 bytes are too few");
  program.require_error("compress --model m --out u --size big", "compress: --size is 'big'");
  CHECK_FALSE(std::filesystem::exists(program.file("u")));
}

TEST_CASE("train --size: the model is compressed before it is tested and saved",
          "[text_compress]") {
  const Program program;
  const auto output = program.run_well(
      "train --arch bag --ngrams 2 --chars 2-4 --buckets 3000 --epochs 20 --size 20kB --out m");
  CHECK(output.error.find("compressed to ") != std::string::npos);
  CHECK(bytes_of(program.file("m")) <= 20'000);
  const std::string eval =
      program.run_well("eval --model m --test " + bundled("questions_test.tsv")).out;
  CHECK(output.out.substr(output.out.rfind("accuracy")) == eval.substr(eval.rfind("accuracy")));
  program.require_error("train --arch rnn --size 20kB --out n",
                        "train: --size compresses the table of a bag, and rnn is not one");
  program.require_error("train --arch bag --size 20XB --out n", "train: --size is '20XB'");
  program.require_error("train --arch bag --size 1kB --out n",
                        "train: --size: 1000 bytes are too few for the labels");
  CHECK_FALSE(std::filesystem::exists(program.file("n/model.safetensors")));
}
