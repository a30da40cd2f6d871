// Random sequences of actions on things that have a state, each compared with a simple model:
// optimizers with row-sparse gradients against the same with dense ones, while rows are frozen, the
// vocabulary changes and checkpoints are loaded; and hooks against a list of factors. A sequence
// that fails is shrunk and printed. Read next: ../../docs/reliability.md.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <tapegrad/nn/embedding.h>

#include "catch.h"
#include "optim/kinds.h"
#include "sanitized.h"
#include "tapes/random.h"

namespace tapegrad::tapes {
namespace {

// A step of a sequence: what is done, and the seed of its random choices.
template <class Kind>
struct Action {
  Kind kind;
  std::uint64_t seed;
};

// Removes actions as long as the sequence fails.
template <class Sequence>
Sequence shortest(Sequence actions, const std::function<bool(const Sequence&)>& fails) {
  for (std::size_t length = actions.size(); length > 0; length /= 2) {
    for (std::size_t i = 0; i + length <= actions.size();) {
      Sequence fewer = actions;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(i);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
      if (fails(fewer)) {
        actions = fewer;
      } else {
        ++i;
      }
    }
  }
  return actions;
}

std::uint64_t sequences() {
#ifdef SANITIZED
  return 60;
#else
  const char* wanted = std::getenv("TAPEGRAD_SEQUENCES");
  return wanted != nullptr ? std::stoull(wanted) : 600;
#endif
}

// Tables ------------------------------------------------------------------------------------------

enum class Change {
  step,
  step_of_two_lookups,
  read_rows,
  flush,
  freeze_rows,
  freeze_columns,
  unfreeze,
  remap,
  resize,
  prune,
  rate,
  freeze_all_for_a_step,
  multiplier,
  fused,
  checkpoint
};
const char* const kChanges[] = {"step",        "step_of_two_lookups",
                                "read_rows",   "flush",
                                "freeze_rows", "freeze_columns",
                                "unfreeze",    "remap",
                                "resize",      "prune",
                                "rate",        "freeze_all_for_a_step",
                                "multiplier",  "fused",
                                "checkpoint"};
using Changes = std::vector<Action<Change>>;

Changes drawn_changes(std::uint64_t seed) {
  Random random(seed);
  Changes changes;
  for (std::int64_t left = random.integer(3, 40); left > 0; --left) {
    const Change kind = random.chance(0.55)
                            ? (random.chance(0.8) ? Change::step : Change::step_of_two_lookups)
                            : static_cast<Change>(random.integer(2, 14));
    changes.push_back({kind, random.word()});
  }
  return changes;
}

// What does not change during a sequence.
struct Setting {
  Kind kind;
  nn::EmbeddingOptions options;
  std::int64_t rows, width;
};
Setting setting_of(std::uint64_t seed) {
  Random random(seed ^ 0xfeedU);
  Setting setting{
      random.one_of(all_kinds()), {.dtype = float64}, random.integer(2, 12), random.integer(1, 5)};
  if (random.chance(0.5)) setting.options.padding_idx = random.integer(0, setting.rows - 1);
  setting.options.constraint =
      static_cast<nn::EmbeddingConstraint>(random.chance(0.5) ? 0 : random.integer(0, 2));
  if (random.chance(0.15)) {
    setting.options.constraint = nn::EmbeddingConstraint::none;
    setting.options.max_norm = 1.5;
    setting.options.norm_mode = nn::NormMode::after_step;
  }
  return setting;
}

// A table with its optimizer. Both can be replaced by ones that were loaded.
struct Trained {
  nn::Embedding table;
  std::unique_ptr<optim::Optimizer> optimizer;

  Trained(const Setting& setting, nn::Embedding its_table)
      : table(std::move(its_table)), optimizer(setting.kind.make(table.weight)) {}
};

class Tables {
 public:
  Tables(const Setting& setting, bool loads)
      : setting_(setting),
        loads_(loads),
        sparse_(setting, drawn_table(setting)),
        dense_(setting, drawn_table(setting)) {}

