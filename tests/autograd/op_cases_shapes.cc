// Rows of shapes and indexing, lookups in tables among them. Read next: ops_test.cc.
#include <span>

#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// Bags of a table's rows, one after the other: the plainest way.
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

// The three ways to pass a list.
template <class T>
std::span<const T> spanned(const std::vector<T>& v) {
  return std::span<const T>(v);
}

}  // namespace

std::vector<OpCase> shapes() {
  return {
      {"reshape",
       [](auto& v) {
         return reshape(v[0], {3, -1});
       },
       {uniform({2, 3, 2})}},
      {"reshape nothing",
       [](auto& v) {
         return reshape(v[0], {3, 0, 2});
       },
       {uniform({0, 3})}},
      {"view",
       [](auto& v) {
         return view(contiguous(v[0]), {3, 4});
       },
       {uniform({2, 6})}},
      {"flatten", [](auto& v) { return flatten(v[0]); }, {uniform({2, 3, 2})}},
      {"flatten some", [](auto& v) { return flatten(v[0], 1, 2); }, {uniform({2, 3, 2})}},
      {"unflatten",
       [](auto& v) {
         return unflatten(v[0], 1, {2, -1});
       },
       {uniform({2, 6})}},
      {"squeeze", [](auto& v) { return squeeze(v[0]); }, {uniform({1, 3, 1})}},
      {"squeeze dim", [](auto& v) { return squeeze(v[0], 0); }, {uniform({1, 3, 1})}},
      {"unsqueeze", [](auto& v) { return unsqueeze(v[0], -1); }, {uniform({2, 3})}},
      {"permute",
       [](auto& v) {
         return permute(v[0], {2, 0, -2});
       },
       {uniform({2, 3, 4})}},
      {"transpose", [](auto& v) { return transpose(v[0]); }, {uniform({2, 3, 4})}},
      {"transpose dims", [](auto& v) { return transpose(v[0], 0, -1); }, {uniform({2, 3, 4})}},
      {"expand",
       [](auto& v) {
         return expand(v[0], {2, -1, 4});
       },
       {uniform({3, 1})}},
      {"broadcast_to",
       [](auto& v) {
         return broadcast_to(v[0], {2, 3});
       },
       {uniform({3})}},
      {"contiguous", [](auto& v) { return contiguous(transpose(v[0])); }, {uniform({2, 3})}},
      {"cat",
       [](auto& v) {
         return cat({v[0], v[1], v[2]});
       },
       {uniform({2, 3}), uniform({1, 3}), uniform({0, 3})}},
      {"cat vector", [](auto& v) { return cat(v, -1); }, {uniform({2, 1}), uniform({2, 3})}},
      {"cat span", [](auto& v) { return cat(spanned(v)); }, {uniform({2, 3})}},
      {"stack",
       [](auto& v) {
         return stack({v[0], v[1], v[2]});
       },
       {uniform({2, 3}), uniform({2, 3}), uniform({2, 3})}},
      {"stack vector", [](auto& v) { return stack(v, -1); }, {uniform({2, 3}), uniform({2, 3})}},
      {"stack span", [](auto& v) { return stack(spanned(v), 1); }, {uniform({3})}},
      {"split", [](auto& v) { return split(v[0], 2, 1); }, {uniform({2, 5})}},
      {"split sizes",
       [](auto& v) {
         return split(v[0], {1, 0, 3}, 0);
       },
       {uniform({4, 2})}},
      {"chunk", [](auto& v) { return chunk(v[0], 3); }, {uniform({7, 2})}},
      {"unbind", [](auto& v) { return unbind(v[0], 1); }, {uniform({2, 3, 2})}},
      {"repeat",
       [](auto& v) {
         return repeat(v[0], {2, 1, 3});
       },
       {uniform({3, 2})}},
      {"tile", [](auto& v) { return tile(v[0], 3); }, {uniform({3, 2})}},
      {"flip",
       [](auto& v) {
         return flip(v[0], {0, -1});
       },
       {uniform({2, 3, 2})}},
      {"roll",
       [](auto& v) {
         return roll(v[0], {1, -4}, {0, 1});
       },
       {uniform({2, 3})}},
      {"roll flat", [](auto& v) { return roll(v[0], 2); }, {uniform({2, 3})}},
      {"tril", [](auto& v) { return tril(v[0]); }, {uniform({3, 3})}},
      {"tril batch", [](auto& v) { return tril(v[0], 1); }, {uniform({2, 2, 3})}},
      {"triu", [](auto& v) { return triu(v[0]); }, {uniform({3, 3})}},
      {"triu batch", [](auto& v) { return triu(v[0], -1); }, {uniform({2, 3, 2})}},
  };
}

