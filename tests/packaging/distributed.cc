// A user's program with several ranks: threads here, since the test does not call mpirun.
#include <tapegrad/distributed/checkpoint.h>
#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/tapegrad.h>

namespace tg = tapegrad;

int main(int argc, char** argv) {
  tg::distributed::run_on_threads(2, [](tg::distributed::Communicator& comm) {
    tg::Variable w = tg::parameter(tg::ones({2}));
    tg::optim::SGD sgd({w}, 0.1);
    tg::distributed::DistributedOptimizer optimizer(sgd, comm);
    sum(w * static_cast<double>(comm.rank())).backward();
    optimizer.step();
    if (!allclose(w.value(), tg::full({2}, 0.95))) comm.abort("another step");
  });
  return argc > 1 ? tg::distributed::run_distributed(argc, argv, [](auto&) {}) : 0;
}
