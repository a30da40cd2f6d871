// The loss of word2vec with negative sampling, twice: composed of operations of tapegrad, which is
// the one to read, and as one operation, which is fast. Read next: simple_loss.cc.
#pragma once

#include <tapegrad/autograd/variable.h>

#include "word2vec/batches.h"

namespace word2vec {

// The rows that predict (predictions, dim), and what each of them predicts (predictions, 1 +
// negatives).
tg::Variable predicting_rows(const tg::Variable& input, const Batch& batch);
tg::Tensor predicted_words(const Batch& batch);

// The sum over all predictions of -log s(x.v) - sum over the negatives n of log s(-x.n), where s is
// the sigmoid; x is an input's row of `input`, or the mean of a group's rows; v and n are the rows
// of `output` (Mikolov and others 2013, arXiv 1310.4546, equation 4). Both tables are (words, dim),
// and their gradients are row-sparse.
tg::Variable simple_loss(const tg::Variable& input, const tg::Variable& output, const Batch& batch);

// The same value and gradients up to rounding. ShapeError, DTypeError or IndexError unless the
// tables and the batch fit.
tg::Variable fused_loss(const tg::Variable& input, const tg::Variable& output, const Batch& batch);

}  // namespace word2vec
