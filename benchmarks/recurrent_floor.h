// The kernels of a training step of the recurrent classifier, and nothing else: no tape, no
// modules, no optimizer objects, no allocation. Its time is the least that a step can take with
// these kernels, so the ratio of both times says how much the rest of the library costs.
//
// It is the step of recurrent_classifier.cc's layers: lookup, RNN, LSTM or GRU, linear layer on the
// last state, cross entropy, backward, exact Adam. It gives the same losses to the bit (the
// benchmark checks the first two), except for rows of the table whose steps without a gradient are
// pending: these take one call of the same kernel with factors that are about right. The distinct
// ids of each batch are found beforehand. Read next: convolution.cc.
#pragma once

#include <tapegrad/tapegrad.h>
#include <tapegrad/tensor/kernels/kernels.h>
#include <tapegrad/tensor/ops/recurrent.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace measure {

struct RecurrentSizes {
  std::size_t vocabulary, dim, hidden, steps, batch, classes;
};

class RecurrentFloor {
 public:
  // `parameters` are those of the model, in its order: table; weight_ih, weight_hh, bias_ih and
  // bias_hh of the layer; weight and bias of the head. Their values are copied. A batch is added by
  // add_batch() before it is used.
  RecurrentFloor(tapegrad::Recurrence kind, const RecurrentSizes& sizes,
                 const std::vector<tapegrad::NamedParameter>& parameters)
      : kind_(kind), s_(sizes), gates_(gate_count() * sizes.hidden) {
    for (const tapegrad::NamedParameter& each : parameters) {
      parameters_.push_back(Parameter(each.value()));
    }
    last_step_.resize(s_.vocabulary);
    const std::size_t rows = s_.steps * s_.batch, states = rows * s_.hidden;
    const std::size_t width = gates_ + (is(tapegrad::Recurrence::gru) ? s_.hidden : 0);
    for (float** to : {&x_, &dx_, &drows_}) *to = floats(rows * s_.dim);
    for (float** to : {&h_, &inner_}) *to = floats(states);
    for (float** to : {&zeros_, &dh_, &dc_}) *to = floats(s_.batch * s_.hidden);
    for (float** to : {&logits_, &log_p_}) *to = floats(s_.batch * s_.classes);
    for (float** to : {&bias_, &dbias_}) *to = floats(4 * s_.hidden);
    gate_values_ = is(tapegrad::Recurrence::tanh) ? h_ : floats(rows * gates_);
    da_ = floats(rows * width);
    da_width_ = width;
    state_sums_ = floats(s_.batch * gates_);
    weight_hh_t_ = floats(s_.hidden * gates_);
    workspace_ = floats(std::max(k_.matmul_workspace(rows, gates_, rows),
                                 k_.matmul_workspace(rows, s_.classes, rows)));
  }

  void add_batch(const tapegrad::Tensor& tokens, const tapegrad::Tensor& labels) {
    Batch batch{transpose(tokens).contiguous(), {}, {}, labels};  // (steps, batch)
    std::unordered_map<std::int64_t, std::int64_t> numbers;
    for (const std::int64_t id : batch.ids.span<std::int64_t>()) {
      const auto [at, is_new] = numbers.emplace(id, std::ssize(batch.distinct));
      if (is_new) batch.distinct.push_back(id);
      batch.number.push_back(at->second);
    }
    batches_.push_back(std::move(batch));
  }

  // The forward pass. The logits stay in a buffer.
  void forward(std::size_t turn) {
    const Batch& batch = batches_[turn % batches_.size()];
    const std::size_t rows = s_.steps * s_.batch;
    k_.gather_rows(x_, table().p, batch.ids.data<std::int64_t>(), rows, s_.dim);
    add_biases();
    transpose_weight_hh();
    multiply(gate_values_, gates_, {x_, s_.dim, 1}, {weight_ih().p, 1, s_.dim}, rows, gates_,
             s_.dim, false);
    for (std::size_t t = 0; t < s_.steps; ++t) forward_step(t);
    multiply(logits_, s_.classes, {last_h(), s_.hidden, 1}, {head().p, 1, s_.hidden}, s_.batch,
             s_.classes, s_.hidden, false);
    k_.add_row(logits_, logits_, head_bias().p, s_.batch, s_.classes);
  }

