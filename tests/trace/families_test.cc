// check_tape() finds a planted mistake in the rule of an operation of each family of autograd/ops,
// and names the operation and the argument. The operations are written here, so that their rules
// can be spoiled. Read next: autograd/trace/check_tape.cc.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/autograd/trace/check_tape.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "catch.h"

namespace tg = tapegrad;
using tg::from;
using tg::record;
using tg::Tensor;
using tg::Variable;
using Inputs = std::vector<Variable>;

namespace {

// `own` is a mistake that people make with operations of this sort.
enum class Mistake { none, sign, factor, missing, own };

Variable spoiled(Mistake mistake, const Variable& right, const Variable& own) {
  switch (mistake) {
    case Mistake::sign:
      return -right;
    case Mistake::factor:
      return right * 2.0;
    case Mistake::missing:
      return {};
    case Mistake::own:
      return own;
    case Mistake::none:
      break;
  }
  return right;
}

// Results with mistakes in the gradient of one input ----------------------------------------------

// y = a^2 b: b is broadcast along the rows. Own mistake: their mean instead of their sum.
Variable elementwise(const Inputs& x, Mistake mistake) {
  const Variable &a = x[0], &b = x[1];
  return record("my_elementwise", a.value() * a.value() * b.value(),
                from(a, [a, b](const Variable& dy) { return dy * 2.0 * a * b; }),
                from(b, [a, mistake](const Variable& dy) {
                  const Variable right = dy * square(a);
                  return spoiled(mistake, right, mean(right, {0}));
                }));
}

// y = x + x^3. Own mistake: the first term is missing.
Variable two_terms(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  return record("my_two_terms", a.value() + pow(a.value(), 3),
                from(a, [a, mistake](const Variable& dy) {
                  const Variable cubic = dy * 3.0 * square(a);
                  return spoiled(mistake, dy + cubic, cubic);
                }));
}

// The variance of each row. Own mistake: the mean is forgotten.
Variable variance(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  return record("my_reductions", var(a.value(), {1}, false),
                from(a, [a, mistake](const Variable& dy) {
                  const Variable scale = unsqueeze(dy, 1) * 2.0 / static_cast<double>(a.size(1));
                  return spoiled(mistake, scale * (a - mean(a, {1}, true)), scale * a);
                }));
}

// The maximum of each row. Own mistake: the first element gets the gradient.
Variable maximum_of_rows(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  const tg::ValuesAndIndices found = max(a.value(), 1);
  return record(
      "my_minmax", found.values,
      from(a, [at = unsqueeze(found.indices, 1), shape = a.shape(), mistake](const Variable& dy) {
        const Variable nothing = tg::zeros(shape, tg::float64);
        const Variable column = unsqueeze(dy, 1);
        return spoiled(mistake, scatter_add(nothing, 1, at, column),
                       scatter_add(nothing, 1, zeros_like(at), column));
      }));
}

// Own mistake: the sum over the row is forgotten.
Variable softmax_of_rows(const Inputs& x, Mistake mistake) {
  return record("my_softmax", softmax(x[0].value(), 1),
                from(x[0], [mistake](const Variable& dy, const Variable& y) {
                  return spoiled(mistake, y * (dy - sum(dy * y, {1}, true)), y * dy);
                }));
}

// Own mistake: the gradient stays in the order of the result.
Variable sorted_rows(const Inputs& x, Mistake mistake) {
  const tg::ValuesAndIndices found = sort(x[0].value(), 1, true);
  return record("my_sorting", found.values,
                from(x[0], [at = found.indices, mistake](const Variable& dy) {
                  const Variable nothing = zeros_like(dy.value());
                  return spoiled(mistake, scatter_add(nothing, 1, at, dy), dy);
                }));
}

// y = (x - mean) / s. Own mistake: s is treated as a constant.
Variable normalized_rows(const Inputs& x, Mistake mistake) {
  const Tensor s = sqrt(var(x[0].value(), {1}, false, true));
  return record("my_normalization", (x[0].value() - mean(x[0].value(), {1}, true)) / s,
                from(x[0], [s = Variable(s), mistake](const Variable& dy, const Variable& y) {
                  const Variable centered = dy - mean(dy, {1}, true);
                  return spoiled(mistake, (centered - y * mean(dy * y, {1}, true)) / s,
                                 centered / s);
                }));
}

// Own mistake: the other matrix is not transposed.
Variable product(const Inputs& x, Mistake mistake) {
  const Variable &a = x[0], &b = x[1];
  return record("my_matmul", matmul(a.value(), b.value()),
                from(a,
                     [b, mistake](const Variable& dy) {
                       return spoiled(mistake, matmul(dy, transpose(b)), matmul(dy, b));
                     }),
                from(b, [a](const Variable& dy) { return matmul(transpose(a), dy); }));
}

// y[t] = w[0] x[t] + w[1] x[t + 1] in each row. Own mistake: the kernel is not flipped.
Variable convolution(const Inputs& x, Mistake mistake) {
  const Variable &a = x[0], &w = x[1];
  const std::int64_t n = a.size(1) - 1;
  const Tensor left = narrow(a.value(), 1, 0, n), right = narrow(a.value(), 1, 1, n);
  const double w0 = w.item<double>({0}), w1 = w.item<double>({1});
  return record("my_convolution", left * w0 + right * w1,
                from(a,
                     [w, mistake, shape = a.shape()](const Variable& dy) {
                       const auto back = [&](std::int64_t first, std::int64_t second) {
                         return place(dy * select(w, 0, first), shape, 1, 0) +
                                place(dy * select(w, 0, second), shape, 1, 1);
                       };
                       return spoiled(mistake, back(0, 1), back(1, 0));
                     }),
                from(w, [a, n](const Variable& dy) {
                  return tg::stack({sum(dy * narrow(a, 1, 0, n)), sum(dy * narrow(a, 1, 1, n))});
                }));
}

// x above 0, x / 4 below. Own mistake: the gradient of x above 0 everywhere.
Variable bent(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  const Tensor slope = where(a.value() > 0, tg::ones({}, tg::float64), full({}, 0.25, tg::float64));
  return record("my_activations", a.value() * slope,
                from(a, [slope = Variable(slope), mistake](const Variable& dy) {
                  return spoiled(mistake, dy * slope, dy);
                }));
}

// y[i] = sum over j of a[i][j] b[i][j]. Own mistake: the gradient is not multiplied by the other.
Variable dots(const Inputs& x, Mistake mistake) {
  const Variable &a = x[0], &b = x[1];
  return record("my_einsum", sum(a.value() * b.value(), {1}),
                from(a, [b](const Variable& dy) { return unsqueeze(dy, 1) * b; }),
                from(b, [a, mistake](const Variable& dy) {
                  const Variable wide = unsqueeze(dy, 1);
                  return spoiled(mistake, wide * a, expand(wide, a.shape()));
                }));
}

// A window of 2 x 2 ones over an image. Own mistake: one of the four shifts is missing.
Variable summed_windows(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  const std::int64_t rows = a.size(0) - 1, columns = a.size(1) - 1;
  const auto shifted = [&](std::int64_t r, std::int64_t c) {
    return narrow(narrow(a.value(), 0, r, rows), 1, c, columns);
  };
  return record("my_conv2d", shifted(0, 0) + shifted(0, 1) + shifted(1, 0) + shifted(1, 1),
                from(a, [shape = a.shape(), rows, mistake](const Variable& dy) {
                  const auto back = [&](std::int64_t r, std::int64_t c) {
                    return place(place(dy, {rows, shape[1]}, 1, c), shape, 0, r);
                  };
                  const Variable three = back(0, 0) + back(0, 1) + back(1, 0);
                  return spoiled(mistake, three + back(1, 1), three);
                }));
}

// The mean of each pair of columns. Own mistake: not divided by 2.
Variable pooled(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  const tg::Shape pairs{a.size(0), a.size(1) / 2, 2};
  return record("my_pooling", mean(reshape(a.value(), pairs), {2}),
                from(a, [pairs, shape = a.shape(), mistake](const Variable& dy) {
                  const Variable wide = reshape(expand(unsqueeze(dy, 2), pairs), shape);
                  return spoiled(mistake, wide / 2, wide);
                }));
}

// Overlapping windows of 2 columns: (rows, columns - 1, 2). Own mistake: what two windows share is
// not added up.
Variable windows_of_rows(const Inputs& x, Mistake mistake) {
  const Variable& a = x[0];
  const std::int64_t n = a.size(1) - 1;
  return record("my_windows",
                tg::stack({narrow(a.value(), 1, 0, n), narrow(a.value(), 1, 1, n)}, 2),
                from(a, [shape = a.shape(), n, mistake](const Variable& dy) {
                  const Variable first = place(select(dy, 2, 0), shape, 1, 0);
                  const Variable second = place(select(dy, 2, 1), shape, 1, 1);
                  const Variable last = place(narrow(select(dy, 2, 1), 1, n - 1, 1), shape, 1, n);
                  return spoiled(mistake, first + second, first + last);
                }));
}

// Own mistake: not transposed back.
Variable transposed(const Inputs& x, Mistake mistake) {
  return record("my_views", transpose(x[0].value()), from(x[0], [mistake](const Variable& dy) {
                  return spoiled(mistake, transpose(dy), dy);
                }));
}

// (3) -> (4, 3). Own mistake: one row of the gradient instead of the sum of all.
Variable expanded(const Inputs& x, Mistake mistake) {
  return record("my_expand", expand(x[0].value(), {4, 3}),
                from(x[0], [mistake](const Variable& dy) {
                  return spoiled(mistake, sum(dy, {0}), select(dy, 0, 0));
                }));
}

// Own mistake: rolled on, not back.
Variable rolled(const Inputs& x, Mistake mistake) {
  return record("my_rearrange", roll(x[0].value(), {1}, {1}),
                from(x[0], [mistake](const Variable& dy) {
                  return spoiled(mistake, roll(dy, {-1}, {1}), roll(dy, {1}, {1}));
                }));
}

// Own mistake: the gradient goes to another row.
Variable selected(const Inputs& x, Mistake mistake) {
  return record("my_indexing", select(x[0].value(), 0, 2),
                from(x[0], [mistake, shape = x[0].shape()](const Variable& dy) {
                  return spoiled(mistake, place(dy, shape, 0, 2), place(dy, shape, 0, 1));
                }));
}

// A row is there twice. Own mistake: its gradients overwrite each other.
Variable gathered(const Inputs& x, Mistake mistake) {
  const Tensor rows = tg::tensor({3, 1, 3});
  return record("my_gather_scatter", index_select(x[0].value(), 0, rows),
                from(x[0], [rows, mistake, shape = x[0].shape()](const Variable& dy) {
                  const Variable nothing = tg::zeros(shape, tg::float64);
                  return spoiled(mistake, index_add(nothing, 0, rows, dy),
                                 index_add(nothing, 0, narrow(rows, 0, 1, 2), narrow(dy, 0, 1, 2)));
                }));
}

// A lookup, whose gradient is row-sparse. Own mistake: the gradient of a repeated row is there
// once.
Variable looked_up(const Inputs& x, Mistake mistake) {
  const Tensor ids = tg::tensor({3, 1, 3});
  const auto fused = [ids, mistake](const Tensor& dy) {
    const Variable rows = spoiled(mistake, dy, narrow(dy, 0, 1, 2));
    if (mistake == Mistake::missing)
      return tg::RowSparse{narrow(ids, 0, 0, 0), narrow(dy, 0, 0, 0)};
    return tg::RowSparse{mistake == Mistake::own ? narrow(ids, 0, 1, 2) : ids, rows.value()};
  };
  const auto composed = [ids, shape = x[0].shape()](const Variable& dy) {
    return index_add(tg::zeros(shape, tg::float64), 0, ids, dy);
  };
  return record("my_embedding_bag", index_select(x[0].value(), 0, ids),
                from(x[0], tg::FusedRule{fused, composed}));
}

// y = x / |x| in each row. Own mistake: the norm is treated as a constant.
Variable unit_rows(const Inputs& x, Mistake mistake) {
  const Tensor length = norm(x[0].value(), 2, {1}, true);
  return record(
      "my_similarity", x[0].value() / length,
      from(x[0], [length = Variable(length), mistake](const Variable& dy, const Variable& y) {
        return spoiled(mistake, (dy - y * sum(dy * y, {1}, true)) / length, dy / length);
      }));
}

// h' = tanh(x + h u), all gradients at once. Own mistake, in that of h: u is not transposed.
Variable cell(const Inputs& x, Mistake mistake) {
  const Variable &a = x[0], &h = x[1], &u = x[2];
  return record_joint(
      "my_recurrent", tanh(a.value() + matmul(h.value(), u.value())), std::array{a, h, u},
      [h, u, mistake](const Variable& dy, const Variable& y, const std::array<bool, 3>&) {
        const Variable inner = dy * (1.0 - square(y));
        return std::array{inner, spoiled(mistake, matmul(inner, transpose(u)), matmul(inner, u)),
                          matmul(transpose(h), inner)};
      });
}

// softmax(q k^T) v, all gradients at once. Own mistake, in that of k: not transposed.
Variable attention(const Inputs& x, Mistake mistake) {
  const Variable &q = x[0], &k = x[1], &v = x[2];
  const Tensor weights = softmax(matmul(q.value(), transpose(k.value())), 1);
  return record_joint(
      "my_attention", matmul(weights, v.value()), std::array{q, k, v},
      [q, k, v, p = Variable(weights), mistake](const Variable& dy, const std::array<bool, 3>&) {
        const Variable dp = matmul(dy, transpose(v));
        const Variable scores = p * (dp - sum(dp * p, {1}, true));
        return std::array{matmul(scores, k),
                          spoiled(mistake, matmul(transpose(scores), q), matmul(scores, q)),
                          matmul(transpose(p), dy)};
      });
}

// The test ----------------------------------------------------------------------------------------

struct Family {
  std::string file;       // in autograd/ops
  std::string operation;  // as recorded
  std::vector<tg::Shape> shapes;
  std::int64_t spoiled;  // the argument
  Variable (*compute)(const Inputs&, Mistake);
};

const std::vector<Family> kFamilies = {
    {"elementwise", "my_elementwise", {{4, 3}, {3}}, 1, elementwise},
    {"elementwise", "my_two_terms", {{4, 3}}, 0, two_terms},
    {"activations", "my_activations", {{4, 3}}, 0, bent},
    {"reductions", "my_reductions", {{4, 3}}, 0, variance},
    {"minmax", "my_minmax", {{4, 3}}, 0, maximum_of_rows},
    {"softmax", "my_softmax", {{4, 3}}, 0, softmax_of_rows},
    {"sorting", "my_sorting", {{4, 3}}, 0, sorted_rows},
    {"normalization", "my_normalization", {{4, 3}}, 0, normalized_rows},
    {"matmul", "my_matmul", {{4, 3}, {3, 3}}, 0, product},
    {"einsum", "my_einsum", {{4, 3}, {4, 3}}, 1, dots},
    {"windows", "my_windows", {{3, 4}}, 0, windows_of_rows},
    {"conv2d", "my_conv2d", {{4, 3}}, 0, summed_windows},
    {"pooling", "my_pooling", {{3, 4}}, 0, pooled},
    {"convolution", "my_convolution", {{2, 5}, {2}}, 0, convolution},
    {"views", "my_views", {{3, 3}}, 0, transposed},
    {"views", "my_expand", {{3}}, 0, expanded},
    {"rearrange", "my_rearrange", {{2, 4}}, 0, rolled},
    {"indexing", "my_indexing", {{4, 3}}, 0, selected},
    {"gather_scatter", "my_gather_scatter", {{4, 3}}, 0, gathered},
    {"embedding_bag", "my_embedding_bag", {{4, 3}}, 0, looked_up},
    {"similarity", "my_similarity", {{4, 3}}, 0, unit_rows},
    {"recurrent", "my_recurrent", {{2, 3}, {2, 3}, {3, 3}}, 1, cell},
    {"attention", "my_attention", {{3, 3}, {3, 3}, {3, 3}}, 1, attention},
};

// The arguments are leaves, or results of other operations; the result is used further.
tg::TapeCheck check(const Family& family, Mistake mistake, bool of_leaves) {
  tg::manual_seed(3);
  Inputs leaves;
  for (const tg::Shape& shape : family.shapes) {
    leaves.push_back(tg::parameter(tg::randn(shape, tg::float64)));
  }
  return tg::check_tape([&] {
    Inputs inputs = leaves;
    if (!of_leaves) {
      for (Variable& input : inputs) input = sin(input) * 1.5;
    }
    const Variable y = family.compute(inputs, mistake);
    const Tensor weights = tg::arange(y.numel()).to(tg::float64).reshape(y.shape()) * 0.3 - 1.0;
    return sum(tanh(y) * weights) + sum(square(inputs[0])) * 0.1;
  });
}

}  // namespace

