// Writes and parses the settings of a saved model. Read next: splits.h.
#include "text_classifier/saved_settings.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "text_classifier/calibration.h"

namespace text_classifier {
namespace {

using nlohmann::json;

// Parses and checks the JSON of one model.
class SettingsParser {
 public:
  SettingsParser(std::string_view text, const std::string& name) : name_(name) {
    // The JSON library would treat a NUL as the end of the text.
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) fail_at(nul + 1);
    try {
      json_ = json::parse(text, [this](int depth, json::parse_event_t event, json& parsed) {
        return accept(depth, event, parsed);
      });
    } catch (const json::parse_error& error) {
      fail_at(error.byte);
    } catch (const json::out_of_range&) {
      fail("a number is too large");
    }
    if (!json_.is_object()) fail("needed a JSON object");
  }

  SavedSettings parse() const {
    SavedSettings settings;
    const std::int64_t format = integer("format");
    if (format < 1 || format > kNewestFormat) {
      fail("format " + std::to_string(format) + ", this program reads 1 to " +
           std::to_string(kNewestFormat));
    }
    settings.format = static_cast<int>(format);
    ModelSettings& model = settings.model;
    model.arch = string("arch");
    model.dim = integer("dim");
    model.hidden = integer("hidden");
    model.dropout = number("dropout");
    if (format > 1) {
      model.pool = string("pool");
      model.layers = integer("layers");
      model.bidirectional = boolean("bidirectional");
      model.filters = integer("filters");
    }
    if (model.arch == "attention") model.heads = integer("heads");
    if (has("chars")) {
      const std::vector<std::int64_t> lengths = integers("chars");
      if (lengths.size() != 2) fail("chars has another size, needed [shortest, longest]");
      model.characters = {lengths[0], lengths[1], integer("buckets")};
      model.words = boolean("words");
    }
    if (has("compressed_rows")) {
      model.compression.rows = integer("compressed_rows");
      const std::string codes = string("compressed_codes");
      if (codes != "int8" && codes != "product2" && codes != "product4") {
        fail("needed compressed_codes of int8, product2 or product4");
      }
      model.compression.subvector_size = codes == "int8" ? 0 : codes == "product2" ? 2 : 4;
      model.compression.projected = boolean("compressed_head");
    }
    settings.max_length = integer("max_length");
    if (has("length_unit")) {
      const std::string unit = string("length_unit");
      if (unit != "words" && unit != "tokens") fail("needed a length_unit of words or tokens");
      settings.answering.length_unit = unit == "words" ? LengthUnit::kWords : LengthUnit::kTokens;
    }
    if (has("temperature")) settings.answering.temperature = number("temperature");
    settings.labels = strings("labels");
    if (format >= 4) settings.answering.thresholds = numbers("thresholds");
    check(settings);
    return settings;
  }

 private:
  [[noreturn]] void fail(const std::string& text) const {
    throw tg::FormatError(name_ + ": " + text);
  }
  void require(bool fine, const char* needed) const {
    if (!fine) fail(std::string("needed ") + needed);
  }
  [[noreturn]] void fail_at(std::size_t byte) const {
    fail("this is not JSON at its byte " + std::to_string(byte));
  }

