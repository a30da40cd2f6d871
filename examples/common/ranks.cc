// What is the same for all ways to exchange values. Read next: mpi/with_mpi.cc.
#include "common/ranks.h"

#include <tapegrad/tensor/error.h>

#include <algorithm>
#include <cstddef>

namespace examples {

std::vector<double> Ranks::sum(const std::vector<double>& values) {
  std::vector<double> sums(values.size());
  const std::vector<double> all = gather(values);
  for (std::size_t i = 0; i < all.size(); ++i) sums[i % sums.size()] += all[i];
  return sums;
}

int Ranks::agree_on_signal(int received) {
  for (const double signal : gather({static_cast<double>(received)})) {
    if (signal != 0) return static_cast<int>(signal);
  }
  return 0;
}

void Ranks::require_same(const std::string& what, const std::string& text) {
  const std::vector<double> differs = gather({text_of_first(text) == text ? 0.0 : 1.0});
  const auto other = std::ranges::find(differs, 1.0);
  if (other == differs.end()) return;
  throw tapegrad::ValueError(what + ": rank " + std::to_string(other - differs.begin()) +
                             " has others than rank 0; needed the same files on all machines");
}

}  // namespace examples
