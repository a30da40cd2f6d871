// The collective functions, each as messages between pairs of ranks. With n ranks, rank r sends to
// r + 1, r + 2, ... and receives from r - 1, r - 2, ... (modulo n), so that in each round every
// rank sends one message and receives one. Read next: distributed/threads.h.
#include <tapegrad/distributed/communicator.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed {
namespace {

std::span<const std::byte> bytes_of(const Tensor& x) {
  return {x.data<std::byte>(), static_cast<std::size_t>(x.numel()) * item_size(x.dtype())};
}
std::span<std::byte> writable_bytes(Tensor& x) {
  return {x.mutable_data<std::byte>(), static_cast<std::size_t>(x.numel()) * item_size(x.dtype())};
}
template <class T>
std::span<const std::byte> bytes_of_value(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::span<std::byte> writable_bytes_of_value(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

// Bytes of one row, or of x if it has no dimensions.
std::int64_t row_bytes(const Tensor& x) {
  auto bytes = static_cast<std::int64_t>(item_size(x.dtype()));
  for (std::int64_t i = 1; i < x.dim(); ++i) bytes *= x.size(i);
  return bytes;
}
std::int64_t total_bytes(const Tensor& x) {
  return x.numel() * static_cast<std::int64_t>(item_size(x.dtype()));
}

// An uninitialized tensor like x, but with this many rows.
Tensor with_rows(const Tensor& x, std::int64_t rows) {
  Shape shape(x.sizes());
  shape[0] = rows;
  return Tensor::uninitialized(shape, x.dtype());
}

// What a rank is about to call, in debug mode.
struct Call {
  std::int64_t number = 0;
  std::array<char, 24> function{};
  std::int64_t detail = 0;  // a size or a rank, which must be equal

  Call(std::int64_t its_number, const char* name, std::int64_t its_detail)
      : number(its_number), detail(its_detail) {
    std::strncpy(function.data(), name, function.size() - 1);
  }
  bool operator==(const Call&) const = default;
  std::string text() const {
    return std::string(function.data()) + " (" + std::to_string(detail) + ")";
  }
};

// `rank 1 calls barrier (0), ranks 0, 2 call allreduce (24)`: those that differ from most come
// first.
std::string describe(const std::vector<Call>& calls) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (std::size_t r = 0; r < calls.size(); ++r) {
    const auto same = [&](const auto& group) { return group.first == calls[r].text(); };
    auto group = std::ranges::find_if(groups, same);
    if (group == groups.end()) group = groups.insert(group, {calls[r].text(), {}});
    group->second.push_back(std::to_string(r));
  }
  std::ranges::stable_sort(groups, {}, [](const auto& group) { return group.second.size(); });
  std::string text;
  for (const auto& [call, ranks] : groups) {
    if (!text.empty()) text += ", ";
    text += ranks.size() == 1 ? "rank " : "ranks ";
    for (std::size_t i = 0; i < ranks.size(); ++i) text += (i == 0 ? "" : " and ") + ranks[i];
    text += (ranks.size() == 1 ? " calls " : " call ") + call;
  }
  return text;
}

}  // namespace

Communicator::Communicator(int rank, int size, CommunicatorOptions options)
    : rank_(rank), size_(size), options_(options) {
  if (options.piece_bytes < 1 || options.piece_bytes > std::int64_t{1} << 30) {
    throw ValueError("Communicator: piece_bytes is " + std::to_string(options.piece_bytes) +
                     ", needed 1 to 2^30");
  }
  if (!(options.timeout > 0)) {
    throw ValueError("Communicator: timeout is " + std::to_string(options.timeout) +
                     ", needed a number of seconds above 0");
  }
}

// --- messages ------------------------------------------------------------------------------------

void Communicator::exchange(std::span<const std::byte> out, int to, std::span<std::byte> in,
                            int from) {
  if (to != kNobody) {
    ++traffic_.messages;
    traffic_.bytes += static_cast<std::int64_t>(out.size());
  }
  transfer(out, to, in, from);
}

template <class Function>
void Communicator::with_others(const Function& function) {
  for (int k = 1; k < size_; ++k) function((rank_ + k) % size_, (rank_ + size_ - k) % size_);
}

// In debug mode, compares what the ranks call.
void Communicator::begin(const char* function, std::int64_t detail) {
  ++collectives_;
  if (!options_.debug) return;
  const Call mine(collectives_, function, detail);
  std::vector<Call> calls(static_cast<std::size_t>(size_), mine);
  with_others([&](int to, int) { exchange(bytes_of_value(mine), to, {}, kNobody); });
  const std::string start = "collective " + std::to_string(collectives_) + ": ";
  with_others([&](int, int from) {
    if (!wait_for(from, options_.timeout)) {
      throw CommunicationError(start + "rank " + std::to_string(from) + " did not arrive at " +
                               mine.text() + " within " + std::to_string(options_.timeout) +
                               " seconds");
    }
    exchange({}, kNobody, writable_bytes_of_value(calls[static_cast<std::size_t>(from)]), from);
  });
  const auto differs = [&](const Call& call) { return !(call == mine); };
  if (std::ranges::none_of(calls, differs)) return;
  throw CommunicationError(start + describe(calls) +
                           "; every rank must call the same functions in the same order");
}

void Communicator::check(const char* function, const Tensor& x) const {
  if (!x.defined() || !x.is_contiguous()) {
    throw ValueError(std::string(function) + ": got a tensor that is " +
                     (x.defined() ? "not contiguous; call contiguous()" : "undefined"));
  }
}

void Communicator::check_rank(const char* function, int rank) const {
  if (rank >= 0 && rank < size_) return;
  throw ValueError(std::string(function) + ": rank " + std::to_string(rank) + " out of range for " +
                   std::to_string(size_) + " ranks");
}

void Communicator::send(const Tensor& x, int to) {
  check("send", x);
  check_rank("send", to);
  if (to == rank_) throw ValueError("send: rank " + std::to_string(to) + " is this rank itself");
  exchange(bytes_of(x), to, {}, kNobody);
}

void Communicator::receive(Tensor& x, int from) {
  check("receive", x);
  check_rank("receive", from);
  if (from == rank_) throw ValueError("receive: rank " + std::to_string(from) + " is this rank");
  exchange({}, kNobody, writable_bytes(x), from);
}

// --- barrier and broadcast -----------------------------------------------------------------------

void Communicator::barrier() {
  begin("barrier", 0);
  wait_for_all();
}

void Communicator::finish() {
  begin("the end of the program", 0);
  wait_for_all();
}

// After the round with distance d, a rank knows that the 2d - 1 ranks below it have arrived.
void Communicator::wait_for_all() {
  for (int distance = 1; distance < size_; distance *= 2) {
    exchange({}, (rank_ + distance) % size_, {}, (rank_ + size_ - distance) % size_);
  }
}

// A binomial tree. Ranks are counted from the root. Rank v receives from the rank without v's
// lowest bit, then sends to those that it gets by adding one of the bits below that.
void Communicator::broadcast(Tensor& x, int root) {
  check("broadcast", x);
  check_rank("broadcast", root);
  begin("broadcast", total_bytes(x));
  const int v = (rank_ + size_ - root) % size_;
  int bit = 1;
  while (bit < size_ && (v & bit) == 0) bit *= 2;
  if (v != 0) exchange({}, kNobody, writable_bytes(x), (v - bit + root) % size_);
  for (bit /= 2; bit > 0; bit /= 2) {
    if (v + bit < size_) exchange(bytes_of(x), (v + bit + root) % size_, {}, kNobody);
  }
}

void Communicator::broadcast(std::string& text, int root) {
  Tensor length = tensor(static_cast<std::int64_t>(text.size()));
  broadcast(length, root);
  Tensor letters = Tensor::uninitialized(Shape{length.item<std::int64_t>()}, boolean);  // bytes
  if (rank_ == root)
    std::ranges::copy(std::as_bytes(std::span(text)), writable_bytes(letters).data());
  broadcast(letters, root);
  const auto received = bytes_of(letters);
  text.assign(reinterpret_cast<const char*>(received.data()), received.size());
}

// --- sums ----------------------------------------------------------------------------------------

namespace {

// The elements that this rank sums, of x with one dimension.
Tensor part_of(const Communicator& comm, const Tensor& x, int rank) {
  const std::int64_t first = comm.part_begin(x.numel(), rank);
  return narrow(x, 0, first, comm.part_begin(x.numel(), rank + 1) - first);
}

void check_numbers(const char* function, const Tensor& x) {
  if (x.dtype() != boolean) return;
  throw DTypeError(std::string(function) + ": got boolean, needed int64, float32 or float64");
}

}  // namespace

Tensor Communicator::reduce_scatter(const Tensor& x) {
  check("reduce_scatter", x);
  check_numbers("reduce_scatter", x);
  begin("reduce_scatter", total_bytes(x));
  return sum_of_part(x.reshape({x.numel()}));
}

Tensor Communicator::sum_of_part(const Tensor& x) {
  std::vector<Tensor> terms(static_cast<std::size_t>(size_), part_of(*this, x, rank_));
  with_others([&](int to, int from) {
    Tensor& term = terms[static_cast<std::size_t>(from)];
    term = Tensor::uninitialized(term.sizes(), x.dtype());
    exchange(bytes_of(part_of(*this, x, to)), to, writable_bytes(term), from);
  });
  Tensor total = zeros_like(terms.front());
  for (const Tensor& term : terms) total.add_(term);
  return total;
}

void Communicator::allreduce(Tensor& x) {
  check("allreduce", x);
  check_numbers("allreduce", x);
  begin("allreduce", total_bytes(x));
  const Tensor flat = x.reshape({x.numel()});
  const Tensor mine = sum_of_part(flat);
  part_of(*this, flat, rank_).copy_(mine);
  with_others([&](int to, int from) {
    Tensor theirs = part_of(*this, flat, from);
    exchange(bytes_of(mine), to, writable_bytes(theirs), from);
  });
}

// --- exchanges -----------------------------------------------------------------------------------

Tensor Communicator::allgather(const Tensor& x) {
  check("allgather", x);
  begin("allgather", total_bytes(x));
  Tensor all = Tensor::uninitialized(Shape{size_, x.numel()}, x.dtype());
  select(all, 0, rank_).copy_(x.reshape({x.numel()}));
  with_others([&](int to, int from) {
    Tensor theirs = select(all, 0, from);
    exchange(bytes_of(x), to, writable_bytes(theirs), from);
  });
  std::vector<std::int64_t> sizes{size_};
  sizes.insert(sizes.end(), x.sizes().begin(), x.sizes().end());
  return all.reshape(Shape(std::span<const std::int64_t>(sizes)));
}

std::vector<Tensor> Communicator::allgatherv(const Tensor& x, std::span<const std::int64_t> rows) {
  check("allgatherv", x);
  if (x.dim() == 0) throw ShapeError("allgatherv: got a tensor without dimensions, needed rows");
  std::vector<std::int64_t> counts(rows.begin(), rows.end());
  if (counts.empty()) counts = to_vector<std::int64_t>(allgather(tensor(x.size(0))));
  if (std::ssize(counts) != size_ || counts[static_cast<std::size_t>(rank_)] != x.size(0)) {
    throw ValueError("allgatherv: `rows` does not fit the ranks, or not the " +
                     std::to_string(x.size(0)) + " rows of rank " + std::to_string(rank_));
  }
  begin("allgatherv", row_bytes(x));
  std::vector<Tensor> all(static_cast<std::size_t>(size_), x);
  with_others([&](int to, int from) {
    Tensor& theirs = all[static_cast<std::size_t>(from)];
    theirs = with_rows(x, counts[static_cast<std::size_t>(from)]);
    exchange(bytes_of(x), to, writable_bytes(theirs), from);
  });
  return all;
}

std::vector<Tensor> Communicator::alltoallv(const std::vector<Tensor>& parts) {
  if (std::ssize(parts) != size_) {
    throw ValueError("alltoallv: got " + std::to_string(parts.size()) + " parts for " +
                     std::to_string(size_) + " ranks");
  }
  for (const Tensor& part : parts) {
    check("alltoallv", part);
    if (part.dim() == 0) throw ShapeError("alltoallv: got a part without dimensions, needed rows");
  }
  begin("alltoallv", row_bytes(parts.front()));
  std::vector<Tensor> received = parts;
  with_others([&](int to, int from) {
    const Tensor& out = parts[static_cast<std::size_t>(to)];
    const std::int64_t leaving = out.size(0);
    std::int64_t coming = 0;
    exchange(bytes_of_value(leaving), to, writable_bytes_of_value(coming), from);
    Tensor& in = received[static_cast<std::size_t>(from)];
    in = with_rows(out, coming);
    exchange(bytes_of(out), to, writable_bytes(in), from);
  });
  return received;
}

void agree(Communicator& comm, const std::string& problem) {
  const Tensor failed = comm.allgather(tensor(static_cast<std::int64_t>(!problem.empty())));
  const std::vector<std::int64_t> flags = to_vector<std::int64_t>(failed);
  const auto first = std::ranges::find(flags, 1);
  if (first == flags.end()) return;
  const auto rank = static_cast<int>(first - flags.begin());
  std::string text = problem;
  comm.broadcast(text, rank);
  throw CommunicationError("rank " + std::to_string(rank) + ": " + text);
}

}  // namespace tapegrad::distributed
