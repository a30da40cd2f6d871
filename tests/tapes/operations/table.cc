// The table of all operations: add the row of a new operation to the file of its family. A test
// reads ops.h and fails if an operation has no row. Read next: elementwise.cc.
#include <utility>

#include "tapes/operation.h"

namespace tapegrad::tapes {

const Table& operations() {
  static const Table table = [] {
    Table all;
    for (const auto family : {elementwise_rows, reduction_rows, view_rows}) {
      for (Operation& row : family()) all.push_back(std::move(row));
    }
    return all;
  }();
  return table;
}

}  // namespace tapegrad::tapes