  void apply(const Action<Change>& action) {
    Random random(action.seed);
    Generator generator(action.seed);
    const std::int64_t rows = sparse_.table.num_embeddings();
    switch (action.kind) {
      case Change::step:
        return step(random, 1);
      case Change::step_of_two_lookups:
        return step(random, 2);
      case Change::read_rows: {
        const NoGrad guard;
        const Tensor ids = drawn_ids(random);
        check_close(sparse_.table(ids).value(), dense_.table(ids).value());
        return;
      }
      case Change::flush:
        return sparse_.optimizer->flush();
      case Change::freeze_rows: {
        const std::vector<std::int64_t> frozen = {random.integer(0, rows - 1)};
        return both([&](Trained& t) { t.table.freeze_rows(frozen); });
      }
      case Change::freeze_columns: {
        const std::vector<std::int64_t> frozen = {random.integer(0, setting_.width - 1)};
        return both([&](Trained& t) { t.table.freeze_columns(frozen); });
      }
      case Change::unfreeze: {
        const bool columns = random.chance(0.5);
        return both(
            [&](Trained& t) { columns ? t.table.unfreeze_columns() : t.table.unfreeze_rows(); });
      }
      case Change::remap: {
        std::vector<std::int64_t> sources;
        for (std::int64_t count = random.integer(1, 12); count > 0; --count) {
          sources.push_back(random.integer(-1, rows - 1));
        }
        return remap(action, with_padding(sources));
      }
      case Change::resize: {
        const std::int64_t least = sparse_.table.padding_idx().value_or(0) + 1;
        const std::int64_t count = random.integer(least, std::max<std::int64_t>(least, 12));
        return both([&](Trained& t) {
          Generator own(action.seed);
          t.table.resize(count, own);
        });
      }
      case Change::prune: {
        std::vector<std::int64_t> kept;
        for (std::int64_t row = 0; row < rows; ++row) {
          if (random.chance(0.7)) kept.push_back(row);
        }
        kept = with_padding(kept);
        if (kept.empty()) return;
        return both([&](Trained& t) { t.table.prune(kept); });
      }
      case Change::rate: {
        const double factor = random.real(0.5, 1.5);
        return both([&](Trained& t) { t.optimizer->set_lr(t.optimizer->lr() * factor); });
      }
      case Change::freeze_all_for_a_step:
        // Another parameter would train on; this one takes no step.
        both([](Trained& t) { t.table.weight.set_requires_grad(false); });
        both([](Trained& t) { t.optimizer->step(); });
        return both([](Trained& t) { t.table.weight.set_requires_grad(true); });
      case Change::multiplier: {
        const double factor = random.real(0.5, 1.5);
        return both([&](Trained& t) { t.table.weight.row_policy().set_rate_multiplier(factor); });
      }
      case Change::fused:
        return dense_.optimizer->set_fused(!dense_.optimizer->fused());
      case Change::checkpoint:
        return checkpoint();
    }
  }

  void check() { check_close(sparse_.table.weight.value(), dense_.table.weight.value()); }
  Tensor result() const { return sparse_.table.weight.value().clone(); }
  const std::string& failure() const { return failure_; }

 private:
  static nn::Embedding drawn_table(const Setting& setting) {
    Generator generator(3);
    nn::EmbeddingOptions options = setting.options;
    options.weight = randn({setting.rows, setting.width}, float64, generator);
    return nn::Embedding(setting.rows, setting.width, options);
  }

  template <class Function>
  void both(const Function& function) {
    function(sparse_);
    function(dense_);
  }

  Tensor drawn_ids(Random& random) const {
    std::vector<std::int64_t> ids;
    for (std::int64_t count = random.integer(0, 6); count > 0; --count) {
      ids.push_back(random.integer(0, sparse_.table.num_embeddings() - 1));
    }
    return ids.empty() ? zeros({0}, int64) : tensor(ids);
  }

  // The gradient of the sparse table, as rows for one and as a dense tensor for the other.
  void step(Random& random, int lookups) {
    const Tensor frozen = frozen_elements();
    sparse_.optimizer->zero_grad();
    for (; lookups > 0; --lookups) {
      const Tensor ids = drawn_ids(random);
      const Variable rows = sparse_.table(ids);
      sum(rows * Variable(sin(rows.value() * 3.0 + random.real(-2, 2)) * 0.1)).backward();
    }
    dense_.table.weight.zero_grad();
    Variable(dense_.table.weight).set_grad(sparse_.table.weight.grad());
    both([](Trained& t) { t.optimizer->step(); });
    if (!same_bits(frozen, frozen_elements())) failure_ = "a frozen element moved";
  }

  Tensor frozen_elements() const {
    const RowPolicy& policy = sparse_.table.weight.leaf().row_policy();
    if (policy.frozen_rows().empty()) return zeros({0}, float64);
    return index_select(sparse_.table.weight.value(), 0, tensor(policy.frozen_rows()));
  }

  std::vector<std::int64_t> with_padding(std::vector<std::int64_t> sources) const {
    const auto padding = sparse_.table.padding_idx();
    if (padding && std::ranges::count(sources, *padding) == 0) sources.push_back(*padding);
    return sources;
  }
  void remap(const Action<Change>& action, const std::vector<std::int64_t>& sources) {
    both([&](Trained& t) {
      Generator own(action.seed);
      t.table.remap(sources, own);
    });
  }

  // Saves; and if this run loads, continues with a new table and a new optimizer.
  void checkpoint() {
    const StateDict table = sparse_.table.state_dict();
    const StateDict optimizer = sparse_.optimizer->state_dict();
    if (!loads_) return;
    nn::Embedding loaded = clone(sparse_.table);
    loaded.load_state_dict(table);
    Trained next(setting_, loaded);
    next.table.weight.row_policy().copy_policy_from(sparse_.table.weight.leaf().row_policy());
    next.optimizer->load_state_dict(optimizer);
    sparse_.optimizer.reset();
    sparse_.~Trained();
    new (&sparse_) Trained(std::move(next));
  }