std::vector<OpCase> indexing() {
  return {
      {"select", [](auto& v) { return select(v[0], 1, -2); }, {uniform({2, 3, 2})}},
      {"narrow", [](auto& v) { return narrow(v[0], 1, 1, 2); }, {uniform({2, 4})}},
      {"narrow to nothing", [](auto& v) { return narrow(v[0], 0, 1, 0); }, {uniform({2, 3})}},
      {"slice", [](auto& v) { return slice(v[0], 0, -6, 100, 2); }, {uniform({7, 2})}},
      {"slice last", [](auto& v) { return slice(v[0], -1, 1, 3); }, {uniform({2, 4})}},
      {"slice to nothing", [](auto& v) { return slice(v[0], 0, 3, 1); }, {uniform({4, 2})}},
      {"index",
       [](auto& v) {
         return index(v[0], {1, newaxis, Slice{1, {}, 2}, ellipsis, -1});
       },
       {uniform({2, 4, 2, 3})}},
      {"index_select",
       [](auto& v) { return index_select(v[0], 1, plain(v[1])); },
       {uniform({2, 3}), tensor({2, 0, 2, 2})}},
      {"index_select nothing",
       [](auto& v) { return index_select(v[0], 0, zeros({0}, int64)); },
       {uniform({2, 3})}},
      {"gather",
       [](auto& v) { return gather(v[0], 0, plain(v[1])); },
       {uniform({3, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"take_along_dim",
       [](auto& v) { return take_along_dim(v[0], plain(v[1]), 1); },
       {uniform({2, 3}), tensor({{2, 0, 0, 1}})}},
      {"scatter",
       [](auto& v) { return scatter(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 5}), uniform({2, 4}), tensor({{2, 0, 1, 3}, {3, 1, 0, 2}})}},
      {"scatter_add",
       [](auto& v) { return scatter_add(v[0], 1, plain(v[2]), v[1]); },
       {uniform({2, 3}), uniform({2, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"scatter_add part",
       [](auto& v) { return scatter_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 5}), uniform({4, 4}), tensor({{0, 1, 1, 0}, {2, 2, 2, 1}})}},
      {"index_add",
       [](auto& v) { return index_add(v[0], 0, plain(v[2]), v[1]); },
       {uniform({3, 2}), uniform({5, 2}), tensor({2, 0, 2, 1, 2})}},
      {"masked_select",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 3}), mask()}},
      {"masked_select broadcast",
       [](auto& v) { return masked_select(v[0], plain(v[1])); },
       {uniform({2, 1, 3}), mask()}},
      {"masked_fill",
       [](auto& v) { return masked_fill(v[0], plain(v[1]), -1.5); },
       {uniform({2, 2, 3}), mask()}},
      {"embedding",
       [](auto& v) { return embedding(v[0], plain(v[1])); },
       {uniform({5, 2}), tensor({{1, 4, 1}, {0, 4, 4}})}},
      {"embedding padding",
       // The value with the padded row cut out, so that differences do not see it either.
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
      {"embedding_bag sum",  // the second bag is empty, the last one nothing but padding
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
      {"place",
       [](auto& v) {
         return place(v[0], {7, 2}, 0, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({7, 2}, v[0].dtype());
         slice(whole, 0, 1, 7, 2).copy_(v[0]);
         return whole;
       },
       {uniform({3, 2})}},
      {"place selected",
       [](auto& v) {
         return place(v[0], {2, 3, 2}, 1, 2);
       },
       [](auto& v) {
         Tensor whole = zeros({2, 3, 2}, v[0].dtype());
         select(whole, 1, 2).copy_(v[0]);
         return whole;
       },
       {uniform({2, 2})}},
  };
}

}  // namespace tapegrad
