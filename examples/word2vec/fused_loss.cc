// The operation, its rules, and the checks. The gradients are those of
//   loss = sum of log(1 + exp(-z)),  z = x.o for the word in the text, -x.o for a negative:
//   g = s(x.o) - label,  dx = sum of g o,  do = sum of g x.
// The forward pass already has what they need in the cache, so it computes them, too; the rules
// only multiply them by the gradient of the loss, which is 1 as a rule. Read next: fused_kernel.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/autograd/record_fused.h>
#include <tapegrad/autograd/row_sparse.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/parallel.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "word2vec/fused_kernel.h"
#include "word2vec/loss.h"

namespace word2vec {
namespace {

using tg::Tensor;
using tg::Variable;

// Numbers the different ids of a batch in the order of their first occurrence.
class Slots {
 public:
  // slot_of[i] is the number of ids[i]; the ids are below `rows`.
  void number(std::span<const std::int64_t> ids, std::int64_t rows,
              std::vector<std::int32_t>& slot_of) {
    if (entries_.size() < static_cast<std::size_t>(rows)) {
      entries_.resize(static_cast<std::size_t>(rows));
    }
    if (++stamp_ == 0) {
      std::ranges::fill(entries_, Entry());
      stamp_ = 1;
    }
    ids_.clear();
    slot_of.resize(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Entry& entry = entries_[static_cast<std::size_t>(ids[i])];
      if (entry.stamp != stamp_) {
        entry = {stamp_, static_cast<std::int32_t>(ids_.size())};
        ids_.push_back(ids[i]);
      }
      slot_of[i] = entry.slot;
    }
  }
  const std::vector<std::int64_t>& ids() const { return ids_; }