  // A training step. Returns the loss.
  float step(std::size_t turn) {
    const Batch& batch = batches_[turn % batches_.size()];
    ++count_;
    catch_up(batch);
    forward(turn);
    const float loss = cross_entropy(batch.labels.data<std::int64_t>());
    backward(batch);
    update(batch);
    return loss;
  }

 private:
  using Recurrence = tapegrad::Recurrence;

  struct Parameter {
    explicit Parameter(const tapegrad::Tensor& from)
        : values{from.clone(), zeros_like(from), zeros_like(from), zeros_like(from)},
          p(values[0].mutable_data<float>()),
          m(values[1].mutable_data<float>()),
          v(values[2].mutable_data<float>()),
          g(values[3].mutable_data<float>()),
          n(static_cast<std::size_t>(from.numel())) {}
    std::vector<tapegrad::Tensor> values;
    float *p, *m, *v, *g;  // the value, Adam's moments, the gradient
    std::size_t n;
  };
  struct Batch {
    tapegrad::Tensor ids;                // (steps, batch)
    std::vector<std::int64_t> distinct;  // of ids
    std::vector<std::int64_t> number;    // for each of ids its place in distinct
    tapegrad::Tensor labels;
  };
  struct Matrix {
    const float* data;
    std::size_t row, column;
  };

  bool is(Recurrence kind) const { return kind_ == kind; }
  std::size_t gate_count() const { return static_cast<std::size_t>(tapegrad::gate_count(kind_)); }
  Parameter& table() { return parameters_[0]; }
  Parameter& weight_ih() { return parameters_[1]; }
  Parameter& weight_hh() { return parameters_[2]; }
  Parameter& head() { return parameters_[5]; }
  Parameter& head_bias() { return parameters_[6]; }
  float* h_after(std::size_t t) { return h_ + t * s_.batch * s_.hidden; }
  const float* last_h() { return h_after(s_.steps - 1); }

  float* floats(std::size_t count) {
    buffers_.push_back(tapegrad::zeros({static_cast<std::int64_t>(count)}));
    return buffers_.back().mutable_data<float>();
  }

  void multiply(float* c, std::size_t c_row, const Matrix& a, const Matrix& b, std::size_t m,
                std::size_t n, std::size_t k, bool accumulate) {
    const auto stride = [](std::size_t x) { return static_cast<std::ptrdiff_t>(x); };
    k_.matmul(c, stride(c_row), a.data, stride(a.row), stride(a.column), b.data, stride(b.row),
              stride(b.column), m, n, k, accumulate, workspace_);
  }

  void add_biases() {
    const auto add = k_.binary[static_cast<std::size_t>(tapegrad::kernel::Binary::kAdd)]
                              [static_cast<std::size_t>(tapegrad::kernel::Operands::kVectorVector)];
    const float* const ih = parameters_[3].p;
    const float* const hh = parameters_[4].p;
    if (!is(Recurrence::gru)) return add(bias_, ih, hh, gates_);
    add(bias_, ih, hh, 2 * s_.hidden);
    std::copy_n(ih + 2 * s_.hidden, s_.hidden, bias_ + 2 * s_.hidden);
    std::copy_n(hh + 2 * s_.hidden, s_.hidden, bias_ + 3 * s_.hidden);
  }

  // There is no kernel for this; squares keep the copy in the cache.
  void transpose_weight_hh() {
    constexpr std::size_t kSide = 16;
    const float* const w = weight_hh().p;
    for (std::size_t i = 0; i < gates_; i += kSide) {
      for (std::size_t j = 0; j < s_.hidden; ++j) {
        for (std::size_t r = i; r < std::min(i + kSide, gates_); ++r) {
          weight_hh_t_[j * gates_ + r] = w[r * s_.hidden + j];
        }
      }
    }
  }

