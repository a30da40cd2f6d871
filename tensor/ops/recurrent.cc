// Recurrent networks over whole sequences. This file computes the matrix products and runs the
// steps in order; the kernels (tensor/kernels/recurrent.inl) compute the rest of each step. Read
// next: tensor/ops/fused.h.
#include <tapegrad/tensor/ops/fused.h>
#include <tapegrad/tensor/ops/recurrent.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/ops/gemm.h>
#include <tapegrad/tensor/parallel.h>

namespace tapegrad {
namespace {

using detail::gemm;
using detail::Matrix;

// The sizes, and the order of the steps.
struct Frame {
  Recurrence kind;
  std::int64_t steps, batch, input, hidden, gates;  // gates: gate_count * hidden
  bool reverse;

  Frame(Recurrence its_kind, const SequenceInputs& in)
      : kind(its_kind),
        steps(in.x.size(0)),
        batch(in.x.size(1)),
        input(in.x.size(2)),
        hidden(in.weight_hh.size(1)),
        gates(gate_count(kind) * hidden),
        reverse(in.reverse) {}

  bool lstm() const { return kind == Recurrence::lstm; }
  bool gru() const { return kind == Recurrence::gru; }
  std::int64_t rows() const { return steps * batch; }
  std::int64_t state_size() const { return batch * hidden; }
  // The index in x of the step that runs after `taken` other steps.
  std::int64_t index(std::int64_t taken) const { return reverse ? steps - 1 - taken : taken; }
};

template <class T>
T* mutable_data_or_null(Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}
// Calls function(first, end) for parts of the batch, on several threads. The parts are independent:
// each runs through all steps by itself. A part has at least 16 rows, because the order of the sums
// in a matrix product depends on the number of rows only below 16.
template <class Function>
void for_parts_of_batch(const Frame& f, const Function& function) {
  constexpr std::int64_t kToShare = 1 << 21;  // multiply-adds of all steps
  const std::int64_t work = f.rows() * f.gates * f.hidden;
  parallel_for(f.batch, work < kToShare ? f.batch : 16, 1, function);
}

// For the rows in [row, last) of one step: calls f(first, count) for every run of consecutive rows
// where the mask is true, and g(row) for each row where it is false.
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

// x with zeros where the mask is false, so that no value from there, not even a NaN, enters a
// product.
Tensor masked_x(const SequenceInputs& in) {
  return in.mask.defined() ? where(unsqueeze(in.mask, 2), in.x, 0) : in.x.contiguous();
}

Tensor state_or_zeros(const Tensor& state, const Frame& f, DType dtype) {
  return state.defined() ? state.contiguous() : zeros({f.batch, f.hidden}, dtype);
}

// The bias that the kernels add: bias_ih + bias_hh. For a GRU it has four parts: the sums for r and
// z, then bias_ih of n and bias_hh of n, because r multiplies only the second.
Tensor joint_bias(const Frame& f, const SequenceInputs& in) {
  const DType dtype = in.x.dtype();
  const Tensor ih = in.bias_ih.defined() ? in.bias_ih : zeros({f.gates}, dtype);
  const Tensor hh = in.bias_hh.defined() ? in.bias_hh : zeros({f.gates}, dtype);
  if (!f.gru()) return ih + hh;
  const std::int64_t two = 2 * f.hidden;
  return cat({narrow(ih, 0, 0, two) + narrow(hh, 0, 0, two), narrow(ih, 0, two, f.hidden),
              narrow(hh, 0, two, f.hidden)});
}

// Pointers to the data of one step. Data is T in the forward pass and const T in the backward pass.
template <class Data>
struct Step {
  using T = std::remove_const_t<Data>;
  std::int64_t index;   // in x
  Data* gates;          // (batch, gates)
  Data* h;              // (batch, hidden)
  Data* inner;          // (batch, hidden), as in SequenceResult; null for the Elman network
  const T* previous_h;  // (batch, hidden), the state before this step
  const T* previous_c;  // the same for c, for lstm only
  const bool* mask;     // (batch); null: all true
};

// The steps of a sequence, in the order in which they run.
template <class Data>
class Steps {
 public:
  using T = std::remove_const_t<Data>;