  static bool same_bits(const Tensor& a, const Tensor& b) {
    const std::vector<double> x = to_vector<double>(a), y = to_vector<double>(b);
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
  }

  void check_close(const Tensor& sparse, const Tensor& dense) {
    if (!allclose(sparse, dense, 1e-8, 1e-9) && failure_.empty()) {
      std::ostringstream text;
      text << "rows differ by " << max(abs(sparse - dense)).item();
      failure_ = text.str();
    }
  }

  const Setting& setting_;
  const bool loads_;
  Trained sparse_, dense_;
  std::string failure_;
};

// What is wrong after a sequence, or nothing.
std::string failure_of(const Setting& setting, const Changes& changes) {
  try {
    Tables saved(setting, false), loaded(setting, true);
    for (const auto& change : changes) {
      for (Tables* tables : {&saved, &loaded}) {
        tables->apply(change);
        if (!tables->failure().empty()) return tables->failure();
      }
    }
    saved.check();
    loaded.check();
    if (!saved.failure().empty()) return saved.failure();
    if (!equal(saved.result(), loaded.result())) return "a loaded run gives other bits";
    return loaded.failure();
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE(
    "random sequences: tables with row-sparse gradients, frozen rows, new vocabularies, "
    "checkpoints",
    "[tapes]") {
  for (std::uint64_t seed = 0; seed < sequences(); ++seed) {
    const Setting setting = setting_of(seed);
    const Changes changes = drawn_changes(seed);
    const std::string failure = failure_of(setting, changes);
    if (failure.empty()) continue;
    const Changes small = shortest<Changes>(changes, [&](const Changes& fewer) {
      const std::string other = failure_of(setting, fewer);
      return !other.empty() && other.substr(0, 12) == failure.substr(0, 12);
    });
    std::ostringstream text;
    text << "seed " << seed << ", " << setting.kind.name << ", (" << setting.rows << ", "
         << setting.width << "), constraint " << static_cast<int>(setting.options.constraint)
         << ", padding " << setting.options.padding_idx.value_or(-1) << ":";
    for (const auto& change : small) text << ' ' << kChanges[static_cast<int>(change.kind)];
    text << ": " << failure_of(setting, small);
    FAIL_CHECK(text.str());
  }
}

// Hooks -------------------------------------------------------------------------------------------

TEST_CASE("random sequences: hooks are called in their order, once, until they are removed",
          "[tapes]") {
  // The model: for each Variable the factors of its hooks. y = 3 x, z = 5 y: the gradient of x is
  // 15 times all factors.
  for (std::uint64_t seed = 0; seed < sequences(); ++seed) {
    Random random(seed);
    const Variable x = parameter(tensor({1.0}, float64));
    struct Hooked {
      double factor;
      std::size_t number;
    };
    std::vector<Hooked> of_x;
    for (std::int64_t turn = random.integer(1, 6); turn > 0; --turn) {
      const Variable y = 3.0 * x, z = 5.0 * y;
      std::vector<Hooked> of_y;
      int calls = 0;
      const auto add = [&](const Variable& to, std::vector<Hooked>& hooks) {
        const double factor = static_cast<double>(random.integer(1, 3));
        hooks.push_back({factor, to.register_hook([factor, &calls](const Variable& gradient) {
                           ++calls;
                           return gradient * factor;
                         })});
      };
      const auto remove = [&](const Variable& from, std::vector<Hooked>& hooks) {
        if (hooks.empty()) return;
        const auto at = random.integer(0, static_cast<std::int64_t>(hooks.size()) - 1);
        from.remove_hook(hooks[static_cast<std::size_t>(at)].number);
        hooks.erase(hooks.begin() + at);
      };
      for (std::int64_t k = random.integer(0, 5); k > 0; --k) {
        const bool leaf = random.chance(0.5);
        const Variable& target = leaf ? x : y;
        std::vector<Hooked>& hooks = leaf ? of_x : of_y;
        random.chance(0.6) ? add(target, hooks) : remove(target, hooks);
      }
      double expected = 15;
      for (const Hooked& hook : of_x) expected *= hook.factor;
      for (const Hooked& hook : of_y) expected *= hook.factor;
      x.leaf().grad.clear();
      sum(z).backward();
      INFO("seed " << seed);
      REQUIRE(x.grad().item<double>() == expected);
      // Hooks of the leaf count in a variable that ends with this turn.
      for (const Hooked& hook : of_x) x.remove_hook(hook.number);
      REQUIRE(calls == static_cast<int>(of_x.size() + of_y.size()));
      of_x.clear();
    }
  }
}

}  // namespace tapegrad::tapes