  void forward_step(std::size_t t) {
    const std::size_t state = s_.batch * s_.hidden;
    float* const gates = gate_values_ + t * s_.batch * gates_;
    float* const inner = inner_ + t * state;
    const float* const before = t == 0 ? zeros_ : h_after(t - 1);
    const float* const c_before = t == 0 ? zeros_ : inner - state;
    float* const sums = is(Recurrence::gru) ? state_sums_ : gates;
    if (t > 0) {
      multiply(sums, gates_, {before, s_.hidden, 1}, {weight_hh_t_, gates_, 1}, s_.batch, gates_,
               s_.hidden, !is(Recurrence::gru));
    } else if (is(Recurrence::gru)) {
      k_.fill(sums, 0, s_.batch * gates_);
    }
    if (is(Recurrence::lstm)) {
      k_.lstm_step(h_after(t), inner, gates, bias_, c_before, s_.batch, s_.hidden);
    } else if (is(Recurrence::gru)) {
      k_.gru_step(h_after(t), gates, inner, sums, bias_, before, s_.batch, s_.hidden);
    } else {
      k_.rnn_step(h_after(t), gates, bias_, s_.batch, s_.hidden, false);
    }
  }

  // The loss; log_p_ becomes the gradient of the logits.
  float cross_entropy(const std::int64_t* labels) {
    k_.log_softmax(log_p_, logits_, s_.batch, s_.classes);
    double total = 0;
    for (std::size_t i = 0; i < s_.batch; ++i) {
      total -= static_cast<double>(log_p_[i * s_.classes + static_cast<std::size_t>(labels[i])]);
    }
    const float share = 1 / static_cast<float>(s_.batch);
    k_.unary[static_cast<std::size_t>(tapegrad::kernel::Unary::kExp)](log_p_, log_p_,
                                                                      s_.batch * s_.classes);
    for (std::size_t i = 0; i < s_.batch * s_.classes; ++i) log_p_[i] *= share;
    for (std::size_t i = 0; i < s_.batch; ++i) {
      log_p_[i * s_.classes + static_cast<std::size_t>(labels[i])] -= share;
    }
    return static_cast<float>(total / static_cast<double>(s_.batch));
  }

  void backward(const Batch& batch) {
    multiply(head().g, s_.hidden, {log_p_, 1, s_.classes}, {last_h(), s_.hidden, 1}, s_.classes,
             s_.hidden, s_.batch, false);
    k_.sum_columns(head_bias().g, log_p_, s_.batch, s_.classes, false);
    multiply(dh_, s_.hidden, {log_p_, s_.classes, 1}, {head().p, s_.hidden, 1}, s_.batch, s_.hidden,
             s_.classes, false);
    k_.fill(dc_, 0, s_.batch * s_.hidden);
    for (std::size_t t = s_.steps; t-- > 0;) backward_step(t);

    const std::size_t rows = s_.steps * s_.batch;
    multiply(dx_, s_.dim, {da_, da_width_, 1}, {weight_ih().p, s_.dim, 1}, rows, s_.dim, gates_,
             false);
    multiply(weight_ih().g, s_.dim, {da_, 1, da_width_}, {x_, s_.dim, 1}, gates_, s_.dim, rows,
             false);
    k_.fill(weight_hh().g, 0, gates_ * s_.hidden);
    const float* const later = da_ + s_.batch * da_width_;
    for_gates_of_states([&](std::size_t column, std::size_t row, std::size_t count) {
      multiply(weight_hh().g + row * s_.hidden, s_.hidden, {later + column, 1, da_width_},
               {h_, s_.hidden, 1}, count, s_.hidden, rows - s_.batch, true);
    });
    find_gradients_of_biases();
    k_.fill(drows_, 0, batch.distinct.size() * s_.dim);
    k_.scatter_add_rows(drows_, batch.number.data(), dx_, nullptr, nullptr, rows, s_.dim, -1);
  }

  void backward_step(std::size_t t) {
    const std::size_t state = s_.batch * s_.hidden;
    float* const da = da_ + t * s_.batch * da_width_;
    const float* const gates = gate_values_ + t * s_.batch * gates_;
    const float* const inner = inner_ + t * state;
    if (is(Recurrence::lstm)) {
      k_.lstm_step_backward(da, dh_, dc_, gates, inner, t == 0 ? zeros_ : inner - state, s_.batch,
                            s_.hidden);
    } else if (is(Recurrence::gru)) {
      k_.gru_step_backward(da, dh_, gates, inner, t == 0 ? zeros_ : h_after(t - 1), s_.batch,
                           s_.hidden);
    } else {
      k_.rnn_step_backward(da, dh_, h_after(t), s_.batch, s_.hidden, false);
    }
    if (t == 0) return;
    for_gates_of_states([&](std::size_t column, std::size_t row, std::size_t count) {
      multiply(dh_, s_.hidden, {da + column, da_width_, 1},
               {weight_hh().p + row * s_.hidden, s_.hidden, 1}, s_.batch, s_.hidden, count, true);
    });
  }

