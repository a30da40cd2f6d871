// nn::functional: the functions that PyTorch has in torch.nn.functional, under that name. They are
// the operations of tensor/ops.h and autograd/ops.h, and the losses of nn/losses.h. Read next:
// nn/hierarchical_softmax.h.
#pragma once

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/dropout.h>
#include <tapegrad/nn/losses.h>

namespace tapegrad::nn::functional {

using tapegrad::adaptive_avg_pool2d;
using tapegrad::avg_pool1d;
using tapegrad::avg_pool2d;
using tapegrad::batch_norm;
using tapegrad::bilinear;
using tapegrad::celu;
using tapegrad::conv1d;
using tapegrad::conv2d;
using tapegrad::cosine_similarity;
using tapegrad::elu;
using tapegrad::embedding;
using tapegrad::embedding_bag;
using tapegrad::gelu;
using tapegrad::glu;
using tapegrad::group_norm;
using tapegrad::hardshrink;
using tapegrad::hardsigmoid;
using tapegrad::hardswish;
using tapegrad::hardtanh;
using tapegrad::layer_norm;
using tapegrad::leaky_relu;
using tapegrad::linear;
using tapegrad::log_softmax;
using tapegrad::logsigmoid;
using tapegrad::max_pool1d;
using tapegrad::max_pool1d_with_indices;
using tapegrad::max_pool2d;
using tapegrad::max_pool2d_with_indices;
using tapegrad::mish;
using tapegrad::normalize;
using tapegrad::one_hot;
using tapegrad::pad;
using tapegrad::pairwise_distance;
using tapegrad::prelu;
using tapegrad::relu;
using tapegrad::relu6;
using tapegrad::rms_norm;
using tapegrad::scaled_dot_product_attention;
using tapegrad::selu;
using tapegrad::sigmoid;
using tapegrad::silu;
using tapegrad::softmax;
using tapegrad::softmin;
using tapegrad::softplus;
using tapegrad::softshrink;
using tapegrad::softsign;
using tapegrad::tanh;
using tapegrad::threshold;

using nn::binary_cross_entropy_with_logits;
using nn::cosine_embedding_loss;
using nn::cross_entropy;
using nn::dropout;
using nn::hinge_embedding_loss;
using nn::huber_loss;
using nn::kl_div;
using nn::l1_loss;
using nn::margin_ranking_loss;
using nn::mse_loss;
using nn::multi_margin_loss;
using nn::nll_loss;
using nn::smooth_l1_loss;
using nn::triplet_margin_loss;

inline Variable binary_cross_entropy(const Variable& input, const Variable& targets,
                                     const BceOptions& options = {}) {
  return bce_loss(input, targets, options);
}

}  // namespace tapegrad::nn::functional

namespace tapegrad::nn {
using namespace functional;  // nn::relu(x), too
}  // namespace tapegrad::nn