  // `gates` is null for the Elman network: its sums are written to `states` and become the states
  // in place.
  Steps(const Frame& f, const SequenceInputs& in, Data* states, Data* gates, Data* inner)
      : f_(f),
        states_(states),
        gates_(gates != nullptr ? gates : states),
        inner_(inner),
        initial_h_(state_or_zeros(in.h, f, in.x.dtype())),
        initial_c_(f.lstm() ? state_or_zeros(in.c, f, in.x.dtype()) : Tensor()),
        initial_h_data_(initial_h_.template data<T>()),
        initial_c_data_(detail::data_or_null<T>(initial_c_)),
        mask_(detail::data_or_null<bool>(in.mask)) {}

  Step<Data> operator[](std::int64_t taken) const {
    const std::int64_t t = f_.index(taken);
    return {t,
            gates_ + t * f_.batch * f_.gates,
            states_ + t * f_.state_size(),
            inner_ == nullptr ? nullptr : inner_ + t * f_.state_size(),
            h_after(taken),
            f_.lstm() ? c_after(taken) : nullptr,
            mask_ == nullptr ? nullptr : mask_ + t * f_.batch};
  }

  // The states after `taken` steps; the initial states for 0.
  const T* h_after(std::int64_t taken) const {
    return taken == 0 ? initial_h_data_ : states_ + f_.index(taken - 1) * f_.state_size();
  }
  const T* c_after(std::int64_t taken) const {
    return taken == 0 ? initial_c_data_ : inner_ + f_.index(taken - 1) * f_.state_size();
  }

  Data* states() const { return states_; }
  Data* gates() const { return gates_; }

 private:
  const Frame f_;
  Data* const states_;
  Data* const gates_;
  Data* const inner_;
  const Tensor initial_h_;
  const Tensor initial_c_;
  const T* const initial_h_data_;
  const T* const initial_c_data_;
  const bool* const mask_;
};

// Forward -----------------------------------------------------------------------------------------

SequenceResult uninitialized_result(const Frame& f, DType dtype) {
  SequenceResult result;
  const std::int64_t slices = f.steps + (f.lstm() ? 1 : 0);
  result.states = Tensor::uninitialized(Shape{slices, f.batch, f.hidden}, dtype);
  if (f.lstm() || f.gru()) {
    result.gates = Tensor::uninitialized(Shape{f.steps, f.batch, f.gates}, dtype);
    result.inner = Tensor::uninitialized(Shape{f.steps, f.batch, f.hidden}, dtype);
  }
  return result;
}

template <class T>
class SequenceForward {
 public:
  SequenceForward(Recurrence kind, const SequenceInputs& in)
      : in_(in),
        f_(kind, in),
        result_(uninitialized_result(f_, in.x.dtype())),
        steps_(f_, in, result_.states.mutable_data<T>(), mutable_data_or_null<T>(result_.gates),
               mutable_data_or_null<T>(result_.inner)),
        weight_hh_(transpose(in.weight_hh)),
        bias_(joint_bias(f_, in)),
        state_sums_(f_.gru() ? zeros({f_.batch, f_.gates}, in.x.dtype()) : Tensor()),
        state_sums_data_(mutable_data_or_null<T>(state_sums_)) {
    // Every step reads the weight, so a contiguous copy of the transpose is faster if there is more
    // than one step.
    if (f_.steps > 1) weight_hh_ = weight_hh_.contiguous();
    weight_hh_matrix_ = {weight_hh_.data<T>(), weight_hh_.stride(0), weight_hh_.stride(1)};
  }

  SequenceResult run() {
    multiply_inputs();
    for_parts_of_batch(f_, [this](std::int64_t begin, std::int64_t end) {
      for (std::int64_t taken = 0; taken < f_.steps; ++taken) {
        const Step<T> step = steps_[taken];
        if (taken > 0 || in_.h.defined()) multiply_states(step, begin, end);
        for_each_run(
            step.mask, begin, end,
            [&](std::int64_t first, std::int64_t count) { take(step, first, count); },
            [&](std::int64_t row) { keep_state(step, row); });
      }
      if (f_.lstm()) copy_last_c(begin, end);
    });
    return std::move(result_);
  }

