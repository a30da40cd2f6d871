// Rows of lookups of rows and of bags. Read next: op_cases_similarity.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// The plain reference: computes one bag after the other.
Tensor bags_by_hand(const Tensor& table, const Tensor& ids, const std::vector<std::int64_t>& bounds,
                    BagMode mode, std::int64_t padding = -1, const Tensor& factors = {}) {
  std::vector<Tensor> results;
  for (std::size_t b = 0; b + 1 < bounds.size(); ++b) {
    std::vector<Tensor> rows;
    for (std::int64_t i = bounds[b]; i < bounds[b + 1]; ++i) {
      const auto id = flatten(ids)[i].item<std::int64_t>();
      if (id == padding) continue;
      rows.push_back(factors.defined() ? table[id] * flatten(factors)[i] : table[id]);
    }
    if (rows.empty()) {
      results.push_back(zeros({table.size(1)}, table.dtype()));
    } else if (mode == BagMode::max) {
      results.push_back(max(stack(rows), 0).values);
    } else {
      results.push_back(mode == BagMode::sum ? sum(stack(rows), {0}) : mean(stack(rows), {0}));
    }
  }
  return stack(results);
}

}  // namespace

std::vector<OpCase> embedding_bag_cases() {
  return {
      {"embedding",
       [](auto& v) { return embedding(v[0], plain(v[1])); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding padding",
       // The row of padding is masked in the value, so that numerical differences are 0 there, too.
       [](auto& v) { return embedding(v[0], plain(v[1]), 4) * (plain(unsqueeze(v[1], -1)) != 4); },
       [](auto& v) { return embedding(v[0], v[1]) * (unsqueeze(v[1], -1) != 4); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding zeros for padding",
       [](auto& v) {
         return embedding(v[0], plain(v[1]), {.padding_idx = 4, .zero_padding = true});
       },
       [](auto& v) { return embedding(v[0], v[1]) * (unsqueeze(v[1], -1) != 4); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding_bag",
       [](auto& v) { return embedding_bag(v[0], plain(v[1])); },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 3, 6}, BagMode::mean);
       },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding_bag sum",  // the second bag is empty, the last one holds only padding
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::sum, .padding_idx = -1});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6, 8}, BagMode::sum, 4);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1, 4, 4}), tensor({0, 4, 4, 6})}},
      {"embedding_bag mean",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.include_last_offset = true, .padding_idx = 4});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6, 8}, BagMode::mean, 4);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1, 4, 4}), tensor({0, 4, 4, 6, 8})}},
      {"embedding_bag weighted",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::sum, .per_sample_weights = v[3]});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 4, 4, 6}, BagMode::sum, -1, v[3]);
       },
       {uniform({5, 2}), tensor({1, 4, 1, 0, 3, 1}), tensor({0, 4, 4}), uniform({6})}},
      {"embedding_bag weighted with padding",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), {},
                              {.mode = BagMode::sum, .per_sample_weights = v[2], .padding_idx = 1});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 3, 6}, BagMode::sum, 1, v[2]);
       },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}}), uniform({2, 3})}},
      {"embedding_bag max",
       [](auto& v) {
         return embedding_bag(v[0], plain(v[1]), plain(v[2]),
                              {.mode = BagMode::max, .padding_idx = 4});
       },
       [](auto& v) {
         return bags_by_hand(v[0], v[1], {0, 5, 5, 7, 9}, BagMode::max, 4);
       },
       {distinct({5, 3}), tensor({1, 4, 2, 0, 3, 3, 1, 4, 4}), tensor({0, 5, 5, 7})}},
  };
}

}  // namespace tapegrad
