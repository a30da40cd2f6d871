// The recurrent kernels of every instruction set that this machine supports, compared with the
// plain references. The bits of an element must not depend on its position, and nothing may be
// written outside of the outputs. Read next: matmul_kernel_test.cc.
#include "tensor/kernels/kernel_checks.h"

using namespace tapegrad;
using namespace tapegrad::kernel;
using namespace tapegrad::kernel::test;

namespace {

// All outputs of a kernel, in memory with guard elements that detect stray writes.
template <class T>
struct Written {
  explicit Written(const std::vector<std::vector<T>>& initial) {
    for (const std::vector<T>& each : initial) {
      std::vector<T> room(each.size() + 2, T(77));
      std::copy(each.begin(), each.end(), room.begin() + 1);
      rooms.push_back(room);
    }
  }
  T* operator[](std::size_t i) { return rooms[i].data() + 1; }
  std::vector<T> all() const {
    std::vector<T> result;
    for (const std::vector<T>& room : rooms) {
      REQUIRE(room.front() == T(77));
      REQUIRE(room.back() == T(77));
      result.insert(result.end(), room.begin() + 1, room.end() - 1);
    }
    return result;
  }
  std::vector<std::vector<T>> rooms;
};

// Checks that run(kernels, written) gives nearly the same with every instruction set as with the
// plain reference.
template <class T, class Run>
void check_step(const std::vector<std::vector<T>>& initial, const Run& run) {
  Written<T> want(initial);
  run(plain_kernels<T>(), want);
  for (const std::string& level : levels()) {
    INFO(level);
    Written<T> got(initial);
    run(kernels_for<T>(level.c_str()), got);
    const std::vector<double> slack(got.all().size(), 24 * double(kEps<T>));
    check_close(got.all(), want.all(), 8, slack);
  }
}

constexpr std::size_t kHidden[] = {1, 3, 8, 16, 17, 33, 128};

}  // namespace

TEMPLATE_TEST_CASE("kernels: a step of tanh and relu networks", "", float, double) {
  using T = TestType;
  for (const std::size_t hidden : kHidden) {
    for (const std::size_t rows : {0U, 1U, 5U}) {
      for (const bool relu : {false, true}) {
        CAPTURE(hidden, rows, relu);
        const std::size_t n = rows * hidden;
        const std::vector<T> a = numbers<T>(n), bias = numbers<T>(hidden, 1, 2);
        check_step<T>({std::vector<T>(n)}, [&](const auto& kernels, auto& to) {
          kernels.rnn_step(to[0], a.data(), bias.data(), rows, hidden, relu);
        });
        const std::vector<T> h = numbers<T>(n, 1, 3), dh = numbers<T>(n, 2, 4);
        check_step<T>({std::vector<T>(n), dh}, [&](const auto& kernels, auto& to) {
          kernels.rnn_step_backward(to[0], to[1], h.data(), rows, hidden, relu);
        });
      }
    }
  }
}

TEMPLATE_TEST_CASE("kernels: a step of an LSTM", "", float, double) {
  using T = TestType;
  for (const std::size_t hidden : kHidden) {
    for (const std::size_t rows : {0U, 1U, 5U}) {
      CAPTURE(hidden, rows);
      const std::size_t n = rows * hidden;
      const std::vector<T> sums = numbers<T>(4 * n), bias = numbers<T>(4 * hidden, 1, 2);
      const std::vector<T> before = numbers<T>(n, 2, 3);
      check_step<T>(
          {std::vector<T>(n), std::vector<T>(n), sums}, [&](const auto& kernels, auto& to) {
            kernels.lstm_step(to[0], to[1], to[2], bias.data(), before.data(), rows, hidden);
          });
      std::vector<T> h(n), c(n), gates = sums;
      plain_kernels<T>().lstm_step(h.data(), c.data(), gates.data(), bias.data(), before.data(),
                                   rows, hidden);
      check_step<T>({std::vector<T>(4 * n), numbers<T>(n, 2, 4), numbers<T>(n, 2, 5)},
                    [&](const auto& kernels, auto& to) {
                      kernels.lstm_step_backward(to[0], to[1], to[2], gates.data(), c.data(),
                                                 before.data(), rows, hidden);
                    });
    }
  }
}

TEMPLATE_TEST_CASE("kernels: a step of a GRU", "", float, double) {
  using T = TestType;
  for (const std::size_t hidden : kHidden) {
    for (const std::size_t rows : {0U, 1U, 5U}) {
      CAPTURE(hidden, rows);
      const std::size_t n = rows * hidden;
      const std::vector<T> sums = numbers<T>(3 * n), bias = numbers<T>(4 * hidden, 1, 2);
      const std::vector<T> before = numbers<T>(n, 1, 3), from_state = numbers<T>(3 * n, 2, 6);
      check_step<T>({std::vector<T>(n), sums, std::vector<T>(n)},
                    [&](const auto& kernels, auto& to) {
                      kernels.gru_step(to[0], to[1], to[2], from_state.data(), bias.data(),
                                       before.data(), rows, hidden);
                    });
      std::vector<T> h(n), m(n), gates = sums;
      plain_kernels<T>().gru_step(h.data(), gates.data(), m.data(), from_state.data(), bias.data(),
                                  before.data(), rows, hidden);
      check_step<T>({std::vector<T>(4 * n), numbers<T>(n, 2, 4)},
                    [&](const auto& kernels, auto& to) {
                      kernels.gru_step_backward(to[0], to[1], gates.data(), m.data(), before.data(),
                                                rows, hidden);
                    });
    }
  }
}

// The bits of an element depend only on its own inputs, not on its neighbors or its position in a
// vector.
TEMPLATE_TEST_CASE("kernels: a step gives the same bits for one unit as for many", "", float,
                   double) {
  using T = TestType;
  constexpr std::size_t kUnits = 37;
  const std::vector<T> sums = numbers<T>(4 * kUnits), bias = numbers<T>(4 * kUnits, 1, 2);
  const std::vector<T> before = numbers<T>(kUnits, 2, 3);
  for (const std::string& level : levels()) {
    INFO(level);
    const auto& kernels = kernels_for<T>(level.c_str());
    std::vector<T> h(kUnits), c(kUnits), gates = sums;
    kernels.lstm_step(h.data(), c.data(), gates.data(), bias.data(), before.data(), 1, kUnits);
    std::vector<T> h_alone(kUnits), c_alone(kUnits);
    for (std::size_t j = 0; j < kUnits; ++j) {
      T own[4], own_bias[4];
      for (std::size_t gate = 0; gate < 4; ++gate) {
        own[gate] = sums[gate * kUnits + j];
        own_bias[gate] = bias[gate * kUnits + j];
      }
      kernels.lstm_step(&h_alone[j], &c_alone[j], own, own_bias, &before[j], 1, 1);
    }
    check_same(h, h_alone);
    check_same(c, c_alone);
  }
}