 private:
  // gates = x W_ih^T, for all steps at once.
  void multiply_inputs() {
    const Tensor x = masked_x(in_);
    gemm<T>(steps_.gates(), f_.gates, {x.data<T>(), f_.input, 1},
            {in_.weight_ih.data<T>(), in_.weight_ih.stride(1), in_.weight_ih.stride(0)}, f_.rows(),
            f_.gates, f_.input, false);
  }

  // gates += h W_hh^T. A GRU keeps the product separate, because r multiplies a part of it.
  void multiply_states(const Step<T>& step, std::int64_t begin, std::int64_t end) {
    T* const sums = f_.gru() ? state_sums_data_ : step.gates;
    gemm<T>(sums + begin * f_.gates, f_.gates, {step.previous_h + begin * f_.hidden, f_.hidden, 1},
            weight_hh_matrix_, end - begin, f_.gates, f_.hidden, !f_.gru());
  }

  // The elementwise part of the step, for `count` rows.
  void take(const Step<T>& step, std::int64_t first, std::int64_t count) {
    const std::int64_t at = first * f_.hidden;
    const auto rows = static_cast<std::size_t>(count);
    const auto hidden = static_cast<std::size_t>(f_.hidden);
    T* const gates = step.gates + first * f_.gates;
    const T* const bias = bias_.data<T>();
    if (f_.lstm()) {
      kernels_.lstm_step(step.h + at, step.inner + at, gates, bias, step.previous_c + at, rows,
                         hidden);
    } else if (f_.gru()) {
      kernels_.gru_step(step.h + at, gates, step.inner + at, state_sums_data_ + first * f_.gates,
                        bias, step.previous_h + at, rows, hidden);
    } else {
      kernels_.rnn_step(step.h + at, gates, bias, rows, hidden, f_.kind == Recurrence::relu);
    }
  }

  // A step where the mask is false: the state is copied.
  void keep_state(const Step<T>& step, std::int64_t row) {
    const std::int64_t at = row * f_.hidden;
    std::copy_n(step.previous_h + at, f_.hidden, step.h + at);
    if (f_.lstm()) std::copy_n(step.previous_c + at, f_.hidden, step.inner + at);
  }

  void copy_last_c(std::int64_t begin, std::int64_t end) {
    const T* const c = steps_.c_after(f_.steps);
    T* const last = steps_.states() + f_.steps * f_.state_size();
    std::copy(c + begin * f_.hidden, c + end * f_.hidden, last + begin * f_.hidden);
  }

  const SequenceInputs& in_;
  const Frame f_;
  const kernel::Kernels<T>& kernels_ = kernel::kernels<T>();
  SequenceResult result_;
  const Steps<T> steps_;
  Tensor weight_hh_;  // (hidden, gates)
  Matrix<T> weight_hh_matrix_;
  const Tensor bias_;
  Tensor state_sums_;  // gru: h W_hh^T (batch, gates), zeros until there is a state
  T* const state_sums_data_;
};

// Backward ----------------------------------------------------------------------------------------

template <class T>
class SequenceBackward {
 public:
  SequenceBackward(Recurrence kind, const SequenceInputs& in, const SequenceResult& result,
                   const Tensor& dstates)
      : in_(in),
        f_(kind, in),
        steps_(f_, in, result.states.data<T>(), detail::data_or_null<T>(result.gates),
               detail::data_or_null<T>(result.inner)),
        width_(f_.gates + (f_.gru() ? f_.hidden : 0)),
        shared_(f_.gru() ? 2 * f_.hidden : f_.gates),
        dgates_(Tensor::uninitialized(Shape{f_.steps, f_.batch, width_}, in.x.dtype())),
        dstates_(dstates.contiguous()),
        dh_(zeros({f_.batch, f_.hidden}, in.x.dtype())),
        dc_(f_.lstm() ? dstates_[f_.steps].clone() : Tensor()),
        weight_hh_(in.weight_hh.contiguous()),
        da_(dgates_.mutable_data<T>()),
        dh_data_(dh_.mutable_data<T>()),
        dc_data_(mutable_data_or_null<T>(dc_)) {}

