// Lookups, and nn's loss. Read next: fused_loss.cc.
#include <tapegrad/nn/functional.h>
#include <tapegrad/tensor/ops.h>

#include "word2vec/loss.h"

namespace word2vec {
namespace {

// The mean of the rows of each group.
tg::Variable means(const tg::Variable& table, const Batch& batch) {
  const tg::Variable mean = embedding_bag(table, batch.inputs, batch.offsets);
  if (!batch.sum_gradient) return mean;
  const tg::Variable sum =
      embedding_bag(table, batch.inputs, batch.offsets, {.mode = tg::BagMode::sum});
  return sum + (mean.value() - sum.value());  // the value of the mean, the gradient of the sum
}

}  // namespace

tg::Variable predicting_rows(const tg::Variable& input, const Batch& batch) {
  return batch.mean ? means(input, batch) : embedding(input, batch.inputs);
}

tg::Tensor predicted_words(const Batch& batch) {
  return batch.mean ? batch.outputs : index_select(batch.outputs, 0, batch.groups());
}

tg::Variable simple_loss(const tg::Variable& input, const tg::Variable& output,
                         const Batch& batch) {
  const tg::Variable predicting = predicting_rows(input, batch);
  const tg::Tensor words = predicted_words(batch);
  const tg::Variable target = embedding(output, select(words, 1, 0));
  const tg::Variable negatives = embedding(output, narrow(words, 1, 1, words.size(1) - 1));
  return tg::nn::negative_sampling_loss(predicting, target, negatives, {.reduction = "sum"});
}

}  // namespace word2vec
