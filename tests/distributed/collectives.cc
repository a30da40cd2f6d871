// Each rank knows what the others send, so each can compute the answers by itself. Read next:
// communicator_test.cc.
#include "collectives.h"

#include <cstdint>
#include <stdexcept>
#include <vector>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

namespace tapegrad::distributed::test {
namespace {

// What rank r sends: `count` numbers that no other rank sends.
Tensor numbers_of(int r, std::int64_t count, DType dtype = float64) {
  return (arange(count) + 1000 * (r + 1)).to(dtype);
}

void check_broadcasts(Communicator& comm) {
  for (int root = 0; root < comm.size(); ++root) {
    for (const DType dtype : {boolean, int64, float32, float64}) {
      Tensor x = numbers_of(comm.rank(), 5, dtype);
      comm.broadcast(x, root);
      expect(equal(x, numbers_of(root, 5, dtype)), "broadcast from " + std::to_string(root));
    }
    std::string text(static_cast<std::size_t>(comm.rank() * 3), 'a');
    comm.broadcast(text, root);
    expect(text == std::string(static_cast<std::size_t>(root * 3), 'a'), "broadcast of a text");
  }
  Tensor empty = zeros({0, 3});
  comm.broadcast(empty);
}

void check_sums(Communicator& comm) {
  const int n = comm.size();
  for (const DType dtype : {int64, float32, float64}) {
    for (const std::int64_t count : {0, 1, 2, 3, 17}) {
      Tensor expected = zeros({count}, dtype);
      for (int r = 0; r < n; ++r) expected = expected + numbers_of(r, count, dtype);
      Tensor x = numbers_of(comm.rank(), count, dtype);
      const std::int64_t begin = comm.part_begin(count, comm.rank());
      const std::int64_t part = comm.part_begin(count, comm.rank() + 1) - begin;
      expect(equal(comm.reduce_scatter(x), narrow(expected, 0, begin, part)), "reduce_scatter");
      expect(equal(x, numbers_of(comm.rank(), count, dtype)), "reduce_scatter changed its input");
      comm.allreduce(x);
      expect(x.dtype() == dtype && equal(x, expected), "allreduce");
    }
  }
  Tensor matrix = full({2, 3}, comm.rank() + 1);
  comm.allreduce(matrix);
  expect(equal(matrix, full({2, 3}, n * (n + 1) / 2)), "allreduce of a matrix");
  Tensor scalar = tensor(1.0, float64);
  comm.allreduce(scalar);
  expect(scalar.dim() == 0 && scalar.item<double>() == n, "allreduce of a scalar");
}

void check_gathers(Communicator& comm) {
  const int n = comm.size();
  const Tensor all = comm.allgather(numbers_of(comm.rank(), 6).reshape({2, 3}));
  expect(all.shape() == Shape({n, 2, 3}), "the shape of allgather");
  for (int r = 0; r < n; ++r) {
    expect(equal(select(all, 0, r), numbers_of(r, 6).reshape({2, 3})), "allgather");
  }
  // Rank r has r rows, so rank 0 has none.
  const auto rows_of = [](int r) { return numbers_of(r, 2 * r).reshape({r, 2}); };
  std::vector<std::int64_t> counts;
  for (int r = 0; r < n; ++r) counts.push_back(r);
  const std::vector<Tensor> unknown = comm.allgatherv(rows_of(comm.rank()));
  const std::vector<Tensor> known = comm.allgatherv(rows_of(comm.rank()), counts);
  for (int r = 0; r < n; ++r) {
    expect(equal(unknown.at(static_cast<std::size_t>(r)), rows_of(r)), "allgatherv");
    expect(equal(known.at(static_cast<std::size_t>(r)), rows_of(r)), "allgatherv, known sizes");
  }
}

void check_alltoallv(Communicator& comm) {
  const int n = comm.size();
  // Rank r sends |r - to| rows to rank `to`.
  const auto part = [](int from, int to) {
    const std::int64_t rows = from < to ? to - from : from - to;
    return (numbers_of(from, 2 * rows) + 100 * to).reshape({rows, 2});
  };
  std::vector<Tensor> parts;
  for (int to = 0; to < n; ++to) parts.push_back(part(comm.rank(), to));
  const std::vector<Tensor> received = comm.alltoallv(parts);
  for (int from = 0; from < n; ++from) {
    expect(equal(received.at(static_cast<std::size_t>(from)), part(from, comm.rank())),
           "alltoallv from " + std::to_string(from));
  }
}

// A token goes around, and each rank adds its number.
void check_messages(Communicator& comm) {
  const int n = comm.size();
  if (n == 1) return;
  Tensor token = tensor({0.0}, float64);
  if (comm.rank() > 0) comm.receive(token, comm.rank() - 1);
  token.add_(comm.rank() + 1);
  comm.send(token, (comm.rank() + 1) % n);
  if (comm.rank() == 0) {
    comm.receive(token, n - 1);
    expect(token.item<double>() == n * (n + 1) / 2, "send and receive");
  }
}

}  // namespace

void expect(bool holds, const std::string& text) {
  if (!holds) throw std::runtime_error("wrong: " + text);
}

void check_collectives(Communicator& comm) {
  expect(comm.rank() >= 0 && comm.rank() < comm.size(), "rank");
  comm.barrier();
  check_broadcasts(comm);
  check_sums(comm);
  check_gathers(comm);
  check_alltoallv(comm);
  check_messages(comm);
  agree(comm, "");
}

void check_order_of_sums(Communicator& comm) {
  std::vector<Tensor> terms;
  for (int r = 0; r < comm.size(); ++r) {
    Generator generator(static_cast<std::uint64_t>(r) + 1);
    terms.push_back(randn({1001}, float32, generator) *
                    std::vector<double>{1, 1e6, -1e6, 1e-3}[static_cast<std::size_t>(r % 4)]);
  }
  Tensor expected = zeros({1001});
  for (const Tensor& term : terms) expected = expected + term;
  Tensor backward = zeros({1001});
  for (auto term = terms.rbegin(); term != terms.rend(); ++term) backward = backward + *term;
  Tensor x = terms[static_cast<std::size_t>(comm.rank())].clone();
  comm.allreduce(x);
  expect(equal(x, expected), "the order of an allreduce");
  if (comm.size() > 2) expect(!equal(expected, backward), "these numbers do not show the order");
}

}  // namespace tapegrad::distributed::test