  SequenceGradients run(const SequenceWanted& wanted) {
    for_parts_of_batch(f_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t taken = f_.steps - 1; taken >= 0; --taken) {
        const Step<const T> step = steps_[taken];
        T* const da = da_ + step.index * f_.batch * width_;
        add_gradient_of_states(step, begin, end);
        for_each_run(
            step.mask, begin, end,
            [&](std::int64_t first, std::int64_t count) { take_backward(step, da, first, count); },
            [&](std::int64_t row) { std::fill_n(da + row * width_, width_, T(0)); });
        if (taken > 0 || wanted.h) pass_to_previous_state(da, begin, end);
      }
    });
    SequenceGradients gradients;
    if (wanted.h) gradients.h = dh_;
    if (wanted.c) gradients.c = dc_;
    if (wanted.x) gradients.x = gradient_of_x();
    if (wanted.weight_ih) gradients.weight_ih = gradient_of_weight_ih();
    if (wanted.weight_hh) gradients.weight_hh = gradient_of_weight_hh();
    if (wanted.bias_ih || wanted.bias_hh) find_gradients_of_biases(gradients);
    return gradients;
  }

 private:
  // dh += dy of this step
  void add_gradient_of_states(const Step<const T>& step, std::int64_t begin, std::int64_t end) {
    const std::int64_t at = begin * f_.hidden;
    const T* const dy = dstates_.data<T>() + step.index * f_.state_size();
    kernels_.axpy(dh_data_ + at, T(1), dy + at,
                  static_cast<std::size_t>((end - begin) * f_.hidden));
  }

  // The elementwise part of the step, for `count` rows: computes da from dh and dc, and replaces dh
  // and dc by the part of the previous state's gradients that does not go through the matrix
  // products.
  void take_backward(const Step<const T>& step, T* da, std::int64_t first, std::int64_t count) {
    const std::int64_t at = first * f_.hidden;
    const auto rows = static_cast<std::size_t>(count);
    const auto hidden = static_cast<std::size_t>(f_.hidden);
    const T* const gates = step.gates + first * f_.gates;
    da += first * width_;
    if (f_.lstm()) {
      kernels_.lstm_step_backward(da, dh_data_ + at, dc_data_ + at, gates, step.inner + at,
                                  step.previous_c + at, rows, hidden);
    } else if (f_.gru()) {
      kernels_.gru_step_backward(da, dh_data_ + at, gates, step.inner + at, step.previous_h + at,
                                 rows, hidden);
    } else {
      kernels_.rnn_step_backward(da, dh_data_ + at, step.h + at, rows, hidden,
                                 f_.kind == Recurrence::relu);
    }
  }

  // Calls function(column, row, count) for each part of the gradient of h W_hh^T: it is the `count`
  // columns of da from `column` on, and belongs to the `count` rows of W_hh from `row` on.
  template <class Function>
  void for_gates_of_states(const Function& function) const {
    function(0, 0, shared_);
    if (f_.gru()) function(f_.gates, shared_, f_.hidden);
  }

  // dh += da W_hh
  void pass_to_previous_state(const T* da, std::int64_t begin, std::int64_t end) {
    T* const dh = dh_data_ + begin * f_.hidden;
    const T* const w = weight_hh_.data<T>();
    for_gates_of_states([&](std::int64_t column, std::int64_t row, std::int64_t count) {
      gemm<T>(dh, f_.hidden, {da + begin * width_ + column, width_, 1},
              {w + row * f_.hidden, f_.hidden, 1}, end - begin, f_.hidden, count, true);
    });
  }

