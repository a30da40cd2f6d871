// Each pass proposes smaller programs and keeps those that still fail, until none is smaller: fewer
// operations, then smaller shapes, then simpler elements and arguments. Read next: print.h.
#include "tapes/shrink.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

class Shrinker {
 public:
  Shrinker(Program program, const std::function<bool(const Program&)>& fails, int most_tries)
      : program_(std::move(program)), fails_(fails), left_(most_tries) {}

  Program run() {
    bool smaller = true;
    while (smaller && left_ > 0) {
      smaller = false;
      while (drop_outputs() || replace_inputs()) smaller = true;
      while (cut_sizes()) smaller = true;
      if (simplify_attributes()) smaller = true;
      if (simplify_elements()) smaller = true;
    }
    return program_;
  }

 private:
  bool accept(const Program& candidate) {
    if (left_ <= 0) return false;
    --left_;
    if (!fails_(candidate)) return false;
    program_ = candidate;
    return true;
  }

  int last() const { return static_cast<int>(program_.steps.size()) - 1; }

  // Only one operation and what it needs, or all but one.
  bool drop_outputs() {
    for (int s = 0; s <= last(); ++s) {
      if (program_.steps[static_cast<std::size_t>(s)].is_leaf()) continue;
      const Program only = without_unused(program_, {s});
      if (only.steps.size() < program_.steps.size() && accept(only)) return true;
    }
    for (int dropped = last(); dropped >= 0; --dropped) {
      bool used = false;
      std::vector<int> kept;
      for (int s = 0; s <= last(); ++s) {
        const Step& step = program_.steps[static_cast<std::size_t>(s)];
        for (const Ref& input : step.inputs) used = used || input.step == dropped;
        if (s != dropped && !step.is_leaf()) kept.push_back(s);
      }
      if (used) continue;
      const Program fewer = without_unused(program_, kept);
      if (fewer.steps.size() < program_.steps.size() && accept(fewer)) return true;
    }
    return false;
  }

  // Replaces the result of an operation by a leaf with the same elements.
  bool replace_inputs() {
    std::optional<Values> values;
    try {
      const NoGrad guard;
      values = tapes::run(program_, leaves_of(program_));
    } catch (const std::exception&) {
      // The last operation throws: only its inputs are known.
      Program begun = program_;
      begun.steps.pop_back();
      try {
        const NoGrad guard;
        values = tapes::run(begun, leaves_of(begun));
      } catch (const std::exception&) {
        return false;
      }
    }
    for (std::size_t s = 0; s < values->size(); ++s) {
      const Step& step = program_.steps[s];
      if (step.is_leaf()) continue;
      for (std::size_t o = 0; o < (*values)[s].size(); ++o) {
        const Ref ref{static_cast<int>(s), static_cast<int>(o)};
        const Plain value = plain_of((*values)[s][o].value());
        Step leaf;
        leaf.shape = value.shape;
        leaf.dtype = value.dtype;
        leaf.elements = value.x;
        // Also once for each use, so that a chain can be cut at one place.
        if (replace(ref, leaf)) return true;
      }
    }
    return false;
  }

  bool replace(const Ref& ref, const Step& leaf) {
    bool used = false;
    Program candidate = program_;
    candidate.steps.insert(candidate.steps.begin() + ref.step, leaf);
    for (std::size_t s = static_cast<std::size_t>(ref.step) + 1; s < candidate.steps.size(); ++s) {
      for (Ref& input : candidate.steps[s].inputs) {
        if (input == ref) {
          used = true;  // input.step is the position of the new leaf
          input.output = 0;
        } else if (input.step >= ref.step) {
          ++input.step;
        }
      }
    }
    if (!used) return false;
    // The operation itself stays only if another of its results is used.
    std::vector<int> kept;
    for (int s = 0; s < static_cast<int>(candidate.steps.size()); ++s) {
      if (!candidate.steps[static_cast<std::size_t>(s)].is_leaf() && s != ref.step + 1) {
        kept.push_back(s);
      }
    }
    const Program fewer = without_unused(candidate, kept);
    return fewer.operations() < program_.operations() && accept(fewer);
  }

  static void cut(Step& leaf, std::int64_t d, std::int64_t size) {
    const Plain whole{leaf.shape, leaf.dtype, leaf.elements};
    Shape shape = leaf.shape;
    shape[d] = size;
    leaf.elements = made(shape, leaf.dtype, [&](const Shape& index) {
                      return whole[position_of(whole.shape, index)];
                    }).x;
    leaf.shape = shape;
  }