  // Called by the JSON library while it parses, so that a hostile text is refused before it takes
  // memory.
  bool accept(int depth, json::parse_event_t event, const json& parsed) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth > 1) fail("objects and lists are nested more deeply than needed");
    if (event == json::parse_event_t::key && depth == 1) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.insert(key).second) fail(shown(parsed) + " is given twice");
    }
    return true;
  }

  // A value as it stands in the file, cut if it is long.
  static std::string shown(const json& value) {
    constexpr std::size_t kLongest = 40;
    const std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
  }

  bool has(const char* key) const { return json_.contains(key); }
  const json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(std::string(key) + " is missing");
    return *found;
  }

  const json& of_type(const char* key, bool (json::*is_type)() const noexcept,
                      const char* needed) const {
    const json& value = at(key);
    if (!(value.*is_type)()) {
      fail(std::string(key) + " is " + shown(value) + ", needed " + needed);
    }
    return value;
  }

  std::int64_t integer(const char* key) const {
    const json& value = of_type(key, &json::is_number_integer, "an integer");
    constexpr auto kLargest = std::numeric_limits<std::int64_t>::max();
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(kLargest)) {
      fail(std::string(key) + " is " + shown(value) + ", needed at most " +
           std::to_string(kLargest));
    }
    return value.get<std::int64_t>();
  }
  double number(const char* key) const {
    return of_type(key, &json::is_number, "a number").get<double>();
  }
  bool boolean(const char* key) const {
    return of_type(key, &json::is_boolean, "true or false").get<bool>();
  }
  std::string string(const char* key) const {
    return of_type(key, &json::is_string, "a string").get<std::string>();
  }
  std::vector<std::string> strings(const char* key) const {
    std::vector<std::string> strings;
    for (const json& value : of_type(key, &json::is_array, "a list of strings")) {
      if (!value.is_string()) {
        fail(std::string(key) + " holds " + shown(value) + ", needed only strings");
      }
      strings.push_back(value.get<std::string>());
    }
    return strings;
  }

  std::vector<double> numbers(const char* key) const {
    std::vector<double> numbers;
    for (const json& value : of_type(key, &json::is_array, "a list of numbers")) {
      if (!value.is_number()) {
        fail(std::string(key) + " holds " + shown(value) + ", needed only numbers");
      }
      numbers.push_back(value.get<double>());
    }
    return numbers;
  }

  std::vector<std::int64_t> integers(const char* key) const {
    std::vector<std::int64_t> integers;
    for (const json& value : of_type(key, &json::is_array, "a list of integers")) {
      if (!value.is_number_integer() || value > std::numeric_limits<std::int64_t>::max()) {
        fail(std::string(key) + " holds " + shown(value) + ", needed only integers");
      }
      integers.push_back(value.get<std::int64_t>());
    }
    return integers;
  }

  void check_characters(const Characters& characters, bool is_bag) const {
    require(is_bag, "no chars, unless arch is bag");
    require(characters.shortest >= 1 && characters.shortest <= characters.longest &&
                characters.longest <= Characters::kLongest,
            "chars of two lengths from 1 to 9");
    require(characters.buckets >= 1 && characters.buckets <= Characters::kMostBuckets,
            "buckets from 1 to 100000000");
  }

  void check_compression(const ModelSettings& model, std::int64_t classes) const {
    const Compression& compression = model.compression;
    require(model.arch == "bag", "no compressed_rows, unless arch is bag");
    require(compression.rows >= 1 && compression.rows <= 1'000'000'000,
            "compressed_rows from 1 to 1000000000");
    require(!compression.projected || (model.dim == classes && classes <= kMostProjected),
            "a dim of the number of labels, at most 256, for compressed_head");
  }

  void check(const SavedSettings& settings) const {
    const ModelSettings& model = settings.model;
    constexpr std::int64_t kLargest = 1'000'000;
    if (settings.format == 1) {
      require(model.arch == "bag" || model.arch == "rnn", "an arch of bag or rnn");
    } else {
      require(is_architecture(model.arch), "an arch of bag, rnn, lstm, gru, cnn or attention");
    }
    require(model.dim >= 1 && model.dim <= kLargest, "a dim from 1 to 1000000");
    require(model.hidden >= 1 && model.hidden <= kLargest, "a hidden from 1 to 1000000");
    require(model.pool == "last" || model.pool == "mean" || model.pool == "max" ||
                (model.pool == "sqrt" && model.arch == "bag"),
            "a pool of last, mean or max");
    require(model.layers >= 1 && model.layers <= kMostLayers, "layers from 1 to 100");
    require(has_states(model.arch) || model.layers == 1,
            "1 layer, unless arch is rnn, lstm, gru or attention");
    require(is_recurrent(model.arch) || !model.bidirectional,
            "one direction, unless arch is rnn, lstm or gru");
    require(model.filters >= 1 && model.filters <= kLargest, "filters from 1 to 1000000");
    require(model.dropout >= 0 && model.dropout <= 1, "a dropout from 0 to 1");
    require(settings.max_length >= 1, "a max_length of 1 or more");
    if (has("compressed_rows")) check_compression(model, std::ssize(settings.labels));
    if (has("chars")) check_characters(model.characters, model.arch == "bag");
    const double temperature = settings.answering.temperature;
    require(temperature >= kLowestTemperature && temperature <= kHighestTemperature,
            "a temperature from 0.05 to 20");
    if (model.arch == "attention") {
      require(
          model.heads >= 1 && model.heads <= model.hidden && model.hidden % (2 * model.heads) == 0,
          "a hidden that is a multiple of twice the heads");
      require(settings.max_length <= kMostPositions, "a max_length of 5000 or less for attention");
    }
    require(!settings.labels.empty(), "at least one label");
    if (settings.format >= 4) {
      const std::vector<double>& thresholds = settings.answering.thresholds;
      require(thresholds.size() == settings.labels.size() &&
                  std::ranges::all_of(thresholds, [](double x) { return x >= 0 && x <= 1; }),
              "thresholds from 0 to 1, one for each label");
    }
    std::set<std::string_view> labels;
    for (const std::string& label : settings.labels) {
      if (!labels.insert(label).second) fail("label " + shown(label) + " is given twice");
    }
  }

  const std::string& name_;
  json json_;
  std::set<std::string> keys_;
};

}  // namespace

std::string settings_text(const ModelSettings& model, std::int64_t max_length,
                          const std::vector<std::string>& labels, const Answering& answering) {
  const int format = answering.multi_label() ? kNewestFormat : kFormatOfOneLabel;
  nlohmann::ordered_json json = {{"format", format},         {"arch", model.arch},
                                 {"dim", model.dim},         {"hidden", model.hidden},
                                 {"dropout", model.dropout}, {"pool", model.pool},
                                 {"layers", model.layers},   {"bidirectional", model.bidirectional},
                                 {"filters", model.filters}};
  if (model.arch == "attention") json["heads"] = model.heads;
  if (model.characters.used()) {
    json["chars"] = {model.characters.shortest, model.characters.longest};
    json["buckets"] = model.characters.buckets;
    json["words"] = model.words;
  }
  if (model.compression.used()) {
    json["compressed_rows"] = model.compression.rows;
    json["compressed_codes"] = model.compression.subvector_size == 0
                                   ? "int8"
                                   : "product" + std::to_string(model.compression.subvector_size);
    json["compressed_head"] = model.compression.projected;
  }
  json["max_length"] = max_length;
  json["length_unit"] = answering.length_unit == LengthUnit::kWords ? "words" : "tokens";
  json["temperature"] = answering.temperature;
  json["labels"] = labels;
  if (answering.multi_label()) json["thresholds"] = answering.thresholds;
  return json.dump(2) + "\n";
}

SavedSettings parse_settings(std::string_view text, const std::string& name) {
  return SettingsParser(text, name).parse();
}

}  // namespace text_classifier
