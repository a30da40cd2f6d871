// Internal. The matrix product on raw memory, split among threads if it is large enough. Read next:
// tensor/ops/matmul.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/memory.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad::detail {

// A matrix in memory: element (i, j) is data[i * row + j * column].
template <class T>
struct Matrix {
  const T* data;
  std::int64_t row;
  std::int64_t column;
};

// Temporary memory for one product, freed at the end of the scope.
template <class T>
class Workspace {
 public:
  explicit Workspace(std::size_t count)
      : bytes_(count * sizeof(T)),
        data_(count == 0 ? nullptr : static_cast<T*>(memory::allocate(bytes_))) {}
  ~Workspace() {
    if (data_ != nullptr) memory::deallocate(data_, bytes_);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  T* data() const { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

template <class T>
void gemm_on_one_thread(T* c, std::int64_t c_row, const Matrix<T>& a, const Matrix<T>& b,
                        std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate) {
  const auto& kernels = kernel::kernels<T>();
  const auto rows = static_cast<std::size_t>(m);
  const auto columns = static_cast<std::size_t>(n);
  const auto inner = static_cast<std::size_t>(k);
  const Workspace<T> workspace(kernels.matmul_workspace(rows, columns, inner));
  kernels.matmul(c, c_row, a.data, a.row, a.column, b.data, b.row, b.column, rows, columns, inner,
                 accumulate, workspace.data());
}

// C = A B, or C += A B if accumulate: A (m, k), B (k, n), C (m, n), whose rows are c_row elements
// apart. Threads split the longer side of C. This does not change the order of the sums
// (kernels/matmul.inl), so the result is the same to the bit for any number of threads.
template <class T>
void gemm(T* c, std::int64_t c_row, const Matrix<T>& a, const Matrix<T>& b, std::int64_t m,
          std::int64_t n, std::int64_t k, bool accumulate = false) {
  constexpr std::int64_t kToShare = 1 << 20;  // multiply-adds, about 10 us
  const std::int64_t longer = m >= n ? m : n;
  const std::int64_t shorter = m >= n ? n : m;
  if (num_threads() == 1 || longer < 2 * 32 || longer * shorter < 2 * kToShare / (k + 1)) {
    return gemm_on_one_thread(c, c_row, a, b, m, n, k, accumulate);
  }
  const std::int64_t part = kToShare / (shorter * k + 1) / 32 * 32;
  parallel_for(longer, part < 32 ? 32 : part, 32, [&](std::int64_t begin, std::int64_t end) {
    if (m >= n) {
      gemm_on_one_thread<T>(c + begin * c_row, c_row, {a.data + begin * a.row, a.row, a.column}, b,
                            end - begin, n, k, accumulate);
    } else {
      gemm_on_one_thread<T>(c + begin, c_row, a, {b.data + begin * b.column, b.row, b.column}, m,
                            end - begin, k, accumulate);
    }
  });
}

}  // namespace tapegrad::detail
