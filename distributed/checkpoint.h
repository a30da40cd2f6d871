// Checkpoints of a run with several ranks: one file, which any number of ranks can load. Read next:
// distributed/checkpoint.cc.
//
//   distributed::load_checkpoint(comm, "run.ckpt", model, optimizer, loader, orders);
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapegrad/distributed/communicator.h>
#include <tapegrad/optim/optimizer.h>
#include <tapegrad/optim/weight_average.h>
#include <tapegrad/tensor/io/checkpoint.h>

namespace tapegrad::distributed {

namespace detail {
void save_parts(Communicator& comm, const std::string& path,
                std::vector<tapegrad::detail::AnyPart> parts);
void load_parts(Communicator& comm, const std::string& path,
                std::vector<tapegrad::detail::AnyPart> parts);

// ValueError if one of these is a table whose rows are divided among the ranks.
void refuse_sharded(const std::vector<NamedParameter>& parameters, const char* remedy);

// Rank 0 saves its part for all. That is wrong for what holds a state for each row that a rank
// owns.
template <class Part>
void check_part(const Part& part) {
  if constexpr (std::is_base_of_v<optim::Optimizer, Part>) {
    for (std::size_t group = 0; group < part.group_count(); ++group) {
      refuse_sharded(part.parameters(group), "give the DistributedOptimizer, not the one inside");
    }
  } else if constexpr (std::is_base_of_v<optim::WeightAverage, Part>) {
    refuse_sharded(part.parameters(),
                   "save the state_dict() of each rank's WeightAverage in a file of its own");
  }
}
}  // namespace detail

// tapegrad::save_checkpoint() with the parts of rank 0, and the default generators of all ranks as
// the part "generators_of_ranks". Every rank calls it with its parts, because saving takes the
// pending steps of tables. Returns when the file is complete. If rank 0 cannot write it, all ranks
// throw a CommunicationError with rank 0's reason. ValueError for an optimizer or a WeightAverage
// of a ShardedEmbedding, which knows this rank's rows only. Collective.
//
// A run that is resumed with the same number of ranks ends with the same bytes as one that was not
// interrupted but saved at the same steps.
template <class... Parts>
void save_checkpoint(Communicator& comm, const std::string& path, Parts&&... parts) {
  static_assert(tapegrad::detail::names_have_parts<std::remove_reference_t<Parts>...>(),
                "save_checkpoint: write each name before its part");
  (detail::check_part(parts), ...);
  detail::save_parts(comm, path, tapegrad::detail::any_parts(parts...));
}

// tapegrad::load_checkpoint() on every rank: all of them read the file at `path`, which must be the
// same file. Every rank gets its default generator back; with another number of ranks, those that
// have no saved one get a new one, the same in every run. CommunicationError on all ranks if one of
// them fails, with its reason, or if the files differ. ValueError as for save_checkpoint().
// Collective.
template <class... Parts>
void load_checkpoint(Communicator& comm, const std::string& path, Parts&&... parts) {
  static_assert(tapegrad::detail::names_have_parts<std::remove_reference_t<Parts>...>(),
                "load_checkpoint: write each name before its part");
  (detail::check_part(parts), ...);
  detail::load_parts(comm, path, tapegrad::detail::any_parts(parts...));
}

}  // namespace tapegrad::distributed