  // Calls function(column of da, row of weight_hh, count) for the parts that belong together.
  template <class Function>
  void for_gates_of_states(const Function& function) {
    const std::size_t shared = is(Recurrence::gru) ? 2 * s_.hidden : gates_;
    function(0, 0, shared);
    if (is(Recurrence::gru)) function(gates_, shared, s_.hidden);
  }

  void find_gradients_of_biases() {
    k_.sum_columns(dbias_, da_, s_.steps * s_.batch, da_width_, false);
    std::copy_n(dbias_, gates_, parameters_[3].g);
    std::copy_n(dbias_, gates_, parameters_[4].g);
    if (!is(Recurrence::gru)) return;
    std::copy_n(dbias_ + gates_, s_.hidden, parameters_[4].g + 2 * s_.hidden);
  }

  // Rows that are looked up again take their steps without a gradient, about seven of them.
  void catch_up(const Batch& batch) {
    const double lr = kAdam.lr, beta1 = kAdam.betas.first, beta2 = kAdam.betas.second;
    const tapegrad::kernel::AdamJumpArguments jump{.shrink = 1,
                                                   .m_factor = std::pow(beta1, 7),
                                                   .v_factor = std::pow(beta2, 7),
                                                   .eps_center = kAdam.eps,
                                                   .s = {5 * lr, 0, 0, 0, 0, 0}};
    for (const std::int64_t id : batch.distinct) {
      if (count_ - last_step_[static_cast<std::size_t>(id)] < 2) continue;
      const std::size_t at = static_cast<std::size_t>(id) * s_.dim;
      k_.adam_jump(table().p + at, table().m + at, table().v + at, nullptr, s_.dim, jump);
    }
  }

  void update(const Batch& batch) {
    const double lr = kAdam.lr, beta1 = kAdam.betas.first, beta2 = kAdam.betas.second;
    const auto steps = static_cast<double>(count_);
    const tapegrad::kernel::AdamArguments adam{.beta1 = beta1,
                                               .beta2 = beta2,
                                               .eps = kAdam.eps,
                                               .l2 = 0,
                                               .shrink = 1,
                                               .step_size = lr / (1 - std::pow(beta1, steps)),
                                               .sqrt_bias2 = std::sqrt(1 - std::pow(beta2, steps)),
                                               .sign = 1};
    const float* g = drows_;
    for (const std::int64_t id : batch.distinct) {
      const std::size_t at = static_cast<std::size_t>(id) * s_.dim;
      k_.adam(table().p + at, table().m + at, table().v + at, nullptr, g, s_.dim, adam);
      last_step_[static_cast<std::size_t>(id)] = count_;
      g += s_.dim;
    }
    for (std::size_t i = 1; i < parameters_.size(); ++i) {
      const Parameter& x = parameters_[i];
      k_.adam(x.p, x.m, x.v, nullptr, x.g, x.n, adam);
    }
  }

  inline static const tapegrad::optim::AdamOptions kAdam{.lr = 1e-3};

  const tapegrad::kernel::Kernels<float>& k_ = tapegrad::kernel::kernels<float>();
  const Recurrence kind_;
  const RecurrentSizes s_;
  const std::size_t gates_;  // gate_count * hidden
  std::vector<tapegrad::Tensor> buffers_;
  std::vector<Parameter> parameters_;
  std::vector<std::uint64_t> last_step_;  // of each row of the table
  std::uint64_t count_ = 0;               // steps so far
  std::vector<Batch> batches_;
  float *x_, *dx_;            // (steps, batch, dim)
  float* drows_;              // (distinct ids, dim)
  float *h_, *inner_;         // (steps, batch, hidden), as in SequenceResult
  float* gate_values_;        // (steps, batch, gates)
  float* da_;                 // (steps, batch, da_width), the gradients of the gates' sums
  float *zeros_, *dh_, *dc_;  // (batch, hidden)
  float* state_sums_;         // (batch, gates), for gru
  float* weight_hh_t_;        // (hidden, gates)
  float *bias_, *dbias_;      // (da_width)
  float *logits_, *log_p_;    // (batch, classes)
  float* workspace_;
  std::size_t da_width_;
};

}  // namespace measure
