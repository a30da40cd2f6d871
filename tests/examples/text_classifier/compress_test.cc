// Compressed models: codes, sizes and accuracies, the strict reading of their files, and what they
// refuse. Read next: examples/text_classifier/compress.h.
#include "text_classifier/compress.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "common/hashing.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "text_classifier/compressed.h"
#include "text_classifier/evaluation.h"
#include "text_classifier/saved_settings.h"
#include "text_classifier/size.h"

using namespace text_classifier;
using namespace text_classifier_test;
using namespace examples;
using tapegrad::test::error_text;
using tapegrad::test::TemporaryFolder;

namespace {

std::int64_t bytes_of(const std::string& folder) {
  return static_cast<std::int64_t>(std::filesystem::file_size(folder + "/model.safetensors"));
}

// A bag whose rows are given, with words w0, w1, ...: each occurs less often than the one before.
Trained bag_of(const std::vector<std::vector<float>>& rows, bool identity = true,
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
  return {model, vocabulary, labels, 100};
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

  table.subvector_size = 4;
  table.codes = {0, 255};
  table.centroids.assign(256 * 4, 0);
  table.centroids[255 * 4 + 1] = 127;
  CHECK(tg::allclose(table.table(),
                     tg::tensor({{0., 0.}, {0., 0.}, {0., 0.}, {0., 16.}}).to(tg::float32)));
}

TEST_CASE("keys of words and buckets: known values", "[text_compress]") {
  CHECK(key_of("foobar") == (0x85944171U ^ 0xF73967E8U));
  CHECK(key_of_bucket(12) == to_32_bits(hash_of("\x01"
                                                "12")));
  CHECK(key_of_bucket(0) == to_32_bits(hash_of("\x01"
                                               "0")));
}

TEST_CASE("compressed: rows become centered logits, and the strongest stay", "[text_compress]") {
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 3000; ++i) rows.push_back({0.001F, -0.001F});
  rows[1500] = {5, 1};  // adds 2, -2 after centering
  rows[2999] = {-4, 4};
  rows[7] = {3, 3};  // adds nothing
  const Trained bag = bag_of(rows);
  const Trained small = compressed(bag, 2000, "compress");
  CHECK(small.settings().compression.projected);
  CHECK(small.settings().dim == 2);
  const auto row_of = [&](const char* word) {
    const auto id = small.compressed->find(key_of(word));
    REQUIRE(id);
    return select(small.model.embedding.weight.value(), 0, *id);
  };
  CHECK(tg::allclose(row_of("w1500"), tg::tensor({2.0F, -2.0F}), 0.02));
  CHECK(tg::allclose(row_of("w2999"), tg::tensor({-4.0F, 4.0F}), 0.02));
  CHECK_FALSE(small.compressed->find(key_of("w7")));
  // What is left out, and what was never seen, counts as an unknown word.
  CHECK(tg::to_vector<std::int64_t>(small.ids("w7 zzqx")) == std::vector<std::int64_t>{1, 1});
  const TemporaryFolder folder;
  save(small, folder.file("m"));
  CHECK(bytes_of(folder.file("m")) <= 2000);
  CHECK(bytes_of(folder.file("m")) > 1500);
}

TEST_CASE("compressed: all rows fit, so the answers hardly change", "[text_compress]") {
  tg::manual_seed(5);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 400; ++i) rows.push_back(tg::to_vector<float>(tg::randn({6})));
  const bool many_classes = GENERATE(false, true);
  const Trained bag = bag_of(rows, false, many_classes ? 11 : 3);
  for (const std::int64_t size : {100'000, 12'000}) {
    Trained small = compressed(bag, size, "compress");
    CHECK(small.settings().compression.projected != many_classes);
    Trained original = bag;
    std::vector<tg::Tensor> long_ids, short_ids;
    for (int i = 0; i < 100; ++i) {
      const std::string text = "w" + std::to_string(i) + " w" + std::to_string(4 * i);
      long_ids.push_back(original.ids(text));
      short_ids.push_back(small.ids(text));
    }
    const tg::Tensor before = probabilities(original, long_ids);
    const tg::Tensor after = probabilities(small, short_ids);
    CHECK(max(abs(before - after)).item<double>() < 0.05);
    // Saved and loaded again, the model is the same to the bit, and so is its file.
    const TemporaryFolder folder;
    save(small, folder.file("m"));
    CHECK(bytes_of(folder.file("m")) <= size);
    Trained loaded = load(folder.file("m"));
    const tg::Tensor again = probabilities(loaded, short_ids);
    CHECK(tg::to_vector<float>(again) == tg::to_vector<float>(after));
    save(loaded, folder.file("n"));
    CHECK(tg::read_file(folder.file("m/model.safetensors")) ==
          tg::read_file(folder.file("n/model.safetensors")));
  }
}

TEST_CASE("compressed: each class keeps its words", "[text_compress]") {
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 3000; ++i)
    rows.push_back({i % 2 == 0 ? 9.0F : 0.0F, i % 2 == 0 ? 0.0F : 9.0F, 0});
  for (int i = 2996; i < 3000; ++i) rows[static_cast<std::size_t>(i)] = {0, 0, 0.1F};
  const Trained bag = bag_of(rows, true, 3);
  Trained small = compressed(bag, 2000, "compress");
  const tg::Tensor p = probabilities(small, {small.ids("w2996")});
  CHECK(argmax(p).item<std::int64_t>() == 2);
}

