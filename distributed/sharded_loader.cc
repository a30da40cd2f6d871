// Which examples a rank has, for dropout; the check that all ranks draw the same order. Read next:
// distributed/sharded_embedding.h.
#include <tapegrad/distributed/sharded_loader.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <tapegrad/tensor/ops.h>

namespace tapegrad::distributed {

DropoutByExample dropout_by_example(Communicator& comm, std::int64_t count) {
  const std::vector<std::int64_t> counts = to_vector<std::int64_t>(comm.allgather(tensor(count)));
  std::int64_t first = 0;
  for (int r = 0; r < comm.rank(); ++r) first += counts[static_cast<std::size_t>(r)];
  return DropoutByExample(first,
                          std::max<std::int64_t>(count, 1));  // 0: an example that is ignored
}

namespace detail {

void compare_orders(Communicator& comm, const StateDict& position, const Generator& generator) {
  std::vector<std::int64_t> mine = to_vector<std::int64_t>(generator.state_dict().at("state"));
  for (const auto& [name, value] : position) {
    const std::vector<std::int64_t> more = to_vector<std::int64_t>(value.reshape({value.numel()}));
    mine.insert(mine.end(), more.begin(), more.end());
  }
  std::uint64_t hash = 14695981039346656037U;  // FNV-1a over words
  for (const std::int64_t word : mine) {
    hash = (hash ^ static_cast<std::uint64_t>(word)) * 1099511628211U;
    hash ^= hash >> 29;
  }
  const std::vector<std::int64_t> hashes =
      to_vector<std::int64_t>(comm.allgather(tensor(static_cast<std::int64_t>(hash))));
  const auto other = std::ranges::find_if(hashes, [&](std::int64_t x) { return x != hashes[0]; });
  if (other == hashes.end()) return;
  throw ValueError("ShardedLoader: rank " + std::to_string(other - hashes.begin()) +
                   " would get another order of the examples than rank 0; give every rank a "
                   "generator with the same seed that nothing else draws from, and load the same "
                   "checkpoint");
}

}  // namespace detail
}  // namespace tapegrad::distributed