  // dx = da W_ih
  Tensor gradient_of_x() const {
    Tensor dx = Tensor::uninitialized(in_.x.sizes(), in_.x.dtype());
    gemm<T>(dx.mutable_data<T>(), f_.input, {da_, width_, 1},
            {in_.weight_ih.data<T>(), in_.weight_ih.stride(0), in_.weight_ih.stride(1)}, f_.rows(),
            f_.input, f_.gates, false);
    return dx;
  }

  // dW_ih = da^T x
  Tensor gradient_of_weight_ih() const {
    const Tensor x = masked_x(in_);
    Tensor dw = Tensor::uninitialized(in_.weight_ih.sizes(), in_.x.dtype());
    gemm<T>(dw.mutable_data<T>(), f_.input, {da_, 1, width_}, {x.data<T>(), f_.input, 1}, f_.gates,
            f_.input, f_.rows(), false);
    return dw;
  }

  // dW_hh = da^T h, where h is the state before each step. For all steps but the first, these
  // states are one block of result.states; for the first it is the initial state.
  Tensor gradient_of_weight_hh() const {
    Tensor gradient = zeros(in_.weight_hh.sizes(), in_.x.dtype());
    T* const dw = gradient.mutable_data<T>();
    const auto add_product = [&](std::int64_t step, const T* h, std::int64_t rows) {
      const T* const da = da_ + step * f_.batch * width_;
      for_gates_of_states([&](std::int64_t column, std::int64_t row, std::int64_t count) {
        gemm<T>(dw + row * f_.hidden, f_.hidden, {da + column, 1, width_}, {h, f_.hidden, 1}, count,
                f_.hidden, rows, true);
      });
    };
    if (f_.steps > 1) {
      const T* const block = steps_.states() + (f_.reverse ? f_.state_size() : 0);
      add_product(f_.reverse ? 0 : 1, block, (f_.steps - 1) * f_.batch);
    }
    if (in_.h.defined() && f_.steps > 0) add_product(f_.index(0), steps_.h_after(0), f_.batch);
    return gradient;
  }

  // da, summed over steps and batch. The two gradients differ only for n of a GRU.
  void find_gradients_of_biases(SequenceGradients& gradients) const {
    Tensor total = Tensor::uninitialized(Shape(width_), in_.x.dtype());
    kernels_.sum_columns(total.mutable_data<T>(), da_, static_cast<std::size_t>(f_.rows()),
                         static_cast<std::size_t>(width_), false);
    gradients.bias_ih = narrow(total, 0, 0, f_.gates);
    gradients.bias_hh = gradients.bias_ih;
    if (f_.gru()) {
      gradients.bias_hh =
          cat({narrow(total, 0, 0, shared_), narrow(total, 0, f_.gates, f_.hidden)});
    }
  }

  const SequenceInputs& in_;
  const Frame f_;
  const kernel::Kernels<T>& kernels_ = kernel::kernels<T>();
  const Steps<const T> steps_;
  // da holds the gradients of the gates' sums, before their nonlinearities. For a GRU its columns
  // are r, z and n with respect to the inputs, and then n with respect to the states, which is
  // multiplied by r.
  const std::int64_t width_;   // columns of da
  const std::int64_t shared_;  // the first columns, equal for inputs and states
  Tensor dgates_;              // (steps, batch, width)
  const Tensor dstates_;
  Tensor dh_;  // (batch, hidden), at the end the gradient of the initial state
  Tensor dc_;  // the same for c, for lstm only
  const Tensor weight_hh_;
  T* const da_;
  T* const dh_data_;
  T* const dc_data_;
};

}  // namespace

SequenceResult run_sequence(Recurrence kind, const SequenceInputs& in) {
  return visit_floating(in.x.dtype(),
                        [&](auto zero) { return SequenceForward<decltype(zero)>(kind, in).run(); });
}

SequenceGradients run_sequence_back(Recurrence kind, const SequenceInputs& in,
                                    const SequenceResult& result, const Tensor& dstates,
                                    const SequenceWanted& wanted) {
  return visit_floating(in.x.dtype(), [&](auto zero) {
    return SequenceBackward<decltype(zero)>(kind, in, result, dstates).run(wanted);
  });
}

}  // namespace tapegrad
