// The settings and the shapes in the file of a model are read strictly, and hostile files take
// little memory. Read next: examples/text_classifier/trained.h.
#include <tapegrad/tensor/io/safetensors.h>

#include <string>
#include <vector>

#include "child.h"
#include "error_text.h"
#include "examples/text_classifier/session.h"
#include "sanitized.h"
#include "tensor/temporary_folder.h"
#include "text_classifier/parameter_shapes.h"
#include "text_classifier/run_folder.h"
#include "text_classifier/saved_settings.h"

using namespace text_classifier;
using tapegrad::test::error_text;
using tapegrad::test::limit_memory;
using tapegrad::test::TemporaryFolder;
using tapegrad::test::text_in_child;
using text_classifier_test::replaced;

TEST_CASE("the settings of a model are read strictly", "[text_folder]") {
  const std::string good = settings_text({.arch = "gru"}, 200, {"A", "B"});
  CHECK(parse_settings(good, "s").labels.size() == 2);
  const auto text_with = [&](const std::string& old, const std::string& by) {
    const std::string changed = replaced(good, old, by);
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
        "s: format 4294967298, this program reads 1 to 4");
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

TEST_CASE("a vocabulary that no file can hold is refused before the training", "[text_folder]") {
  const std::vector<std::vector<std::string>> texts = {{std::string(99'000'000, 'a')}};
  const auto vocabulary = tg::nn::Vocabulary::build(texts);
  const ModelSettings settings{.arch = "bag", .vocabulary = 3, .classes = 1, .dim = 1};
  const Trained trained{Classifier(settings), vocabulary, {"A"}, 1};
  CHECK(error_text<tg::ValueError>([&] {
          check_can_be_saved(trained);
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
