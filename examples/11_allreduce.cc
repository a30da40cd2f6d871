// Lesson 11: several ranks train one model. Each rank computes the gradient of its part of the
// batch; an allreduce adds the gradients up, so that every rank has the sum and takes the same
// step. The ranks are 4 threads, or the processes of `mpirun -n 3 example_11_allreduce`.
#include <tapegrad/distributed/mpi.h>
#include <tapegrad/distributed/optimizer.h>
#include <tapegrad/distributed/sharded_loader.h>
#include <tapegrad/distributed/threads.h>
#include <tapegrad/tapegrad.h>

#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace tg = tapegrad;
using tg::distributed::Communicator;

namespace {

// A row of numbers; `only` is the position that is shown, or -1 for all.
std::string drawn(const tg::Tensor& row, std::int64_t only = -1) {
  std::ostringstream text;
  for (std::int64_t i = 0; i < row.numel(); ++i) {
    text << std::setw(4);
    if (only == -1 || only == i) {
      text << row.item<std::int64_t>({i});
    } else {
      text << '.';
    }
  }
  return text.str();
}

void print(const Communicator& comm, const std::string& text) {
  if (comm.rank() == 0) std::cout << text << std::flush;
}

// The two halves of an allreduce, with one number for each rank to add.
void draw_allreduce(Communicator& comm) {
  const std::int64_t n = comm.size();
  tg::Tensor x = 10 * (comm.rank() + 1) + tg::arange(n);  // rank 0: 10 11 12 ..., rank 1: 20 21 ...
  const tg::Tensor before = comm.allgather(x);            // (n, n): for the picture

  const tg::Tensor part = comm.reduce_scatter(x);  // each rank adds up one column
  const tg::Tensor sums = comm.allgather(part);    // (n, 1): each sends its sum to all
  comm.allreduce(x);                               // both at once, on the same numbers
  if (!equal(x, sums.reshape({n}))) comm.abort("an allreduce is not its two halves");

  std::ostringstream picture;
  const auto width = static_cast<int>(4 * n);
  picture << "What an allreduce of " << n << " ranks does:\n\n"
          << std::left << std::setw(10) << "" << std::setw(width) << "  before"
          << "     " << std::setw(width) << "  columns"
          << "     "
          << "  all\n";
  for (std::int64_t r = 0; r < n; ++r) {
    picture << "  rank " << std::setw(3) << r << drawn(select(before, 0, r)) << "  -> "
            << drawn(x, r) << "  -> " << drawn(x) << '\n';
  }
  picture << "\n  1. reduce-scatter: rank r gets column r of all others, and adds it up\n"
          << "  2. allgather:      rank r sends its sum to all others\n\n";
  print(comm, picture.str());
}

// What each rank sends for a vector of 1200 floats.
void count_traffic(Communicator& comm) {
  tg::Tensor gradient = tg::ones({1200});
  const tg::distributed::Traffic before = comm.traffic();
  comm.allreduce(gradient);
  const std::int64_t sent = comm.traffic().bytes - before.bytes;
  print(comm, "4800 bytes of gradients: each rank sends " + std::to_string(sent) +
                  " bytes, 2 * (n - 1) / n times as much: less than twice as much for any n\n\n");
}

// y = 3 x0 - 2 x1 + 1, learned by gradient descent.
void train(Communicator& comm) {
  tg::Generator own(0), orders(1);
  const tg::Tensor x = tg::randn({30, 2}, tg::float32, own);
  const tg::Tensor y = matmul(x, tg::tensor({{3.0f}, {-2.0f}})) + 1.0;

  tg::nn::Linear model(2, 1, {.generator = own});
  tg::optim::SGD sgd(model.parameters(), {.lr = 0.1});
  tg::distributed::DistributedOptimizer optimizer(sgd, comm);
  tg::distributed::ShardedLoader loader(tg::nn::TensorDataset(x, y), comm,
                                        {.batch_size = 8, .shuffle = true}, orders);
  std::vector<std::int64_t> counts;
  for (int pass = 0; pass < 20; ++pass) {
    for (const auto& [batch, count] : loader) {  // this rank's part of 8 examples
      const auto& [inputs, targets] = batch;
      optimizer.zero_grad();
      tg::nn::mse_loss(model(inputs), targets).backward();
      optimizer.step(count);  // the mean of the gradients, weighted by `count`
      if (pass == 0) counts.push_back(count);
    }
  }
  optimizer.check_replicas();  // all ranks have the same bits

  const tg::Tensor all = comm.allgather(tg::tensor(counts));  // (n, batches)
  std::ostringstream text;
  text << "Examples of each rank in the 4 batches of a pass:\n";
  for (int r = 0; r < comm.size(); ++r) {
    text << "  rank " << std::left << std::setw(3) << r << drawn(select(all, 0, r)) << '\n';
  }
  text << std::fixed << std::setprecision(3)
       << "learned on every rank: y = " << model.weight.value().item<float>({0, 0}) << " x0 + "
       << model.weight.value().item<float>({0, 1}) << " x1 + "
       << model.bias.value().item<float>({0}) << '\n';
  print(comm, text.str());
}

void lesson(Communicator& comm) {
  draw_allreduce(comm);
  count_traffic(comm);
  train(comm);
}

}  // namespace

int main(int argc, char** argv) {
  return tg::distributed::run_distributed(argc, argv, [](Communicator& comm) {
    if (comm.size() > 1) {
      lesson(comm);
    } else {  // not started by mpirun
      tg::distributed::run_on_threads(4, lesson);
    }
  });
}