  // Keeps ids that point behind the end of a shorter dimension within it.
  static void bound_ids(Step& leaf, std::int64_t size) {
    if (leaf.dtype != int64) return;
    for (double& id : leaf.elements) {
      if (id >= static_cast<double>(size))
        id = static_cast<double>(std::max<std::int64_t>(size - 1, 0));
    }
  }

  static std::vector<std::int64_t> smaller_sizes(std::int64_t size) {
    std::vector<std::int64_t> sizes;
    for (const std::int64_t s : {std::int64_t{1}, std::int64_t{2}, size / 2, size - 1}) {
      if (s > 0 && s < size && std::ranges::count(sizes, s) == 0) sizes.push_back(s);
    }
    return sizes;
  }

  // Makes one dimension of a leaf shorter, or all sizes that are equal, also in attributes.
  bool cut_sizes() {
    std::set<std::int64_t> all;
    for (const Step& step : program_.steps) {
      for (const std::int64_t size : step.shape) all.insert(size);
    }
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      for (const std::int64_t size : smaller_sizes(*it)) {
        for (const bool with_ids : {false, true}) {
          Program candidate = program_;
          for (Step& step : candidate.steps) {
            for (std::int64_t d = 0; step.is_leaf() && d < step.shape.dim(); ++d) {
              if (step.shape[d] == *it) cut(step, d, size);
            }
            for (std::int64_t d = 0; d < step.a.shape.dim(); ++d) {
              if (step.a.shape[d] == *it) step.a.shape[d] = size;
            }
            if (with_ids) bound_ids(step, size);
          }
          if (accept(candidate)) return true;
        }
      }
    }
    for (std::size_t s = 0; s < program_.steps.size(); ++s) {
      for (std::int64_t d = 0; d < program_.steps[s].shape.dim(); ++d) {
        for (const std::int64_t size : smaller_sizes(program_.steps[s].shape[d])) {
          Program candidate = program_;
          cut(candidate.steps[s], d, size);
          if (accept(candidate)) return true;
        }
      }
    }
    return false;
  }

  bool simplify_attributes() {
    bool changed = false;
    for (std::size_t s = 0; s < program_.steps.size(); ++s) {
      if (program_.steps[s].is_leaf()) continue;
      for (const auto member : {&Attributes::i, &Attributes::j, &Attributes::k, &Attributes::l}) {
        for (const std::int64_t simple : {0, 1}) {
          if (std::abs(program_.steps[s].a.*member) <= simple) continue;
          Program candidate = program_;
          candidate.steps[s].a.*member = simple;
          if (accept(candidate)) changed = true;
        }
      }
      for (const auto member : {&Attributes::p, &Attributes::q}) {
        const double now = program_.steps[s].a.*member;
        for (const double simple : {1.0, std::round(now * 2) / 2}) {
          if (now == simple || program_.steps[s].a.*member == 1.0) continue;
          Program candidate = program_;
          candidate.steps[s].a.*member = simple;
          if (accept(candidate)) changed = true;
        }
      }
    }
    return changed;
  }

  // Rounds all elements of a leaf, then one element after the other.
  bool simplify_elements() {
    bool changed = false;
    const auto simpler = [](double x, double unit) { return std::round(x / unit) * unit; };
    for (std::size_t s = 0; s < program_.steps.size(); ++s) {
      const Step& leaf = program_.steps[s];
      if (!leaf.is_leaf() || leaf.dtype == boolean) continue;
      if (leaf.constant && is_floating_point(leaf.dtype)) continue;  // it may have to be positive
      for (const double unit : {1.0, 0.5, 0.125}) {
        Program candidate = program_;
        for (double& x : candidate.steps[s].elements) x = simpler(x, unit);
        if (candidate.steps[s].elements == program_.steps[s].elements) break;
        if (leaf.dtype != int64 && accept(candidate)) {
          changed = true;
          break;
        }
      }
      if (program_.steps[s].elements.size() > 40) continue;
      for (std::size_t i = 0; i < program_.steps[s].elements.size(); ++i) {
        for (const double simple : {0.0, 1.0, 0.5, simpler(program_.steps[s].elements[i], 0.25)}) {
          const double now = program_.steps[s].elements[i];
          if (now == simple || now == 0 || (now == 1 && simple != 0)) continue;
          Program candidate = program_;
          candidate.steps[s].elements[i] = simple;
          if (accept(candidate)) {
            changed = true;
            break;
          }
        }
      }
    }
    return changed;
  }

  Program program_;
  const std::function<bool(const Program&)>& fails_;
  int left_;
};

}  // namespace

Program shrink(const Program& program, const std::function<bool(const Program&)>& fails,
               int most_tries) {
  return Shrinker(program, fails, most_tries).run();
}

}  // namespace tapegrad::tapes
