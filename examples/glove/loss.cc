// Four lookups, a dot product, and a square. Read next: training.h.
#include <tapegrad/autograd/ops.h>
#include <tapegrad/tensor/ops.h>

#include "glove/loss.h"

namespace glove {

tg::Variable weighted_squares(const Tables& tables, const Batch& batch) {
  const tg::Variable w = embedding(tables.word, batch.words);        // (elements, dim)
  const tg::Variable c = embedding(tables.context, batch.contexts);  // (elements, dim)
  const tg::Variable b = embedding(tables.word_bias, batch.words) +  // (elements, 1)
                         embedding(tables.context_bias, batch.contexts);
  const tg::Variable error = sum(w * c, {1}) + squeeze(b, 1) - batch.log_counts;
  return 0.5 * sum(batch.weights * square(error));
}

}  // namespace glove
