// The settings that a model is saved with, and damaged models, which every command refuses. Read
// next: examples/text_classifier/saved_settings.h.
#include <tapegrad/tensor/io/safetensors.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "examples/text_classifier/session.h"

using namespace text_classifier_test;

namespace {

// Changes the model into a folder as older versions wrote it, with three files.
void make_older(const Session& session) {
  session.run_well(
      "export --model model --vocabulary model/vocabulary.txt --settings model/settings.json");
  const std::string path = session.file("model/model.safetensors");
  tapegrad::save(path, tapegrad::load(path));
}

// Replaces the first `old` in a file of the model, and requires this error from predict.
void require_refused_with(const Session& session, const std::string& name, const std::string& old,
                          const std::string& by, const std::string& expected) {
  const std::string path = "model/" + name;
  const std::string whole = session.read(path);
  session.write(path, replaced(whole, old, by));
  session.require_error("predict --model model who", expected);
  session.write(path, whole);
}

}  // namespace

TEST_CASE("text_classifier refuses a damaged model", "[text_program]") {
  const std::string arch = GENERATE("bag", "rnn");
  const Session session;
  session.train_epochs("2 --arch " + arch);
  make_older(session);
  const auto require_refused = [&](const std::string& expected) {
    session.require_error("predict --model model who", expected);
    session.require_error("eval --model model --test test.tsv", expected);
    session.require_error("neighbors --model model who", expected);
  };
  session.require_error("predict --model nowhere who", "nowhere/model.safetensors: No such file");
  for (const std::string name : {"model.safetensors", "vocabulary.txt", "settings.json"}) {
    CAPTURE(name);
    const std::string path = session.file("model/" + name);
    const std::string whole = read_file(path);
    std::filesystem::remove(path);
    require_refused("model/" + name + ": No such file");
    for (const std::size_t left : {std::size_t{0}, std::size_t{5}, whole.size() - 2}) {
      CAPTURE(left);
      write_file(path, whole.substr(0, left));
      session.require_error("predict --model model who", "model/" + name + ":");
    }
    write_file(path, whole);
  }
  const auto with = [&](const std::string& name, const std::string& old, const std::string& by,
                        const std::string& expected) {
    require_refused_with(session, name, old, by, expected);
  };
  with("settings.json", "\"dim\": 4", "\"dim\": 5", "model.safetensors: embedding.weight is");
  with("settings.json", "\"dim\": 4", "\"dim\": -4", "settings.json: needed a dim");
  with("settings.json", "\"dim\": 4", "\"dim\": \"4\"", "settings.json: ");
  with("settings.json", "\"dim\": 4,", "", "settings.json: ");
  with("settings.json", "\"HUM\"", "\"HUM\", \"NUM\"", "model.safetensors: ");
  const std::string name = "\"" + arch + "\"";
  if (arch == "bag") {  // only a bag has this pool
    with("settings.json", name, "\"rnn\"", "settings.json: needed a pool of last, mean or max");
  } else {
    with("settings.json", name, "\"cnn\"", "model.safetensors: convolutions.0.weight is missing");
    with("settings.json", name, "\"bag\"", "model.safetensors: ");
  }
  with("settings.json", "\"dropout\": 0.5", "\"dropout\": 2", "settings.json: needed a dropout");
  with("settings.json", "\"max_length\": 200", "\"max_length\": 0", "settings.json: needed a max");
  with("settings.json", "\"format\": 3", "\"format\": 5",
       "settings.json: format 5, this program reads 1 to 4");
  with("settings.json", "\"temperature\": 1.0", "\"temperature\": 0",
       "settings.json: needed a temperature from 0.05 to 20");
  with("settings.json", "\"temperature\": 1.0", "\"temperature\": \"1\"", "settings.json: ");
  with("settings.json", "\"length_unit\": \"words\"", "\"length_unit\": \"lines\"",
       "settings.json: needed a length_unit of words or tokens");
  if (arch == "rnn") {
    with("settings.json", "\"hidden\": 5", "\"hidden\": 1000000", "model.safetensors: cell.weight");
  }
  with("vocabulary.txt", "\nwho\n", "\nwho\nwhom\n", "vocabulary.txt:");
  with("vocabulary.txt", "\nwho\n", "\nis\n", "vocabulary.txt:");
}