 private:
  struct Entry {
    std::uint32_t stamp = 0;  // the entry is of this batch if it is stamp_
    std::int32_t slot = 0;
  };
  std::vector<Entry> entries_;  // of each id
  std::vector<std::int64_t> ids_;
  std::uint32_t stamp_ = 0;
};

// Kept from one call to the next, because clearing it would cost as much as the vocabulary is
// large.
template <class T>
struct Workspace {
  Slots input;
  Slots output;
  std::vector<std::int32_t> input_slots;   // of each input
  std::vector<std::int32_t> output_slots;  // of each output
  std::vector<T> scores;
  std::vector<T> means;
  std::vector<T> input_rows;  // the gradients of racy_step()
  std::vector<T> output_rows;
};
template <class T>
Workspace<T>& workspace() {
  thread_local Workspace<T> arrays;
  return arrays;
}

void check(const Variable& input, const Variable& output, const Batch& batch) {
  if (input.dim() != 2 || output.dim() != 2 || input.size(1) != output.size(1) ||
      batch.inputs.dim() != 1 || batch.offsets.dim() != 1 || batch.outputs.dim() != 2 ||
      batch.outputs.size(0) != batch.offsets.size(0) || batch.outputs.size(1) < 1) {
    throw tg::ShapeError(
        "fused_loss: tables " + tg::to_string(input.sizes()) + " and " +
        tg::to_string(output.sizes()) + ", inputs " + tg::to_string(batch.inputs.sizes()) +
        ", offsets " + tg::to_string(batch.offsets.sizes()) + ", outputs " +
        tg::to_string(batch.outputs.sizes()) +
        "; needed (words, dim) twice, (inputs), (groups), (groups, 1 + negatives)");
  }
  if (input.dtype() != output.dtype() ||
      (input.dtype() != tg::float32 && input.dtype() != tg::float64)) {
    throw tg::DTypeError("fused_loss: needed two tables of float32 or of float64");
  }
  const auto check_ids = [](const Tensor& ids, std::int64_t rows, const char* what) {
    for (const std::int64_t id : ids.span<std::int64_t>()) {
      if (id >= 0 && id < rows) continue;
      throw tg::IndexError("fused_loss: " + std::string(what) + " has the id " +
                           std::to_string(id) + ", but the table has " + std::to_string(rows) +
                           " rows");
    }
  };
  check_ids(batch.inputs, input.size(0), "inputs");
  check_ids(batch.outputs, output.size(0), "outputs");
  std::int64_t before = -1;
  for (const std::int64_t offset : batch.offsets.span<std::int64_t>()) {
    if (offset > before && offset < batch.inputs.size(0) && (before >= 0 || offset == 0)) {
      before = offset;
      continue;
    }
    throw tg::IndexError(
        "fused_loss: offsets needs to begin with 0 and to grow, below the number of inputs");
  }
}

// The loss, and the gradients of both tables for dy = 1; undefined where they are not wanted.
struct Computed {
  double loss = 0;
  Tensor input_ids, input_rows;
  Tensor output_ids, output_rows;
};

// The scores of a few groups at a time, then their gradients, while the rows are in the cache; with
// several threads, all scores first. The bits are the same: the losses of kGroups groups are summed
// first, and each row of a gradient is summed in the order of the groups.
template <class T>
double run(const FusedWork<T>& work, bool several_threads) {
  constexpr std::size_t kGroups = 16;
  const FusedKernels<T>& kernels = fused_kernels<T>();
  const std::size_t groups = work.offsets.size();
  const std::size_t chunks = (groups + kGroups - 1) / kGroups;
  const auto end = [&](std::size_t chunk) { return std::min((chunk + 1) * kGroups, groups); };
  std::vector<double> losses(chunks);
  if (several_threads && chunks >= 4) {
    const std::int64_t parts = tg::num_threads();
    tg::parallel_for(
        static_cast<std::int64_t>(chunks), 1, 1, [&](std::int64_t first, std::int64_t last) {
          for (auto c = static_cast<std::size_t>(first); c < static_cast<std::size_t>(last); ++c) {
            losses[c] = kernels.scores(work, c * kGroups, end(c));
          }
        });
    tg::parallel_for(parts, 1, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t p = first; p < last; ++p) {
        FusedPart part{.part = static_cast<std::int32_t>(p),
                       .parts = static_cast<std::int32_t>(parts)};
        kernels.gradients(work, 0, groups, part);
      }
    });
  } else {
    FusedPart all;
    for (std::size_t c = 0; c < chunks; ++c) {
      losses[c] = kernels.scores(work, c * kGroups, end(c));
      kernels.gradients(work, c * kGroups, end(c), all);
    }
  }
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

// A batch, and the arrays of this thread for its scores.
template <class T>
FusedWork<T> work_of(const Batch& batch, std::int64_t dim) {
  FusedWork<T> work;
  work.dim = static_cast<std::size_t>(dim);
  work.inputs = batch.inputs.span<std::int64_t>();
  work.offsets = batch.offsets.span<std::int64_t>();
  work.outputs = batch.outputs.span<std::int64_t>().data();
  work.outputs_of_group = static_cast<std::size_t>(batch.outputs.size(1));
  work.mean = batch.mean;
  work.sum_gradient = batch.sum_gradient;
  Workspace<T>& arrays = workspace<T>();
  arrays.scores.resize(static_cast<std::size_t>(batch.predictions()) * work.outputs_of_group);
  work.scores = arrays.scores.data();
  if (batch.mean) arrays.means.resize(work.offsets.size() * work.dim);
  work.means = arrays.means.data();
  return work;
}

template <class T>
Computed compute(const Variable& input, const Variable& output, const Batch& batch,
                 bool wants_input, bool wants_output) {
  Workspace<T>& arrays = workspace<T>();
  const Tensor input_table = input.value().contiguous();
  const Tensor output_table = output.value().contiguous();
  const std::int64_t dim = input.size(1);
  Computed result;
  FusedWork<T> work = work_of<T>(batch, dim);
  const auto prepare = [&](Slots& slots, std::vector<std::int32_t>& slot_of, const Tensor& ids,
                           std::int64_t rows, Tensor& distinct, Tensor& gradient) {
    slots.number(ids.span<std::int64_t>(), rows, slot_of);
    distinct = tg::tensor(slots.ids());
    gradient = tg::empty({distinct.size(0), dim}, input.dtype());
  };
  if (wants_input) {
    prepare(arrays.input, arrays.input_slots, batch.inputs, input.size(0), result.input_ids,
            result.input_rows);
    work.input_gradient = result.input_rows.mutable_span<T>().data();
    work.input_slots = arrays.input_slots.data();
  }
  if (wants_output) {
    prepare(arrays.output, arrays.output_slots, batch.outputs, output.size(0), result.output_ids,
            result.output_rows);
    work.output_gradient = result.output_rows.mutable_span<T>().data();
    work.output_slots = arrays.output_slots.data();
  }
  work.input = input_table.span<T>().data();
  work.output = output_table.span<T>().data();
  result.loss = run(work, tg::num_threads() > 1);
  return result;
}

tg::RowSparse scaled(const Tensor& ids, const Tensor& rows, const Tensor& dy) {
  const double factor = dy.dtype() == tg::float64 ? dy.item<double>() : dy.item<float>();
  return {ids, factor == 1 ? rows : rows * dy, -1, true};
}

// The dense gradient of one table from primitives, for gradients of gradients. Each prediction has
// `width` words, o, of which the first is the one in the text.
Variable composed_gradient(const Variable& input, const Variable& output, const Batch& batch,
                           bool of_input, const Variable& dy) {
  const Tensor groups = batch.groups();
  Batch plain = batch;  // the gradient of x itself is that of the mean
  plain.sum_gradient = false;
  const Variable x = predicting_rows(input, plain);
  const Tensor words = predicted_words(batch);
  const std::int64_t predictions = words.size(0), width = words.size(1), dim = input.size(1);
  const Variable o = embedding(output, words);  // (predictions, width, dim)
  const Tensor labels = tg::arange(width).eq(0).to(input.dtype());
  const Variable g = (sigmoid(squeeze(matmul(o, unsqueeze(x, 2)), 2)) - labels) * dy;
  if (!of_input) {
    const Variable each = unsqueeze(g, 2) * unsqueeze(x, 1);
    return index_add(tg::zeros(output.shape(), output.dtype()), 0,
                     reshape(words, {predictions * width}),
                     reshape(each, {predictions * width, dim}));
  }
  Variable each = squeeze(matmul(unsqueeze(g, 1), o), 1);  // (predictions, dim)
  if (batch.mean) {
    each = index_select(each, 0, groups);
    if (!batch.sum_gradient) {
      const Tensor ones = tg::ones(groups.shape(), input.dtype());
      const Tensor sizes = index_add(tg::zeros({predictions}, input.dtype()), 0, groups, ones);
      each = each / unsqueeze(index_select(sizes, 0, groups), 1);
    }
  }
  return index_add(tg::zeros(input.shape(), input.dtype()), 0, batch.inputs, each);
}

}  // namespace

