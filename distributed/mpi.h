// Ranks that are processes, which mpirun starts on one machine or on many. Read next:
// distributed/mpi.cc.
//
//   int main(int argc, char** argv) {
//     return run_distributed(argc, argv, [](Communicator& comm) { ... });
//   }
//
//   mpirun -n 4 program
#pragma once

#include <functional>
#include <memory>

#include <tapegrad/distributed/communicator.h>

namespace tapegrad::distributed {

// The main function of a program that mpirun starts: starts MPI, calls `function`, and ends MPI.
// Returns 0. MPI may remove arguments of its own from argc and argv. A program that was started
// without mpirun is the only rank.
//
// If an exception leaves `function` on one rank, the rank prints `rank 2: ` and its message, and
// all ranks are ended (MPI_Abort), with exit status 1; this function does not return then. With one
// rank, it returns 1. The same happens if `function` calls exit(). When a rank dies, mpirun ends
// the others.
int run_distributed(int& argc, char**& argv, const std::function<void(Communicator&)>& function,
                    CommunicatorOptions options = {});

// All processes that mpirun has started (MPI_COMM_WORLD), for a program that calls MPI_Init() and
// MPI_Finalize() itself. ValueError before MPI_Init() and after MPI_Finalize(). Destroy it earlier
// than MPI_Finalize().
std::unique_ptr<Communicator> mpi_communicator(CommunicatorOptions options = {});

}  // namespace tapegrad::distributed
