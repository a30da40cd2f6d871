// Recurrent networks over whole sequences. The steps themselves, what comes after the products, are
// kernels (tensor/kernels/recurrent.inl); here is the order of things. Read next: autograd/tape.h.
#include <tapegrad/tensor/ops/recurrent.h>

#include <algorithm>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {
namespace {

// Sizes, and the order in which steps come.
struct Frame {
  std::int64_t steps, batch, input, hidden, gates;  // gates: of a row, all together
  bool reverse;

  Frame(Recurrence kind, const SequenceInputs& in)
      : steps(in.x.size(0)),
        batch(in.x.size(1)),
        input(in.x.size(2)),
        hidden(in.weight_hh.size(1)),
        gates(gate_count(kind) * hidden),
        reverse(in.reverse) {}
  std::int64_t rows() const { return steps * batch; }
  std::int64_t at(std::int64_t turn) const { return reverse ? steps - 1 - turn : turn; }
};

using detail::gemm;
using detail::Matrix;

// Calls f(first, end) for parts of the batch, which do not depend on each other: each goes through
// all steps by itself. From 16 rows on, products sum in one order however many there are.
template <class Function>
void for_parts_of_batch(const Frame& f, const Function& function) {
  constexpr std::int64_t kToShare = 1 << 21;  // multiply-adds of all steps
  const std::int64_t work = f.rows() * f.gates * f.hidden;
  parallel_for(f.batch, work < kToShare ? f.batch : 16, 1, function);
}

// Of the rows from `row` to `last`: calls f(first, count) for every run of sequences that are not
// over at this step, and g(row) for each of the others.
template <class F, class G>
void for_each_run(const bool* mask, std::int64_t row, std::int64_t last, const F& f, const G& g) {
  if (mask == nullptr) return f(row, last - row);
  while (row < last) {
    std::int64_t end = row;
    while (end < last && mask[end]) ++end;
    if (end > row) {
      f(row, end - row);
      row = end;
    } else {
      g(row++);
    }
  }
}

const bool* mask_of(const SequenceInputs& in) {
  return in.mask.defined() ? in.mask.data<bool>() : nullptr;
}

// x with zeros where it does not count, so that nothing there, not even a nan, gets into a product.
Tensor counted(const SequenceInputs& in) {
  return in.mask.defined() ? where(unsqueeze(in.mask, 2), in.x, 0) : in.x.contiguous();
}

Tensor state_or_zeros(const Tensor& state, const Frame& f, DType dtype) {
  return state.defined() ? state.contiguous() : zeros({f.batch, f.hidden}, dtype);
}

// What the kernels add: the sum of both biases, but for gru those of r and z summed, then those of
// inputs and of states for n, which r keeps apart.
Tensor joint_bias(Recurrence kind, const SequenceInputs& in, const Frame& f) {
  const DType dtype = in.x.dtype();
  const Tensor ih = in.bias_ih.defined() ? in.bias_ih : zeros({f.gates}, dtype);
  const Tensor hh = in.bias_hh.defined() ? in.bias_hh : zeros({f.gates}, dtype);
  if (kind != Recurrence::gru) return ih + hh;
  const std::int64_t two = 2 * f.hidden;
  return cat({narrow(ih, 0, 0, two) + narrow(hh, 0, 0, two), narrow(ih, 0, two, f.hidden),
              narrow(hh, 0, two, f.hidden)});
}

// Forward -----------------------------------------------------------------------------------------

template <class T>
SequenceResult forward(Recurrence kind, const SequenceInputs& in) {
  const Frame f(kind, in);
  const auto& kernels = kernel::kernels<T>();
  const DType dtype = in.x.dtype();
  const bool lstm = kind == Recurrence::lstm;
  const bool gru = kind == Recurrence::gru;
  const std::int64_t state_size = f.batch * f.hidden;
  const auto hidden = static_cast<std::size_t>(f.hidden);

  SequenceResult result;
  result.states = Tensor::uninitialized(Shape{f.steps + (lstm ? 1 : 0), f.batch, f.hidden}, dtype);
  if (lstm || gru) {
    result.gates = Tensor::uninitialized(Shape{f.steps, f.batch, f.gates}, dtype);
    result.inner = Tensor::uninitialized(Shape{f.steps, f.batch, f.hidden}, dtype);
  }
  T* const states = result.states.mutable_data<T>();
  // Elman's states are made where the sums for them were.
  T* const gates = lstm || gru ? result.gates.mutable_data<T>() : states;
  T* const inner = lstm || gru ? result.inner.mutable_data<T>() : nullptr;

  const Tensor x = counted(in);
  gemm<T>(gates, f.gates, {x.data<T>(), f.input, 1},
          {in.weight_ih.data<T>(), in.weight_ih.stride(1), in.weight_ih.stride(0)}, f.rows(),
          f.gates, f.input, false);
  // Read in every step, so that turning it around pays, but for a single one.
  Tensor turned = transpose(in.weight_hh);  // (hidden, gates)
  if (f.steps > 1) turned = turned.contiguous();
  const Matrix<T> recurrent = {turned.data<T>(), turned.stride(0), turned.stride(1)};

  const bool* const mask = mask_of(in);
  const Tensor bias_of_all = joint_bias(kind, in, f);
  const T* const bias = bias_of_all.data<T>();
  const Tensor first_h = state_or_zeros(in.h, f, dtype);
  const Tensor first_c = lstm ? state_or_zeros(in.c, f, dtype) : Tensor();
  Tensor from_state = gru ? zeros({f.batch, f.gates}, dtype) : Tensor();  // W_hh h, for gru
  T* const of_state = gru ? from_state.mutable_data<T>() : nullptr;

  for_parts_of_batch(f, [&](std::int64_t begin, std::int64_t end) {
    const T* h_before = first_h.data<T>();
    const T* c_before = lstm ? first_c.data<T>() : nullptr;
    for (std::int64_t turn = 0; turn < f.steps; ++turn) {
      const std::int64_t t = f.at(turn);
      T* const gate = gates + t * f.batch * f.gates;
      T* const h = states + t * state_size;
      T* const second = inner == nullptr ? nullptr : inner + t * state_size;
      if (turn > 0 || in.h.defined()) {
        gemm<T>((gru ? of_state : gate) + begin * f.gates, f.gates,
                {h_before + begin * f.hidden, f.hidden, 1}, recurrent, end - begin, f.gates,
                f.hidden, !gru);
      }
      for_each_run(
          mask == nullptr ? nullptr : mask + t * f.batch, begin, end,
          [&](std::int64_t first, std::int64_t count) {
            const std::int64_t at = first * f.hidden;
            const auto rows = static_cast<std::size_t>(count);
            T* const own = gate + first * f.gates;
            if (lstm) {
              kernels.lstm_step(h + at, second + at, own, bias, c_before + at, rows, hidden);
            } else if (gru) {
              kernels.gru_step(h + at, own, second + at, of_state + first * f.gates, bias,
                               h_before + at, rows, hidden);
            } else {
              kernels.rnn_step(h + at, own, bias, rows, hidden, kind == Recurrence::relu);
            }
          },
          [&](std::int64_t row) {
            const std::int64_t at = row * f.hidden;
            std::copy_n(h_before + at, f.hidden, h + at);
            if (lstm) std::copy_n(c_before + at, f.hidden, second + at);
          });
      h_before = h;
      if (lstm) c_before = second;
    }
    if (lstm) {
      std::copy(c_before + begin * f.hidden, c_before + end * f.hidden,
                states + f.steps * state_size + begin * f.hidden);
    }
  });
  return result;
}

// Back --------------------------------------------------------------------------------------------

template <class T>
SequenceGradients back(Recurrence kind, const SequenceInputs& in, const SequenceResult& result,
                       const Tensor& dstates, const SequenceWanted& wanted) {
  const Frame f(kind, in);
  const auto& kernels = kernel::kernels<T>();
  const DType dtype = in.x.dtype();
  const bool lstm = kind == Recurrence::lstm;
  const bool gru = kind == Recurrence::gru;
  const std::int64_t state_size = f.batch * f.hidden;
  const auto hidden = static_cast<std::size_t>(f.hidden);
  const T* const states = result.states.data<T>();
  const T* const gates = lstm || gru ? result.gates.data<T>() : states;
  const T* const inner = lstm || gru ? result.inner.data<T>() : nullptr;

  // The gradients of what was summed up for the gates. For gru those of r, z and n, which inputs
  // see, and once more that of n as states see it, through r.
  const std::int64_t width = f.gates + (gru ? f.hidden : 0);
  Tensor dgates = Tensor::uninitialized(Shape{f.steps, f.batch, width}, dtype);
  T* const da = dgates.mutable_data<T>();
  const Tensor dy = dstates.contiguous();
  Tensor dh = zeros({f.batch, f.hidden}, dtype);
  Tensor dc = lstm ? dy[f.steps].clone() : Tensor();
  const Tensor first_h = state_or_zeros(in.h, f, dtype);
  const Tensor first_c = lstm ? state_or_zeros(in.c, f, dtype) : Tensor();
  const Tensor weight_hh = in.weight_hh.contiguous();

  T* const dstate = dh.mutable_data<T>();
  T* const dcell = lstm ? dc.mutable_data<T>() : nullptr;
  const T* const dall = dy.data<T>();
  const T* const w = weight_hh.data<T>();
  const T* const h_first = first_h.data<T>();
  const T* const c_first = lstm ? first_c.data<T>() : nullptr;
  const bool* const mask = mask_of(in);
  const std::int64_t plain =
      gru ? 2 * f.hidden : f.gates;  // gru: that of n stands behind the others

  for_parts_of_batch(f, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t here = begin * f.hidden;
    for (std::int64_t turn = f.steps - 1; turn >= 0; --turn) {
      const std::int64_t t = f.at(turn);
      const std::int64_t before = turn == 0 ? 0 : f.at(turn - 1);
      const T* const gate = gates + t * f.batch * f.gates;
      const T* const h_before = turn == 0 ? h_first : states + before * state_size;
      const T* const second = inner == nullptr ? nullptr : inner + t * state_size;
      const T* const c_before = !lstm ? nullptr : turn == 0 ? c_first : inner + before * state_size;
      T* const to = da + t * f.batch * width;
      kernels.axpy(dstate + here, T(1), dall + t * state_size + here,
                   static_cast<std::size_t>((end - begin) * f.hidden));
      for_each_run(
          mask == nullptr ? nullptr : mask + t * f.batch, begin, end,
          [&](std::int64_t first, std::int64_t count) {
            const std::int64_t at = first * f.hidden;
            const auto rows = static_cast<std::size_t>(count);
            T* const own = to + first * width;
            const T* const from = gate + first * f.gates;
            if (lstm) {
              kernels.lstm_step_backward(own, dstate + at, dcell + at, from, second + at,
                                         c_before + at, rows, hidden);
            } else if (gru) {
              kernels.gru_step_backward(own, dstate + at, from, second + at, h_before + at, rows,
                                        hidden);
            } else {
              kernels.rnn_step_backward(own, dstate + at, states + t * state_size + at, rows,
                                        hidden, kind == Recurrence::relu);
            }
          },
          [&](std::int64_t row) { std::fill_n(to + row * width, width, T(0)); });
      if (turn == 0 && !wanted.h) continue;
      // dh += da W_hh
      const T* const own = to + begin * width;
      gemm<T>(dstate + here, f.hidden, {own, width, 1}, {w, f.hidden, 1}, end - begin, f.hidden,
              plain, true);
      if (gru) {
        gemm<T>(dstate + here, f.hidden, {own + f.gates, width, 1},
                {w + plain * f.hidden, f.hidden, 1}, end - begin, f.hidden, f.hidden, true);
      }
    }
  });