Variable fused_loss(const Variable& input, const Variable& output, const Batch& batch) {
  check(input, output, batch);
  const bool records = tg::Tape::is_recording();
  const bool wants_input = records && input.requires_grad();
  const bool wants_output = records && output.requires_grad();
  const Computed computed = input.dtype() == tg::float32
                                ? compute<float>(input, output, batch, wants_input, wants_output)
                                : compute<double>(input, output, batch, wants_input, wants_output);
  const auto rule = [&](bool of_input, const Tensor& ids, const Tensor& rows) {
    return tg::FusedRule{
        [ids, rows](const Tensor& dy) { return scaled(ids, rows, dy); },
        [=](const Variable& dy) { return composed_gradient(input, output, batch, of_input, dy); }};
  };
  return record("fused_loss", tg::full({}, computed.loss, input.dtype()),
                tg::from(input, rule(true, computed.input_ids, computed.input_rows)),
                tg::from(output, rule(false, computed.output_ids, computed.output_rows)));
}

double racy_step(const SharedTables& tables, const Batch& batch, float rate) {
  Workspace<float>& arrays = workspace<float>();
  FusedWork<float> work = work_of<float>(batch, tables.dim);
  const auto prepare = [&](Slots& slots, std::vector<std::int32_t>& slot_of, const Tensor& ids,
                           std::span<const float> table, std::vector<float>& gradient) {
    slots.number(ids.span<std::int64_t>(), static_cast<std::int64_t>(table.size() / work.dim),
                 slot_of);
    gradient.resize(slots.ids().size() * work.dim);
    return gradient.data();
  };
  work.input_gradient =
      prepare(arrays.input, arrays.input_slots, batch.inputs, tables.input, arrays.input_rows);
  work.output_gradient =
      prepare(arrays.output, arrays.output_slots, batch.outputs, tables.output, arrays.output_rows);
  work.input_slots = arrays.input_slots.data();
  work.output_slots = arrays.output_slots.data();
  work.input = tables.input.data();
  work.output = tables.output.data();
  const double loss = run(work, false);
  const auto subtract_rows = fused_kernels<float>().subtract_rows;
  subtract_rows(tables.input.data(), arrays.input.ids(), work.input_gradient, work.dim, rate);
  subtract_rows(tables.output.data(), arrays.output.ids(), work.output_gradient, work.dim, rate);
  return loss;
}

}  // namespace word2vec
