// Rows of lookups of rows and of bags. Read next: similarity.cc.
#include <algorithm>
#include <cmath>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kLookup{.exact = true, .frequency = 1.5};
constexpr Operation::Traits kBags{.special = false, .frequency = 1.5};

std::int64_t id(double x) { return static_cast<std::int64_t>(x); }

Shape draw_table(Draw& d, const Domain& domain = kAny) {
  const Shape table = d.any(domain, 2, 2);
  d.require(table[0] > 0 && table[0] < 1000);
  return table;
}

Plain looked_up(const Plain& table, const Plain& ids) {
  const std::int64_t width = table.shape[1];
  Shape shape = ids.shape;
  shape.push_back(width);
  Plain y = filled(shape, table.dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) y[i] = table[id(ids[i / width]) * width + i % width];
  return y;
}

// Bags of ids x[1]: its rows, or parts that begin at the offsets x[2]. `padding` is ignored.
Plain bagged(const Plain& table, const Plain& ids, const Plain* offsets, BagMode mode,
             std::int64_t padding, const Plain* weights, bool last_offset = false) {
  std::vector<std::int64_t> bounds;
  if (offsets != nullptr) {
    for (const double at : offsets->x) bounds.push_back(id(at));
    if (!last_offset) bounds.push_back(ids.numel());
  } else {
    for (std::int64_t row = 0; row <= ids.shape[0]; ++row) bounds.push_back(row * ids.shape[1]);
  }
  const std::int64_t width = table.shape[1];
  Plain y = filled({static_cast<std::int64_t>(bounds.size()) - 1, width}, table.dtype);
  for (std::int64_t bag = 0; bag < y.shape[0]; ++bag) {
    for (std::int64_t column = 0; column < width; ++column) {
      double total = 0;
      std::int64_t count = 0;
      for (std::int64_t i = bounds[static_cast<std::size_t>(bag)];
           i < bounds[static_cast<std::size_t>(bag) + 1]; ++i) {
        if (id(ids[i]) == padding) continue;
        const double each =
            table[id(ids[i]) * width + column] * (weights != nullptr ? (*weights)[i] : 1);
        total = mode == BagMode::max && count > 0 ? std::max(total, each)
                : mode == BagMode::max            ? each
                                                  : total + each;
        ++count;
      }
      if (mode == BagMode::mean && count > 0) total /= static_cast<double>(count);
      y[bag * width + column] = total;
    }
  }
  return y;
}

void draw_offsets(Draw& d, std::int64_t count, bool last) {
  std::vector<double> offsets = {0};
  for (std::int64_t bags = d.random.integer(0, 3); bags > 0; --bags) {
    offsets.push_back(static_cast<double>(d.random.integer(0, count)));
  }
  std::ranges::sort(offsets);
  if (last) offsets.push_back(static_cast<double>(count));
  const auto size = static_cast<std::int64_t>(offsets.size());
  d.leaf(size, int64, std::move(offsets));
}

}  // namespace

std::vector<Operation> embedding_rows() {
  return {
      {"embedding", CALL(embedding(x[0], x[1].value())),
       [](Draw& d) {
         const Shape table = draw_table(d);
         d.ids(d.mode() == Mode::large ? Shape(9) : d.shape(0, 2), 0, table[0] - 1);
       },
       [](const Plains& x, const Attributes&) -> Plains { return {looked_up(x[0], x[1])}; },
       kLookup},
      // The row of padding gets no gradient, so its results are multiplied by 0 in the check.
      {"embedding padding",
       CALL(embedding(x[0], x[1].value(), a.i) * (unsqueeze(x[1].value(), -1) != a.i)),
       [](Draw& d) {
         const Shape table = draw_table(d);
         d.a.i = d.random.integer(0, table[0] - 1);
         d.ids(d.mode() == Mode::large ? Shape(9) : d.shape(0, 2), 0, table[0] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = looked_up(x[0], x[1]);
         const std::int64_t width = x[0].shape[1];
         for (std::int64_t i = 0; i < y.numel(); ++i) {
           y[i] *= id(x[1][i / width]) == a.i ? 0 : 1;
         }
         return {y};
       },
       kLookup},
      {"embedding zeros for padding",
       CALL(embedding(x[0], x[1].value(),
                      EmbeddingLookup{.padding_idx = a.i, .zero_padding = true})),
       [](Draw& d) {
         const Shape table = draw_table(d);
         d.a.i = d.random.integer(0, table[0] - 1);
         d.ids(d.mode() == Mode::large ? Shape(9) : d.shape(0, 2), 0, table[0] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         Plain y = looked_up(x[0], x[1]);
         const std::int64_t width = x[0].shape[1];
         for (std::int64_t i = 0; i < y.numel(); ++i) {
           if (id(x[1][i / width]) == a.i) y[i] = 0;
         }
         return {y};
       },
       kLookup},
      {"embedding_bag",
       CALL(embedding_bag(x[0], x[1].value(), {},
                          {.mode = static_cast<BagMode>(a.i), .padding_idx = a.j})),
       [](Draw& d) {
         d.a.i = d.random.integer(0, 2);
         const Shape table = draw_table(d, d.a.i == 2 ? kDistinct : kAny);
         d.a.j = d.random.integer(0, table[0] - 1);
         d.ids({d.size(), d.size()}, 0, table[0] - 1);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {bagged(x[0], x[1], nullptr, static_cast<BagMode>(a.i), a.j, nullptr)};
       },
       kBags},
      {"embedding_bag offsets",
       CALL(embedding_bag(x[0], x[1].value(), x[2].value(),
                          {.mode = static_cast<BagMode>(a.i), .include_last_offset = a.flag})),
       [](Draw& d) {
         d.a.i = d.random.integer(0, 2);
         d.a.flag = d.random.chance(0.4);
         const Shape table = draw_table(d, d.a.i == 2 ? kDistinct : kAny);
         const std::int64_t count = d.random.integer(0, 12);
         d.ids(count, 0, table[0] - 1);
         draw_offsets(d, count, d.a.flag);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {bagged(x[0], x[1], &x[2], static_cast<BagMode>(a.i), -1, nullptr, a.flag)};
       },
       kBags},
      {"embedding_bag weighted",
       CALL(embedding_bag(x[0], x[1].value(), x[2].value(),
                          {.mode = BagMode::sum, .per_sample_weights = x[3], .padding_idx = a.j})),
       [](Draw& d) {
         const Shape table = draw_table(d);
         const std::int64_t count = d.random.integer(0, 12);
         d.a.j = d.random.integer(0, table[0] - 1);
         d.ids(count, 0, table[0] - 1);
         draw_offsets(d, count, false);
         d.of(count);
       },
       [](const Plains& x, const Attributes& a) -> Plains {
         return {bagged(x[0], x[1], &x[2], BagMode::sum, a.j, &x[3])};
       },
       kBags},
  };
}

}  // namespace tapegrad::tapes
