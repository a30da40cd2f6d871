// A training that saves and continues: everything with a state is in its checkpoint. Read next:
// resumable.cc.
#pragma once

#include <cstdint>
#include <string>

#include <tapegrad/distributed/communicator.h>

namespace tapegrad::distributed::test {

struct Resumable {
  std::string path;         // of the checkpoint; loaded if it exists
  std::int64_t passes = 3;  // over 50 examples, in batches of 8
  std::int64_t save_every = 4;
  std::int64_t stop_after = -1;  // ends after so many batches, as if it were killed
  double dropout = 0;            // draws from the default generator
  DType dtype = float64;
  bool sharded = false;  // the table is a ShardedEmbedding
};

// The parameters at the end, as one tensor. Collective.
Tensor train_resumable(Communicator& comm, const Resumable& training);

}  // namespace tapegrad::distributed::test