TEST_CASE("check_tape finds planted mistakes in each family and names the operation") {
  for (const Family& family : kFamilies) {
    for (const bool of_leaves : {true, false}) {
      INFO(family.operation << (of_leaves ? " of leaves" : " of results"));
      const tg::TapeCheck good = check(family, Mistake::none, of_leaves);
      INFO(good);
      CHECK(good.passed);
      CHECK(good.in_float64);
      for (const Mistake mistake :
           {Mistake::sign, Mistake::factor, Mistake::missing, Mistake::own}) {
        const tg::TapeCheck bad = check(family, mistake, of_leaves);
        INFO("mistake " << static_cast<int>(mistake) << '\n' << bad);
        CHECK_FALSE(bad.passed);
        REQUIRE(bad.faults.size() == 1);
        CHECK(bad.faults[0].operation == family.operation);
        CHECK(bad.faults[0].input == family.spoiled);
      }
    }
  }
}

TEST_CASE("check_tape: no family of operations is left out") {
  std::set<std::string> tested;
  for (const Family& family : kFamilies) tested.insert(family.file);
  std::set<std::string> families;
  for (const auto& file :
       std::filesystem::directory_iterator(TAPEGRAD_SOURCE_DIR "/autograd/ops")) {
    if (file.path().extension() == ".cc") families.insert(file.path().stem().string());
  }
  CHECK(tested == families);
}