TEST_CASE("text_classifier saves the settings of each architecture", "[text_program]") {
  const Session session;
  const auto settings = [&](const std::string& arch) {
    session.train_epochs("1 --arch " + arch);
    return session.text_in_model("settings");
  };
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text, part);
    CHECK(text.find(part) != std::string::npos);
  };
  for (const char* arch : {"bag", "rnn", "rnn --pool max"}) {
    const std::string text = settings(arch);
    has(text, "\"format\": 3");
    has(text, arch == std::string_view("bag") ? "\"pool\": \"sqrt\"" : "\"pool\": \"max\"");
    has(text, "\"length_unit\": \"words\"");
    has(text, "\"temperature\": 1.0");
  }
  has(settings("rnn --pool last"), "\"pool\": \"last\"");
  has(settings("rnn --layers 2"), "\"layers\": 2");
  has(settings("rnn --bidirectional"), "\"bidirectional\": true");
  has(settings("cnn --filters 7"), "\"filters\": 7");
  has(settings("attention --hidden 8 --heads 2"), "\"heads\": 2");
  const std::string deep = settings("lstm --pool mean --layers 2 --bidirectional");
  for (const char* part : {"\"format\": 3", "\"arch\": \"lstm\"", "\"pool\": \"mean\"",
                           "\"layers\": 2", "\"bidirectional\": true"}) {
    has(deep, part);
  }
}

TEST_CASE("text_classifier refuses settings that do not fit an architecture", "[text_program]") {
  const Session session;
  const auto train_older = [&](const std::string& options) {
    session.train_epochs(options);
    make_older(session);
  };
  const auto with = [&](const std::string& old, const std::string& by,
                        const std::string& expected) {
    require_refused_with(session, "settings.json", old, by, expected);
  };
  train_older("1 --arch gru --layers 2");
  with("\"gru\"", "\"tree\"",
       "settings.json: needed an arch of bag, rnn, lstm, gru, cnn or attention");
  with("\"gru\"", "\"lstm\"", "model.safetensors: lstm.weight_hh_l1 is missing");
  with("\"gru\"", "\"rnn\"", "model.safetensors: rnn.weight_hh_l1 is missing");
  with("\"gru\"", "\"cnn\"", "settings.json: needed 1 layer, unless");
  with("\"max\"", "\"sum\"", "settings.json: needed a pool of last, mean or max");
  with("\"layers\": 2", "\"layers\": 3", "model.safetensors: gru.weight_hh_l2 is missing");
  with("\"layers\": 2", "\"layers\": 1", "model.safetensors: ");
  with("\"layers\": 2", "\"layers\": 1000000000", "settings.json: needed layers from 1 to 100");
  with("\"layers\": 2,", "", "settings.json: ");
  with("\"bidirectional\": false", "\"bidirectional\": true", "model.safetensors: ");
  with("\"bidirectional\": false", "\"bidirectional\": 0", "settings.json: ");
  with("\"hidden\": 5", "\"hidden\": 1000000", "model.safetensors: gru.weight_hh_l1 is");
  train_older("1 --arch gru --bidirectional");
  with("\"gru\"", "\"cnn\"", "settings.json: needed one direction, unless");
  train_older("1 --arch attention --hidden 16 --heads 2");
  with("\"heads\": 2", "\"heads\": 3", "settings.json: needed a hidden that is a multiple of");
  with("\"heads\": 2", "\"heads\": 0", "settings.json: needed a hidden that is a multiple of");
  with("\"heads\": 2,", "", "settings.json: ");
  with("\"hidden\": 16", "\"hidden\": 1000000",
       "model.safetensors: encoder.layers.0.self_attn.out_proj.weight is");
  with("\"layers\": 1", "\"layers\": 2",
       "model.safetensors: encoder.layers.1.self_attn.out_proj.weight is missing");
  with("\"max_length\": 200", "\"max_length\": 5001", "needed a max_length of 5000 or less");
  train_older("1 --arch cnn");
  with("\"filters\": 100", "\"filters\": 1000000", "model.safetensors: convolutions.0.weight is");
  with("\"filters\": 100", "\"filters\": 0", "settings.json: needed filters from 1");
  with("\"format\": 3", "\"format\": 1", "settings.json: needed an arch of bag or rnn");
}
