// Checkpoints: a run that continues has the bytes of one that was not interrupted; with another
// number of ranks, the same up to rounding. Read next: resumable.h.
#include <tapegrad/distributed/checkpoint.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

#include <tapegrad/distributed/threads.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "../catch.h"
#include "collectives.h"
#include "resumable.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::expect;
using test::Resumable;

namespace {

// A folder that is removed at the end.
struct Folder {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("tapegrad_distributed_" + std::to_string(getpid())))
                         .string();
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

Tensor train(int ranks, const Resumable& training) {
  Tensor result;
  run_on_threads(ranks, [&](Communicator& comm) {
    const Tensor mine = train_resumable(comm, training);
    if (comm.rank() == 0) result = mine;
  });
  return result;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  return max(abs(a - b)).item<double>() / max(abs(b)).item<double>();
}

}  // namespace

TEST_CASE("a run that continues ends with the bytes of one that was not interrupted", "[threads]") {
  const Folder folder;
  for (const bool sharded : {false, true}) {
    for (const DType dtype : {float32, float64}) {
      for (int ranks = 1; ranks <= 4; ++ranks) {
        CAPTURE(sharded, dtype, ranks);
        const std::string name = folder.path + "/" + std::to_string(ranks) + tapegrad::name(dtype) +
                                 (sharded ? "sharded" : "");
        Resumable training{.path = name + "whole", .dtype = dtype, .sharded = sharded};
        const Tensor expected = train(ranks, training);
        training.path = name + "parts";
        for (const int batches : {6, 9}) {  // each loses the steps after its last save
          training.stop_after = batches;
          train(ranks, training);
        }
        training.stop_after = -1;
        CHECK(equal(train(ranks, training), expected));
      }
    }
  }
}

TEST_CASE("a run continues with another number of ranks", "[threads]") {
  const Folder folder;
  const Tensor expected = train(1, {.path = folder.path + "/whole"});
  // A checkpoint of a sharded table continues with one that is not, and the other way round.
  const std::string parts = folder.path + "/parts";
  train(3, {.path = parts, .stop_after = 6});
  train(1, {.path = parts, .stop_after = 5, .sharded = true});
  train(4, {.path = parts, .stop_after = 5, .sharded = true});
  train(3, {.path = parts, .stop_after = 5});
  CHECK(largest_difference(train(2, {.path = parts, .sharded = true}), expected) < 1e-6);
}

TEST_CASE("if one rank cannot save or load, all of them throw its reason", "[threads]") {
  const Folder folder;
  std::atomic<int> told = 0;
  const auto expect_all = [&](const std::string& start, const auto& function) {
    told = 0;
    std::string text;
    run_on_threads(3, [&](Communicator& comm) {
      try {
        function(comm);
      } catch (const CommunicationError& error) {
        if (comm.rank() == 1) text = error.what();
        if (std::string(error.what()).rfind(start, 0) == 0) ++told;
      }
    });
    CAPTURE(start, text);
    CHECK(told == 3);
  };
  Generator g0, g1, g2;
  Generator* const generators[] = {&g0, &g1, &g2};
  const auto mine = [&](Communicator& comm) -> Generator& { return *generators[comm.rank()]; };
  expect_all(
      "rank 0: save: cannot open the folder " + folder.path + "/none",
      [&](Communicator& comm) { save_checkpoint(comm, folder.path + "/none/x", mine(comm)); });
  expect_all("rank 0: load_checkpoint: cannot open " + folder.path + "/none",
             [&](Communicator& comm) { load_checkpoint(comm, folder.path + "/none", mine(comm)); });

  const std::string path = folder.path + "/x";
  run_on_threads(3, [&](Communicator& comm) { save_checkpoint(comm, path, mine(comm)); });
  expect_all("rank 2: load_checkpoint: cannot open " + path + "2", [&](Communicator& comm) {
    load_checkpoint(comm, comm.rank() == 2 ? path + "2" : path, mine(comm));
  });
  run_on_threads(1, [&](Communicator& comm) { save_checkpoint(comm, path + "2", g0, "n", 3); });
  expect_all("rank 2: load_checkpoint: " + path + "2 is not the file", [&](Communicator& comm) {
    load_checkpoint(comm, comm.rank() == 2 ? path + "2" : path, mine(comm));
  });
  expect_all("rank 0: load_checkpoint: " + path + "2 holds the parts",
             [&](Communicator& comm) { load_checkpoint(comm, path + "2", mine(comm)); });
}
