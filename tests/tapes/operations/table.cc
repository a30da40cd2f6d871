// The table of all operations: add the row of a new operation to the file of its family. A test
// reads ops.h and fails if an operation has no row. Read next: elementwise.cc.
#include <utility>

#include "tapes/operation.h"

namespace tapegrad::tapes {

const Table& operations() {
  static const Table table = [] {
    Table all;
    for (const auto family : {elementwise_rows, activation_rows, reduction_rows, order_rows,
                              softmax_rows, normalization_rows, matmul_rows, convolution_rows,
                              image_rows, view_rows, indexing_rows, gather_rows, embedding_rows,
                              similarity_rows, attention_rows, recurrent_rows, loss_rows}) {
      for (Operation& row : family()) all.push_back(std::move(row));
    }
    return all;
  }();
  return table;
}

}  // namespace tapegrad::tapes
