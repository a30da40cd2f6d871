// The same names and shapes as in model.cc. Read next: trained.h.
#include "text_classifier/parameter_shapes.h"

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace text_classifier {
namespace {

void append_linear(NamedShapes& shapes, const std::string& name, std::int64_t in,
                   std::int64_t out) {
  shapes.emplace_back(name + ".weight", tg::Shape{out, in});
  shapes.emplace_back(name + ".bias", tg::Shape{out});
}

// The parameters of one layer of a recurrent network, in one direction.
void append_recurrent(NamedShapes& shapes, const std::string& before, const std::string& after,
                      std::int64_t in, std::int64_t hidden, std::int64_t gates) {
  shapes.emplace_back(before + "weight_hh" + after, tg::Shape{gates * hidden, hidden});
  shapes.emplace_back(before + "weight_ih" + after, tg::Shape{gates * hidden, in});
  shapes.emplace_back(before + "bias_hh" + after, tg::Shape{gates * hidden});
  shapes.emplace_back(before + "bias_ih" + after, tg::Shape{gates * hidden});
}

void append_encoder_layer(NamedShapes& shapes, const std::string& layer, std::int64_t hidden) {
  append_linear(shapes, layer + "self_attn.out_proj", hidden, hidden);
  shapes.emplace_back(layer + "self_attn.in_proj_weight", tg::Shape{3 * hidden, hidden});
  shapes.emplace_back(layer + "self_attn.in_proj_bias", tg::Shape{3 * hidden});
  append_linear(shapes, layer + "linear1", hidden, 4 * hidden);
  append_linear(shapes, layer + "linear2", 4 * hidden, hidden);
  for (const char* norm : {"norm1", "norm2"}) {
    shapes.emplace_back(layer + norm + ".weight", tg::Shape{hidden});
    shapes.emplace_back(layer + norm + ".bias", tg::Shape{hidden});
  }
}

}  // namespace

NamedShapes parameter_shapes(const ModelSettings& settings) {
  const std::string& arch = settings.arch;
  const std::int64_t dim = settings.dim;
  const std::int64_t hidden = settings.hidden;
  NamedShapes shapes = {{"embedding.weight", {rows_of_table(settings), dim}}};
  if (is_one_cell(settings)) {
    append_recurrent(shapes, "cell.", "", dim, hidden, 1);
  } else if (is_recurrent(arch)) {
    const std::int64_t gates = arch == "lstm" ? 4 : arch == "gru" ? 3 : 1;
    const std::int64_t directions = settings.bidirectional ? 2 : 1;
    for (std::int64_t layer = settings.layers - 1; layer >= 0; --layer) {
      const std::int64_t in = layer == 0 ? dim : directions * hidden;
      const std::string name = "_l" + std::to_string(layer);
      append_recurrent(shapes, arch + ".", name, in, hidden, gates);
      if (settings.bidirectional) {
        append_recurrent(shapes, arch + ".", name + "_reverse", in, hidden, gates);
      }
    }
  } else if (arch == "attention") {
    for (std::int64_t layer = settings.layers - 1; layer >= 0; --layer) {
      append_encoder_layer(shapes, "encoder.layers." + std::to_string(layer) + ".", hidden);
    }
    shapes.emplace_back("encoder.norm.weight", tg::Shape{hidden});
    shapes.emplace_back("encoder.norm.bias", tg::Shape{hidden});
    append_linear(shapes, "widen", dim, hidden);
  } else if (arch == "cnn") {
    for (std::size_t i = 0; i < std::size(kWidths); ++i) {
      const std::string name = "convolutions." + std::to_string(i);
      shapes.emplace_back(name + ".weight", tg::Shape{settings.filters, dim, kWidths[i]});
      shapes.emplace_back(name + ".bias", tg::Shape{settings.filters});
    }
  }
  append_linear(shapes, "head", width_of_text(settings), settings.classes);
  return shapes;
}

}  // namespace text_classifier
