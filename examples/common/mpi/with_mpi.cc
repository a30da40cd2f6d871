// Ranks over tapegrad::distributed. Read next: without_mpi.cc.
#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/tensor/ops.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <new>
#include <streambuf>
#include <thread>

#include "common/program.h"
#include "common/ranks.h"

namespace examples {
namespace {

namespace tg = tapegrad;
using tg::distributed::Communicator;
using tg::distributed::DistributedOptimizer;

class MpiSteps final : public SharedSteps {
 public:
  MpiSteps(tg::optim::Optimizer& optimizer, Communicator& comm) : optimizer_(optimizer, comm) {}
  void average_gradients(std::int64_t count) override { optimizer_.average_gradients(count); }
  void step() override { optimizer_.step(); }
  void check_parameters() const override { optimizer_.check_replicas(); }

 private:
  DistributedOptimizer optimizer_;
};

class MpiRanks final : public Ranks {
 public:
  explicit MpiRanks(Communicator& comm) : Ranks(comm.rank(), comm.size()), comm_(comm) {}

  void barrier() override { comm_.barrier(); }
  std::vector<double> gather(const std::vector<double>& values) override {
    return tg::to_vector<double>(comm_.allgather(tg::tensor(values)).flatten());
  }
  std::string text_of_first(const std::string& text) override {
    std::string copy = text;
    comm_.broadcast(copy);
    return copy;
  }
  void share(tg::Generator& generator) override {
    tg::Tensor state = generator.state_dict().at("state").clone();
    comm_.broadcast(state);
    generator.load_state_dict({{"state", state}});
  }
  std::unique_ptr<SharedSteps> share(tg::optim::Optimizer& optimizer) override {
    return std::make_unique<MpiSteps>(optimizer, comm_);
  }

 private:
  Communicator& comm_;
};

// While it exists, nothing that this process prints is seen.
class Silence {
 public:
  explicit Silence(bool silent)
      : out_(silent ? std::cout.rdbuf(&nowhere_) : nullptr),
        error_(silent ? std::cerr.rdbuf(&nowhere_) : nullptr) {}
  ~Silence() {
    if (out_ == nullptr) return;
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(error_);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;

 private:
  struct Nowhere final : std::streambuf {
    int_type overflow(int_type c) override { return traits_type::not_eof(c); }
    std::streamsize xsputn(const char*, std::streamsize count) override { return count; }
  };
  Nowhere nowhere_;
  std::streambuf* out_;
  std::streambuf* error_;
};

int run_as_rank(Communicator& comm, const std::function<int(Ranks*)>& run) {
  const Silence silence(comm.rank() > 0);
  try {
    MpiRanks ranks(comm);
    const int status = run(comm.size() > 1 ? &ranks : nullptr);
    if (!std::cout.flush()) throw tg::IoError("standard output: cannot write");
    return status;
  } catch (...) {
    // If all have the same reason, rank 0 prints it and ends the others before they do.
    if (comm.rank() > 0) std::this_thread::sleep_for(std::chrono::seconds(1));
    throw;
  }
}

// What Open MPI, MPICH and its relatives, and srun tell the processes that they start. Others do
// not start MPI, which takes longer than most commands.
bool is_started_by_mpirun() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace

int run_main_on_ranks(const std::string& program, int& argc, char**& argv,
                      const std::function<int(Ranks*)>& run) {
  if (!is_started_by_mpirun()) return run_main(program, [&] { return run(nullptr); });
  int status = 0;
  const int failed = tg::distributed::run_distributed(argc, argv, [&](Communicator& comm) {
    try {
      status = run_as_rank(comm, run);
    } catch (const std::bad_alloc&) {
      throw tg::Error("there is not enough memory");
    }
  });
  return failed != 0 ? failed : status;
}

}  // namespace examples
