// Rows of views, joining and splitting. Read next: op_cases_rearrange.cc.
#include <span>

#include "autograd/op_inputs.h"

namespace tapegrad {
namespace {

// The three argument types of a list.
template <class T>
std::span<const T> spanned(const std::vector<T>& v) {
  return std::span<const T>(v);
}

}  // namespace

std::vector<OpCase> views_cases() {
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
      {"clone", [](auto& v) { return clone(transpose(v[0])); }, {uniform({2, 3})}},
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
  };
}

}  // namespace tapegrad
