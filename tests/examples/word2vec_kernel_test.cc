// The kernels of the fused loss agree for all instruction sets that this machine has. Read next:
// examples/word2vec/fused_kernel.cc.
#include "word2vec/fused_kernel.h"

#include <tapegrad/tensor/kernels/kernels.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "tensor/kernels/kernel_checks.h"

using namespace word2vec;
using tapegrad::kernel::test::levels;
using tapegrad::kernel::test::Sequence;

namespace {

// Groups of 1 to 4 inputs, and two tables of kWords rows.
template <class T>
struct Problem {
  static constexpr std::size_t kWords = 7;
  static constexpr std::size_t kGroups = 9;

  Problem(std::size_t dim_, std::size_t width_, bool mean_)
      : dim(dim_), width(width_), mean(mean_) {
    Sequence next;
    for (auto* const table : {&input, &output}) {
      for (std::size_t i = 0; i < kWords * dim; ++i) {
        table->push_back(static_cast<T>(2 * next() - 1));
      }
    }
    const auto word = [&] { return static_cast<std::int64_t>(next() * kWords); };
    for (std::size_t g = 0; g < kGroups; ++g) {
      offsets.push_back(static_cast<std::int64_t>(inputs.size()));
      for (std::size_t i = 0; i < 1 + g % 4; ++i) inputs.push_back(word());
      for (std::size_t o = 0; o < width; ++o) outputs.push_back(word());
    }
    input_slots = slots_of(inputs);
    output_slots = slots_of(outputs);
  }

  // Slots in the order of the first occurrence.
  static std::vector<std::int32_t> slots_of(const std::vector<std::int64_t>& ids) {
    std::vector<std::int32_t> slot_of(kWords, -1), slots;
    std::int32_t count = 0;
    for (const std::int64_t id : ids) {
      std::int32_t& slot = slot_of[static_cast<std::size_t>(id)];
      if (slot < 0) slot = count++;
      slots.push_back(slot);
    }
    return slots;
  }

  std::size_t dim, width;
  bool mean;
  std::vector<T> input, output;
  std::vector<std::int64_t> inputs, offsets, outputs;
  std::vector<std::int32_t> input_slots, output_slots;
};

// The loss and everything that the kernels write, one after the other.
template <class T>
std::vector<T> run(const FusedKernels<T>& kernels, const Problem<T>& p, bool sum_gradient) {
  constexpr std::size_t kGroups = Problem<T>::kGroups;
  const std::size_t predictions = p.mean ? kGroups : p.inputs.size();
  std::vector<T> scores(predictions * p.width), means(kGroups * p.dim);
  std::vector<T> input_gradient(p.input.size()), output_gradient(p.output.size());
  const FusedWork<T> work = {.input = p.input.data(),
                             .output = p.output.data(),
                             .dim = p.dim,
                             .inputs = p.inputs,
                             .offsets = p.offsets,
                             .outputs = p.outputs.data(),
                             .outputs_of_group = p.width,
                             .mean = p.mean,
                             .sum_gradient = sum_gradient,
                             .scores = scores.data(),
                             .means = means.data(),
                             .input_gradient = input_gradient.data(),
                             .input_slots = p.input_slots.data(),
                             .output_gradient = output_gradient.data(),
                             .output_slots = p.output_slots.data()};
  std::vector<T> all = {
      static_cast<T>(kernels.scores(work, 0, 5) + kernels.scores(work, 5, kGroups))};
  FusedPart part;
  kernels.gradients(work, 0, 5, part);
  kernels.gradients(work, 5, kGroups, part);
  std::vector<T> table = p.input;
  const std::vector<std::int64_t> ids = {3, 0, 6, 5};
  kernels.subtract_rows(table.data(), ids, input_gradient.data(), p.dim, T(0.25));
  for (const auto* const part_of_all :
       {&scores, &means, &input_gradient, &output_gradient, &table}) {
    all.insert(all.end(), part_of_all->begin(), part_of_all->end());
  }
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("the kernels of the fused loss agree for all instruction sets", "", float,
                   double) {
  using T = TestType;
  const double unit = sizeof(T) == sizeof(float) ? 1e-5 : 1e-13;
  for (const std::string& level : levels()) {
    for (const std::size_t dim : std::vector<std::size_t>{1, 3, 4, 15, 16, 21, 100}) {
      for (const std::size_t width : std::vector<std::size_t>{1, 2, 6, 9}) {
        for (const bool mean : {false, true}) {
          for (const bool sum_gradient : {false, true}) {
            CAPTURE(level, dim, width, mean, sum_gradient);
            const Problem<T> problem(dim, width, mean);
            const std::vector<T> want = run(fused_kernels<T>("base"), problem, sum_gradient);
            const std::vector<T> got = run(fused_kernels<T>(level), problem, sum_gradient);
            double largest = 0;
            double sum = 0;
            for (std::size_t i = 0; i < want.size(); ++i) {
              largest = std::max(largest, std::abs(static_cast<double>(want[i] - got[i])));
              sum += std::abs(static_cast<double>(want[i]));
            }
            CHECK(sum > 1);
            CHECK(largest <= unit * std::max(1.0, std::abs(static_cast<double>(want[0]))));
          }
        }
      }
    }
  }
}

TEST_CASE("each instruction set has kernels of the fused loss of its own") {
  const std::vector<std::string> all = levels();
  for (std::size_t i = 1; i < all.size(); ++i) {
    CHECK(fused_kernels<float>(all[i]).scores != fused_kernels<float>(all[i - 1]).scores);
    CHECK(fused_kernels<double>(all[i]).scores != fused_kernels<double>(all[i - 1]).scores);
  }
  CHECK(fused_kernels<float>().scores == fused_kernels<float>(tapegrad::kernel::level()).scores);
}