TEST_CASE("compressed: what is refused", "[text_compress]") {
  const Trained bag = bag_of({{1, 2}, {3, 4}});
  const auto refusal = [](const Trained& model, std::int64_t size) {
    return error_text<tg::ValueError>([&] { compressed(model, size, "compress"); });
  };
  CHECK(refusal(bag, 700).starts_with(
      "compress: 700 bytes are too few for the labels and some words of each; needed "));
  const Trained small = compressed(bag, 5000, "compress");
  CHECK(refusal(small, 5000) ==
        "compress: this model is compressed already; needed the one that it was made from");
  const ModelSettings gru{.arch = "gru", .vocabulary = bag.vocabulary.size(), .classes = 2};
  const Trained sequence{Classifier(gru), bag.vocabulary, bag.labels, 100};
  CHECK(refusal(sequence, 5000) ==
        "compress: only a bag can be compressed, and this model is a gru; needed --arch bag");
  const Trained broken = bag_of({{NAN, 2}, {3, 4}});
  CHECK(refusal(broken, 5000) == "compress: the weights are not finite; train with a lower --lr");
  const Trained unknown = bag_of({{1, 2}, {3, 4}});
  tg::select(unknown.model.embedding.weight.leaf().writable_value(), 0, 1).fill_(NAN);
  CHECK(refusal(unknown, 5000) == refusal(broken, 5000));
}

TEST_CASE("compressed: files are read strictly", "[text_compress]") {
  const TemporaryFolder folder;
  const std::string file = folder.file("model.safetensors");
  const Trained bag = bag_of({{1, 2}, {3, 4}, {5, 7}});
  const Trained small = compressed(bag, 5000, "compress");
  REQUIRE(small.settings().compression.rows == 4);
  REQUIRE(small.settings().compression.subvector_size == 0);
  save(small, folder.path());
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
      metadata.at("settings") = replaced(metadata.at("settings"), from, to);
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
  for (const auto& [least, greatest] : std::vector<std::pair<float, float>>{
           {0.0F, 2.0F}, {-1.0F, 2.0F}, {3.0F, 2.0F}, {NAN, 2.0F}, {1.0F, INFINITY}}) {
    CHECK(with_tensor("table.scale_limits", tg::tensor({least, greatest})) ==
          file + ": table.scale_limits: needed two finite numbers, 0 < least <= greatest");
  }
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
  const Session session;
  const std::string test = bundled_questions("test");
  const auto accuracy = [&](const std::string& model) {
    return accuracy_in(session.run_well("eval --model " + model + " --test " + test).out);
  };
  session.run_well("train --arch bag --ngrams 2 --epochs 20 --out m");
  const std::int64_t before = bytes_of(session.file("m"));
  const std::string error = session.run_well("compress --model m --out s").error;
  CHECK(error.find("compressed from " + std::to_string(before) + " to ") == 0);
  CHECK(bytes_of(session.file("s")) <= before / 10);
  CHECK(accuracy("s") >= accuracy("m") - 0.0251);  // 3 of 120 questions
  for (const char* size : {"20kB", "5kB"}) {
    session.run_well("compress --model m --out t --size " + std::string(size));
    CHECK(bytes_of(session.file("t")) <= parse_size(size, ""));
    CHECK(accuracy("t") > 0.5);
  }
  // It predicts and exports as other models do.
  CHECK(session.run_well("predict --model s 'Who wrote Faust?'").out.starts_with("HUM  "));
  session.run_well("export --model s --onnx m.onnx --settings s.json --c m.c");
  CHECK(session.read("s.json").find("compressed_rows") != std::string::npos);
  session.require_error("export --model s --vocabulary v.txt",
                        "export: --vocabulary: this model is compressed and holds hashes in place "
                        "of words; needed the model that it was made from");
  session.require_error("neighbors --model s who", "neighbors: this model is compressed and holds");
  session.require_error("compress --model s --out u", "compress: this model is compressed already");
  session.require_error("compress --model m --out m", "compress: --out is the folder of --model");
  session.require_error("compress --model m --out u --size 1kB",
                        "compress: 1000 bytes are too few");
  session.require_error("compress --model m --out u --size big", "compress: --size is 'big'");
  CHECK_FALSE(std::filesystem::exists(session.file("u")));
}

TEST_CASE("train --size: the model is compressed before it is tested and saved",
          "[text_compress]") {
  const Session session;
  const auto output = session.run_well(
      "train --arch bag --ngrams 2 --chars 2-4 --buckets 3000 --epochs 20 --size 20kB --out m");
  CHECK(output.error.find("compressed to ") != std::string::npos);
  CHECK(bytes_of(session.file("m")) <= 20'000);
  const std::string eval =
      session.run_well("eval --model m --test " + bundled_questions("test")).out;
  CHECK(output.out.substr(output.out.rfind("accuracy")) == eval.substr(eval.rfind("accuracy")));
  session.require_error("train --arch rnn --size 20kB --out n",
                        "train: --size compresses the table of a bag, and rnn is not one");
  session.require_error("train --arch bag --size 20XB --out n", "train: --size is '20XB'");
  session.require_error("train --arch bag --size 1kB --out n",
                        "train: --size: 1000 bytes are too few for the labels");
  CHECK_FALSE(std::filesystem::exists(session.file("n/model.safetensors")));
}
