// Communicator: how the ranks of a program, numbered 0 to size - 1, exchange tensors. Ranks are
// processes (distributed/mpi.h) or threads (distributed/threads.h); the functions are MPI's. Read
// next: distributed/communicator.cc.
//
//   run_on_threads(4, [](Communicator& comm) {
//     Tensor x = tensor({1.0 + comm.rank()});
//     comm.allreduce(x);                         // on each of the 4 ranks: 1 + 2 + 3 + 4 = 10
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/tensor.h>

namespace tapegrad::distributed {

// Ranks have called different functions, or another rank has ended.
class CommunicationError : public Error {
 public:
  using Error::Error;
};

struct CommunicatorOptions {
  // Before each collective function, ranks compare its number, its name and its size. If they
  // differ, or if a rank does not arrive within `timeout` seconds, every rank that waits throws a
  // CommunicationError that names that rank. It costs size - 1 small messages for each function.
  bool debug = false;
  double timeout = 60;
  // A longer message is sent in pieces, because MPI counts with 32 bits.
  std::int64_t piece_bytes = std::int64_t{1} << 30;
};

// What this rank has sent to others.
struct Traffic {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;
};

// All functions but send() and receive() are collective: every rank calls the same ones in the same
// order, with the same dtypes and sizes where nothing else is said. A rank that leaves one out
// makes the others wait; CommunicatorOptions::debug finds it. Tensors must be contiguous.
//
// Sums add the ranks in their order, 0 + x0 + x1 + ..., element by element, so every run gives the
// same bits, and every rank has the same bits.
//
// A communicator belongs to one thread.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Returns when every rank has called it.
  void barrier();
  // x of `root`, on every rank.
  void broadcast(Tensor& x, int root = 0);
  void broadcast(std::string& text, int root = 0);
  // The sum over all ranks replaces x: float32, float64 or int64. Each rank sends
  // 2 * (size - 1) / size of the bytes of x: to each rank the part that this rank sums, then its
  // own sums.
  void allreduce(Tensor& x);
  // The first half of allreduce(): the elements part_begin(n, rank) to part_begin(n, rank + 1) of
  // the sum, where n is the number of elements of x.
  Tensor reduce_scatter(const Tensor& x);
  std::int64_t part_begin(std::int64_t elements, int rank) const { return elements * rank / size_; }
  // The tensors of all ranks, one below the other: (size, sizes of x...).
  Tensor allgather(const Tensor& x);
  // The tensors of all ranks, which may differ in size(0). If every rank knows these sizes, it
  // passes them as `rows`, which saves a message to each rank.
  std::vector<Tensor> allgatherv(const Tensor& x, std::span<const std::int64_t> rows = {});
  // parts[r] goes to rank r. Returns what each rank has sent to this one. The parts may differ in
  // size(0).
  std::vector<Tensor> alltoallv(const std::vector<Tensor>& parts);

  // One message between two ranks. send() may return before the message is received, or only after
  // it. receive() needs the size and dtype that were sent.
  void send(const Tensor& x, int to);
  void receive(Tensor& x, int from);

  // Ends all ranks with this message: threads by a CommunicationError, processes by MPI_Abort().
  [[noreturn]] virtual void abort(const std::string& message) = 0;

  // The end of the program: a barrier that finds ranks which have left out a collective.
  void finish();

  // In debug mode this includes the messages that compare collectives.
  Traffic traffic() const { return traffic_; }

 protected:
  Communicator(int rank, int size, CommunicatorOptions options);
  const CommunicatorOptions& options() const { return options_; }

  // Sends `out` to rank `to`, and receives as many bytes as `in` has from rank `from`, at the same
  // time. kNobody as a rank: nothing is sent, or received. Neither is this rank.
  // CommunicationError if the message that arrives has another size.
  static constexpr int kNobody = -1;
  virtual void transfer(std::span<const std::byte> out, int to, std::span<std::byte> in,
                        int from) = 0;
  // Waits until a message of this rank can be received: false if none comes within the time.
  virtual bool wait_for(int from, double seconds) = 0;

 private:
  void begin(const char* function, std::int64_t detail);
  void exchange(std::span<const std::byte> out, int to, std::span<std::byte> in, int from);
  Tensor sum_of_part(const Tensor& x);
  void wait_for_all();
  template <class Function>  // function(to, from) for every pair of ranks but this one
  void with_others(const Function& function);
  void check(const char* function, const Tensor& x) const;
  void check_rank(const char* function, int rank) const;

  int rank_, size_;
  CommunicatorOptions options_;
  Traffic traffic_;
  std::int64_t collectives_ = 0;
};

// Tells all ranks whether one has failed. `problem` is empty, or what is wrong on this rank. If one
// is not empty, every rank throws a CommunicationError with the text of the first such rank.
// Collective.
void agree(Communicator& comm, const std::string& problem);

}  // namespace tapegrad::distributed
