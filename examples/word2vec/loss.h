// The loss of word2vec with negative sampling, twice: composed of operations of tapegrad, which is
// the one to read, and as one operation, which is fast. Read next: simple_loss.cc.
#pragma once

#include <tapegrad/autograd/variable.h>

#include <cstdint>
#include <span>

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

// Two tables (rows, dim) that several threads change at the same time.
struct SharedTables {
  std::span<float> input;  // contiguous
  std::span<float> output;
  std::int64_t dim;
};

// fused_loss(), backward() and a step of SGD at once, without the tape: subtracts rate * gradient
// from the rows of the batch, and returns the loss before.
//
// Several threads may call it for the same tables. They take no lock: a row that two of them change
// at once may lose a part of one step, which does little harm while most rows of two batches differ
// (Hogwild; Niu and others 2011, arXiv 1106.5730). By the rules of C++ this is a data race, so it
// is only done where the user asks for it, with --racy.
double racy_step(const SharedTables& tables, const Batch& batch, float rate);

}  // namespace word2vec
