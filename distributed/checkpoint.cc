// Rank 0 writes; all ranks read, and learn whether it succeeded.
#include <tapegrad/distributed/checkpoint.h>

#include <cstdint>
#include <exception>
#include <functional>

#include <tapegrad/distributed/sharded_table.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/generator.h>

namespace tapegrad::distributed::detail {
namespace {

using tapegrad::detail::AnyPart;

constexpr const char* kGenerators = "generators_of_ranks";

// The text of the exception that `work` throws, or nothing.
std::string problem_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return *error.what() != '\0' ? error.what() : "an exception without a text";
  }
  return "";
}

// Sets the default generator to row `rank` of the saved ones, (ranks, words). A rank beyond these
// starts a stream whose seed is the first word of rank 0 and its own number.
void restore_generator(const Tensor& saved, int rank) {
  Generator next;
  const std::int64_t words = Generator().state_dict().at("state").numel();
  if (saved.dtype() != int64 || saved.dim() != 2 || saved.size(0) < 1 || saved.size(1) != words) {
    throw FormatError(std::string(kGenerators) + " does not hold the states of generators");
  }
  next.load_state_dict({{"state", select(saved, 0, rank < saved.size(0) ? rank : 0).clone()}});
  if (rank >= saved.size(0)) {
    next.manual_seed(next.random() + static_cast<std::uint64_t>(rank));
  }
  default_generator().set_state(next.state());
}

}  // namespace

void refuse_sharded(const std::vector<NamedParameter>& parameters, const char* remedy) {
  for (const NamedParameter& parameter : parameters) {
    if (const auto table = sharded_table_of(parameter.variable); table && table->comm->size() > 1) {
      throw ValueError(
          "checkpoint: '" + parameter.name +
          "' is the weight of a ShardedEmbedding, and rank 0 has a part of its rows; " + remedy);
    }
  }
}

void save_parts(Communicator& comm, const std::string& path, std::vector<AnyPart> parts) {
  const Tensor states = comm.allgather(default_generator().state_dict().at("state"));
  parts.push_back({.name = kGenerators,
                   .named = true,
                   .save =
                       [&] {
                         return StateDict{{"states", states}};
                       },
                   .load = {}});
  const std::string problem = problem_of([&] {
    if (comm.rank() == 0) {
      tapegrad::detail::save_parts(path, parts);
    } else {
      for (const AnyPart& part : parts) part.save();  // takes the same pending steps as rank 0
    }
  });
  agree(comm, problem);
}

void load_parts(Communicator& comm, const std::string& path, std::vector<AnyPart> parts) {
  std::int64_t hash = 0;
  agree(comm, problem_of([&] {
          const std::string bytes = read_file(path, "load_checkpoint");
          hash = static_cast<std::int64_t>(std::hash<std::string_view>()(bytes));
        }));
  Tensor first = tensor(hash);
  comm.broadcast(first);
  const bool same = first.item<std::int64_t>() == hash;
  agree(comm, same ? "" : "load_checkpoint: " + path + " is not the file that rank 0 reads");

  parts.push_back({.name = kGenerators,
                   .named = true,
                   .save =
                       [] {
                         // For a load that fails later: then `load` gets it back.
                         return StateDict{{"own", default_generator().state_dict().at("state")}};
                       },
                   .load =
                       [rank = comm.rank()](const StateDict& saved) {
                         if (const Tensor* const own = saved.find("own")) {
                           default_generator().load_state_dict({{"state", *own}});
                         } else {
                           restore_generator(saved.at("states"), rank);
                         }
                       }});
  agree(comm, problem_of([&] { tapegrad::detail::load_parts(path, parts); }));
}

}  // namespace tapegrad::distributed::detail
