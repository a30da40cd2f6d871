// Writes and checks the file. The sizes come from the tensors, so a damaged file cannot ask for
// more memory than it has bytes. Read next: evaluation.h.
#include "recommender/saved_model.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>

#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

namespace recommender {
namespace {

constexpr const char* kFormat = "tapegrad recommender 1";

// Names have no line ends, because they come from lines.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + '\n';
  return text;
}

Names separated(const std::string& text) {
  Names names;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) throw tg::FormatError("a list of names is damaged");
    names.add(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::string text_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

const std::string& entry(const tg::Metadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  if (found == metadata.end()) {
    throw tg::FormatError("it has no entry '" + std::string(name) + "'");
  }
  return found->second;
}

double number(const tg::Metadata& metadata, const char* name) {
  const std::string& text = entry(metadata, name);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw tg::FormatError("its entry '" + std::string(name) + "' is no number");
  }
  return value;
}

std::int64_t rows(const tg::StateDict& state, const char* name, std::int64_t dimension) {
  const tg::Tensor& tensor = state.at(name);
  if (tensor.dim() != 2) {
    throw tg::FormatError(std::string(name) + " is " + tg::to_string(tensor.sizes()) +
                          ", needed two dimensions");
  }
  return tensor.size(dimension);
}

std::vector<std::int64_t> integers(const tg::StateDict& state, const char* name) {
  const tg::Tensor& tensor = state.at(name);
  if (tensor.dtype() != tg::int64 || tensor.dim() != 1) {
    throw tg::FormatError(std::string(name) + " is not a list of integers");
  }
  const auto all = tensor.span<std::int64_t>();
  return {all.begin(), all.end()};
}

void check_finite(const tg::StateDict& state) {
  for (const auto& [name, tensor] : state) {
    if (!tg::is_floating_point(tensor.dtype()) || tensor.numel() == 0) continue;
    if (!std::isfinite(max(abs(tensor)).to(tg::float64).item<double>())) {
      throw tg::FormatError(name + " has elements that are not finite");
    }
  }
}

SavedModel read_model(const tg::Checkpoint& file) {
  if (entry(file.metadata, "format") != kFormat) {
    throw tg::FormatError("its format is '" + entry(file.metadata, "format") + "', needed '" +
                          kFormat + "'");
  }
  const tg::StateDict& state = file.state;
  const std::string& kind = entry(file.metadata, "model");
  if (kind != "mf" && kind != "neural") throw tg::FormatError("its model is '" + kind + "'");
  Sizes sizes{.kind = kind == "mf" ? ModelKind::mf : ModelKind::neural,
              .users = rows(state, "users.weight", 0),
              .items = rows(state, "items.weight", 0),
              .dim = rows(state, "users.weight", 1),
              .hidden = kind == "mf" ? 0 : rows(state, "layer.weight", 0)};
  Names users = separated(entry(file.metadata, "users"));
  Names items = separated(entry(file.metadata, "items"));
  if (users.size() != sizes.users || items.size() != sizes.items) {
    throw tg::FormatError("it has " + std::to_string(users.size()) + " and " +
                          std::to_string(items.size()) + " different names, but vectors of " +
                          std::to_string(sizes.users) + " users and " +
                          std::to_string(sizes.items) + " items");
  }
  Rated rated(integers(state, "rated.offsets"), integers(state, "rated.items"), sizes.items);
  if (rated.users() != sizes.users) throw tg::FormatError("rated.offsets has another size");
  check_finite(state);
  tg::StateDict weights;
  for (const auto& [name, tensor] : state) {
    if (!name.starts_with("rated.")) weights.insert(name, tensor);
  }
  std::unique_ptr<Model> model = make_model(sizes);
  model->load_state_dict(weights);
  return {.kind = sizes.kind,
          .model = std::move(model),
          .users = std::move(users),
          .items = std::move(items),
          .rated = std::move(rated),
          .least = static_cast<float>(number(file.metadata, "least")),
          .greatest = static_cast<float>(number(file.metadata, "greatest")),
          .l2 = number(file.metadata, "l2")};
}

}  // namespace

tg::Tensor predict(const SavedModel& saved, const tg::Tensor& users, const tg::Tensor& items) {
  const tg::NoGrad guard;
  return clamp((*saved.model)(users, items).value(), saved.least, saved.greatest);
}

tg::Tensor predict_all(const SavedModel& saved, std::int64_t user) {
  const std::int64_t items = saved.items.size();
  return predict(saved, tg::full({items}, user), tg::arange(items));
}

void save_model(const std::string& path, const SavedModel& saved) {
  tg::StateDict state = saved.model->state_dict();
  state.insert("rated.offsets", tg::tensor(saved.rated.offsets()));
  state.insert("rated.items", tg::tensor(saved.rated.items()));
  tg::save(path, state,
           {{"format", kFormat},
            {"model", saved.kind == ModelKind::mf ? "mf" : "neural"},
            {"users", joined(saved.users.names())},
            {"items", joined(saved.items.names())},
            {"least", text_of(static_cast<double>(saved.least))},
            {"greatest", text_of(static_cast<double>(saved.greatest))},
            {"l2", text_of(saved.l2)}});
}

SavedModel load_model(const std::string& path) {
  const tg::Checkpoint file = tg::load_with_metadata(path);
  try {
    return read_model(file);
  } catch (const tg::Error& error) {
    throw tg::FormatError(path + ": this is no whole model of recommender: " + error.what());
  }
}

}  // namespace recommender
