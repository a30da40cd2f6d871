// Rows of reductions. Read next: op_cases_minmax.cc.
#include "autograd/op_inputs.h"

namespace tapegrad {

std::vector<OpCase> reductions_cases() {
  return {
      {"sum", [](auto& v) { return sum(v[0]); }, {uniform({2, 3, 2})}},
      {"sum of nothing", [](auto& v) { return sum(v[0]); }, {uniform({0, 3})}},
      {"sum of a number", [](auto& v) { return sum(v[0]); }, {uniform({})}},
      {"sum dims",
       [](auto& v) {
         return sum(v[0], {0, -1});
       },
       {uniform({2, 3, 2})}},
      {"sum keepdim", [](auto& v) { return sum(v[0], 1, true); }, {uniform({2, 3, 2})}},
      {"sum over nothing", [](auto& v) { return sum(v[0], 0); }, {uniform({0, 3})}},
      {"mean", [](auto& v) { return mean(v[0]); }, {uniform({2, 3})}},
      {"mean one", [](auto& v) { return mean(v[0]); }, {uniform({1})}},
      {"mean dims",
       [](auto& v) {
         return mean(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"mean keepdim", [](auto& v) { return mean(v[0], -1, true); }, {uniform({2, 3})}},
      {"var", [](auto& v) { return var(v[0]); }, {uniform({2, 3})}},
      {"var dims",
       [](auto& v) {
         return var(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"var biased", [](auto& v) { return var(v[0], 1, false, true); }, {uniform({2, 3})}},
      {"std", [](auto& v) { return std(v[0]); }, {uniform({2, 3})}},
      {"stddev", [](auto& v) { return stddev(v[0]); }, {uniform({2, 3})}},
      {"std dims",
       [](auto& v) {
         return std(v[0], {0, 2});
       },
       {uniform({2, 3, 2})}},
      {"std biased", [](auto& v) { return std(v[0], 1, false, true); }, {uniform({2, 3})}},
      {"prod", [](auto& v) { return prod(v[0]); }, {away({2, 3})}},
      {"prod with a zero",
       [](auto& v) {
         return prod(v[0] * tensor({{1, 0, 1}}));
       },
       {away({1, 3})}},
      {"prod of nothing", [](auto& v) { return prod(v[0]); }, {uniform({0})}},
      {"prod of a number", [](auto& v) { return prod(v[0]); }, {uniform({})}},
      {"prod dim", [](auto& v) { return prod(v[0], 1); }, {away({2, 5})}},
      {"prod keepdim", [](auto& v) { return prod(v[0], 0, true); }, {away({3, 2})}},
      {"norm", [](auto& v) { return norm(v[0]); }, {away({2, 3})}},
      {"norm 1", [](auto& v) { return norm(v[0], 1.0); }, {away({2, 3})}},
      {"norm 3", [](auto& v) { return norm(v[0], 3.0); }, {away({2, 3})}},
      {"norm 0.5", [](auto& v) { return norm(v[0], 0.5); }, {away({2, 3})}},
      {"norm infinity", [](auto& v) { return norm(v[0], kInfinity); }, {distinct({2, 3})}},
      {"norm dims",
       [](auto& v) {
         return norm(v[0], 2.0, {0, 2});
       },
       {away({2, 3, 2})}},
      {"norm keepdim", [](auto& v) { return norm(v[0], 3.0, 1, true); }, {away({2, 3})}},
      {"cumsum", [](auto& v) { return cumsum(v[0], 1); }, {uniform({2, 4})}},
      {"cumsum first", [](auto& v) { return cumsum(v[0], 0); }, {uniform({3, 2})}},
      {"sum_to",
       [](auto& v) {
         return sum_to(v[0], {3, 1});
       },
       {uniform({2, 3, 2})}},
      {"sum_to a number", [](auto& v) { return sum_to(v[0], {}); }, {uniform({2, 3})}},
      {"var correction",
       [](auto& v) { return var(v[0], {0}, {.correction = 2, .keepdim = true}); },
       {uniform({4, 3})}},
      {"std correction",
       [](auto& v) { return std(v[0], {}, {.correction = 0}); },
       {uniform({2, 3})}},
      {"cumprod", [](auto& v) { return cumprod(v[0], 0); }, {away({5, 2})}},
      {"cumprod zeros",
       [](auto& v) { return cumprod(v[0], 1); },
       {tensor({{0.5, 0.0, 2.0}, {0.0, 1.5, 0.0}}, float64)}},
  };
}

}  // namespace tapegrad