  SequenceGradients gradients;
  if (wanted.h) gradients.h = dh;
  if (wanted.c) gradients.c = dc;
  if (wanted.x) {  // dx = da W_ih
    gradients.x = Tensor::uninitialized(in.x.sizes(), dtype);
    gemm<T>(gradients.x.mutable_data<T>(), f.input, {da, width, 1},
            {in.weight_ih.data<T>(), in.weight_ih.stride(0), in.weight_ih.stride(1)}, f.rows(),
            f.input, f.gates, false);
  }
  if (wanted.weight_ih) {  // da^T x
    const Tensor x = counted(in);
    gradients.weight_ih = Tensor::uninitialized(in.weight_ih.sizes(), dtype);
    gemm<T>(gradients.weight_ih.mutable_data<T>(), f.input, {da, 1, width},
            {x.data<T>(), f.input, 1}, f.gates, f.input, f.rows(), false);
  }
  if (wanted.weight_hh) {  // da^T h, where the h before a step lie in a block, but for the first
    gradients.weight_hh = zeros(in.weight_hh.sizes(), dtype);
    T* const dw = gradients.weight_hh.mutable_data<T>();
    const auto add_product = [&](std::int64_t step, const T* h, std::int64_t rows) {
      const T* const from = da + step * f.batch * width;
      gemm<T>(dw, f.hidden, {from, 1, width}, {h, f.hidden, 1}, plain, f.hidden, rows, true);
      if (gru) {
        gemm<T>(dw + plain * f.hidden, f.hidden, {from + f.gates, 1, width}, {h, f.hidden, 1},
                f.hidden, f.hidden, rows, true);
      }
    };
    if (f.steps > 1) {
      add_product(f.reverse ? 0 : 1, states + (f.reverse ? state_size : 0),
                  (f.steps - 1) * f.batch);
    }
    if (in.h.defined() && f.steps > 0) add_product(f.at(0), first_h.data<T>(), f.batch);
  }
  if (wanted.bias_ih || wanted.bias_hh) {  // da, summed over steps and batch
    Tensor total = Tensor::uninitialized(Shape(width), dtype);
    kernels.sum_columns(total.mutable_data<T>(), da, static_cast<std::size_t>(f.rows()),
                        static_cast<std::size_t>(width), false);
    gradients.bias_ih = narrow(total, 0, 0, f.gates);
    gradients.bias_hh = gradients.bias_ih;
    if (gru) {
      gradients.bias_hh =
          cat({narrow(total, 0, 0, 2 * f.hidden), narrow(total, 0, f.gates, f.hidden)});
    }
  }
  return gradients;
}

}  // namespace

SequenceResult run_sequence(Recurrence kind, const SequenceInputs& in) {
  return visit_floating(in.x.dtype(), [&](auto zero) { return forward<decltype(zero)>(kind, in); });
}

SequenceGradients run_sequence_back(Recurrence kind, const SequenceInputs& in,
                                    const SequenceResult& result, const Tensor& dstates,
                                    const SequenceWanted& wanted) {
  return visit_floating(in.x.dtype(), [&](auto zero) {
    return back<decltype(zero)>(kind, in, result, dstates, wanted);
  });
}

}  // namespace tapegrad
