// A program for mpirun: `mpi_program WHAT ...` does one of the things below on every rank, and
// tests/distributed/mpi checks how it ends. Read next: mpi.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include "collectives.h"
#include "resumable.h"
#include "training.h"

using namespace tapegrad;
using namespace tapegrad::distributed;
using test::expect;

namespace {

// Every optimizer, compared with one rank that has the whole batch, and with threads, which
// optimizer_test.cc compares for more steps.
void check_training(Communicator& comm) {
  for (const test::NamedOptimizer& optimizer : test::all_optimizers()) {
    const test::Training training{.make = optimizer.make, .steps = 60};
    const test::Trained mine = test::train(comm, training);
    expect(test::difference(mine, test::train_on_threads(1, training)) < 1e-6, optimizer.name);
    expect(test::same_bits(mine, test::train_on_threads(comm.size(), training)),
           optimizer.name + ": other bits than with threads");
    test::Training sharded = training;
    sharded.sharded.emplace();
    const test::Trained rows = test::train(comm, sharded);
    expect(test::difference(rows, mine) < 1e-6, optimizer.name + ", sharded");
    expect(test::same_bits(rows, test::train_on_threads(comm.size(), sharded)),
           optimizer.name + ", sharded: other bits than with threads");
  }
}

// Prints the sum of all bytes of the parameters, which differs if one bit does.
void train_and_print(Communicator& comm, const std::string& path) {
  std::ofstream(path + ".pid" + std::to_string(comm.rank())) << getpid() << '\n';
  manual_seed(static_cast<std::uint64_t>(comm.rank()));
  const Tensor parameters = test::train_resumable(
      comm, {.path = path, .passes = 60, .save_every = 3, .dropout = 0.3, .dtype = float32});
  const std::size_t hash =
      std::hash<std::string_view>()({reinterpret_cast<const char*>(parameters.data<float>()),
                                     static_cast<std::size_t>(parameters.numel()) * sizeof(float)});
  if (comm.rank() == 0) std::cout << "parameters " << std::hex << hash << std::endl;
}

void forever(Communicator& comm) {
  Tensor x = ones({1000});
  for (;;) comm.allreduce(x);
}

void run(Communicator& comm, const std::string& what, const std::string& argument) {
  const bool last = comm.rank() == comm.size() - 1;
  if (what == "collectives") {
    test::check_collectives(comm);
    test::check_order_of_sums(comm);
  } else if (what == "training") {
    check_training(comm);
  } else if (what == "resume") {
    return train_and_print(comm, argument);
  } else if (what == "throw") {
    if (last) throw std::runtime_error("the disk is full");
    forever(comm);
  } else if (what == "abort") {
    if (last) comm.abort("enough");
    forever(comm);
  } else if (what == "die") {
    if (last) std::raise(SIGKILL);
    forever(comm);
  } else if (what == "exit") {
    if (last) std::exit(0);
    forever(comm);
  } else if (what == "skip") {
    Tensor x = ones({3});
    if (!last) comm.allreduce(x);
    comm.barrier();
  } else if (what == "hang") {
    if (last) std::this_thread::sleep_for(std::chrono::seconds(100));
    comm.barrier();
  } else {
    throw std::runtime_error("unknown: " + what);
  }
  comm.barrier();
  if (comm.rank() == 0) std::cout << what << " on " << comm.size() << " ranks: good" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "", argument = argc > 2 ? argv[2] : "";
  CommunicatorOptions options{.debug = what == "skip" || what == "hang", .timeout = 1};
  if (what == "collectives" && !argument.empty()) options.piece_bytes = std::stoll(argument);
  return run_distributed(
      argc, argv, [&](Communicator& comm) { run(comm, what, argument); }, options);
}
