// For a build without tapegrad::distributed. Read next: ../numbers.h.
#include <tapegrad/tensor/error.h>

#include <cstdlib>

#include "common/program.h"
#include "common/ranks.h"

namespace examples {
namespace {

// What Open MPI, and MPICH and its relatives, tell the processes that they start.
bool is_one_of_several() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* size = std::getenv(name);
    if (size != nullptr && std::atoi(size) > 1) return true;
  }
  return false;
}

}  // namespace

int run_main_on_ranks(const std::string& program, int&, char**&,
                      const std::function<int(Ranks*)>& run) {
  return run_main(program, [&] {
    if (is_one_of_several()) {
      throw tapegrad::Error(
          "mpirun has started several processes, but this program was built without MPI; install "
          "it (scripts/install_packages mpi), and build again");
    }
    return run(nullptr);
  });
}

}  // namespace examples
