// Ranks: the processes of a program that mpirun has started, numbered from 0. They read the same
// files and draw the same batches; each computes the gradients of its part of every batch. Only
// rank 0 writes files and prints. A program knows this class instead of distributed::Communicator,
// because it can be built without MPI, too. Read next: ranks.cc.
#pragma once

#include <tapegrad/optim/optimizer.h>
#include <tapegrad/tensor/random/generator.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace examples {

// The steps of an optimizer whose gradients are averaged over all ranks.
class SharedSteps {
 public:
  virtual ~SharedSteps() = default;
  // Replaces the gradients by their mean over all ranks, weighted with the number of examples that
  // each rank's loss is the mean of. Every rank calls it.
  virtual void average_gradients(std::int64_t count) = 0;
  virtual void step() = 0;  // of the optimizer, after average_gradients()
  // ValueError, on all ranks, unless all of them have the same parameters, bit for bit. Every rank
  // calls it.
  virtual void check_parameters() const = 0;
};

// Every rank calls the same functions in the same order. All wait for the others.
class Ranks {
 public:
  virtual ~Ranks() = default;
  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_first() const { return rank_ == 0; }

  virtual void barrier() = 0;
  // The values of all ranks, in their order; each rank gives as many.
  virtual std::vector<double> gather(const std::vector<double>& values) = 0;
  virtual std::string text_of_first(const std::string& text) = 0;
  // Sets the state of a generator to that of rank 0.
  virtual void share(tapegrad::Generator& generator) = 0;
  // Sets all parameters to those of rank 0. The optimizer must live longer than the result.
  virtual std::unique_ptr<SharedSteps> share(tapegrad::optim::Optimizer& optimizer) = 0;

  // Of each value, the sum over all ranks, with the same bits in every run.
  std::vector<double> sum(const std::vector<double>& values);
  // The signal that stops the run: that of the first rank which has received one, or 0.
  int agree_on_signal(int received);
  // ValueError on all ranks that names `what` unless the text is the same on all of them.
  void require_same(const std::string& what, const std::string& text);

 protected:
  Ranks(int rank, int size) : rank_(rank), size_(size) {}

 private:
  int rank_, size_;
};

// run_main() of common/program.h for a program that mpirun may have started: calls run() with
// the ranks, or with null if the process is the only one. An exception on one rank ends all of
// them. Of the others than rank 0, only such an exception is printed.
int run_main_on_ranks(const std::string& program, int& argc, char**& argv,
                      const std::function<int(Ranks*)>& run);

}  // namespace examples
