// Rows of convolution and pooling of sequences. Read next: images.cc.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kFinite{.special = false};
constexpr Operation::Traits kLargest{.exact = true};

// x as (batch, channels, length).
struct Sequences {
  std::int64_t batch, channels, length;
};
Sequences sequences(const Shape& shape) {
  return {shape.dim() == 3 ? shape[0] : 1, shape[shape.dim() - 2], shape.back()};
}
Shape result_shape(const Shape& x, std::int64_t channels, std::int64_t length) {
  return x.dim() == 3 ? Shape{x[0], channels, length} : Shape{channels, length};
}

// The element of the padded sequence at position t: of x or of the padding.
std::int64_t source(std::int64_t t, std::int64_t length, PadMode mode) {
  if (t >= 0 && t < length) return t;
  switch (mode) {
    case PadMode::zeros:
      return -1;
    case PadMode::reflect:
      return t < 0 ? -t : 2 * (length - 1) - t;
    case PadMode::replicate:
      return t < 0 ? 0 : length - 1;
    case PadMode::circular:
      return (t + length) % length;
  }
  return -1;
}

// Options: stride a.i, padding a.j, dilation a.k, groups a.l, mode a.p.
ConvOptions conv_options(const Attributes& a) {
  return {.stride = a.i,
          .padding = a.j,
          .dilation = a.k,
          .groups = a.l,
          .padding_mode = static_cast<PadMode>(static_cast<int>(a.p))};
}

Plain convolved(const Plains& x, const Attributes& a, const Plain* bias) {
  const Sequences in = sequences(x[0].shape);
  const Plain& weight = x[1];
  const std::int64_t out = weight.shape[0], per_group = weight.shape[1], kernel = weight.shape[2];
  const std::int64_t span = a.k * (kernel - 1) + 1;
  const std::int64_t before = a.j == same_padding ? (span - 1) / 2 : a.j;
  const std::int64_t padding = a.j == same_padding ? span - 1 : 2 * a.j;
  const std::int64_t length = (in.length + padding - span) / a.i + 1;
  const auto mode = static_cast<PadMode>(static_cast<int>(a.p));
  Plain y = filled(result_shape(x[0].shape, out, length), x[0].dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t batch = i / (out * length), o = i / length % out, t = i % length;
    const std::int64_t group = o / (out / a.l);
    double total = bias != nullptr ? (*bias)[o] : 0;
    for (std::int64_t c = 0; c < per_group; ++c) {
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t from = source(t * a.i + k * a.k - before, in.length, mode);
        if (from < 0) continue;
        total += weight[(o * per_group + c) * kernel + k] *
                 x[0][(batch * in.channels + group * per_group + c) * in.length + from];
      }
    }
    y[i] = total;
  }
  return y;
}

void draw_conv(Draw& d, bool bias) {
  d.require(d.mode() != Mode::large);
  const Shape x = d.any(kSmall, 2, 3);
  const Sequences in = sequences(x);
  d.require(in.channels > 0 && in.length > 0);
  std::vector<std::int64_t> divisors;
  for (std::int64_t g = 1; g <= in.channels; ++g) {
    if (in.channels % g == 0) divisors.push_back(g);
  }
  d.a.i = d.random.integer(1, 3);
  d.a.k = d.random.integer(1, 2);
  d.a.l = d.random.chance(0.3) ? d.random.one_of(divisors) : 1;
  d.a.p = static_cast<double>(d.random.chance(0.3) ? d.random.integer(1, 3) : 0);
  const std::int64_t kernel = d.random.integer(1, 4);
  const std::int64_t span = d.a.k * (kernel - 1) + 1;
  d.a.j = d.random.integer(0, 3);
  if (d.a.i == 1 && d.random.chance(0.2)) d.a.j = same_padding;
  const std::int64_t after = d.a.j == same_padding ? span - 1 - (span - 1) / 2 : d.a.j;
  const std::int64_t total = d.a.j == same_padding ? span - 1 : 2 * d.a.j;
  d.require(in.length + total >= span);
  if (d.a.p != 0) d.require(after < in.length);
  const std::int64_t out = d.a.l * d.random.integer(1, 3);
  d.of({out, in.channels / d.a.l, kernel}, kSmall);
  if (bias) d.of(out);
}

// Windows of `kernel` a.l with stride a.i, padding a.j, dilation a.k; ceil_mode is a.flag.
struct Windows {
  std::int64_t length;  // of the result
  std::int64_t end;     // of the padded sequence
};
Windows windows(std::int64_t length, const Attributes& a) {
  const std::int64_t span = a.k * (a.l - 1) + 1;
  const std::int64_t room = length + 2 * a.j - span;
  std::int64_t count = room / a.i + 1;
  if (a.flag) {
    count = (room + a.i - 1) / a.i + 1;
    if ((count - 1) * a.i >= length + a.j) --count;
  }
  return {count, length + a.j};
}

void draw_pool(Draw& d, bool dilated) {
  d.require(d.mode() != Mode::large);
  const Shape x = d.any(kDistinct, 2, 3);
  const Sequences in = sequences(x);
  d.require(in.channels > 0 && in.length > 0);
  d.a.l = d.random.integer(1, 4);
  d.a.i = d.random.integer(1, 4);
  d.a.j = d.random.integer(0, d.a.l / 2);
  d.a.k = dilated ? d.random.integer(1, 2) : 1;
  d.a.flag = d.random.chance(0.3);
  d.a.flag2 = d.random.chance(0.5);
  d.require(in.length + 2 * d.a.j >= d.a.k * (d.a.l - 1) + 1);
}

Plain pooled(const Plain& x, const Attributes& a, bool largest) {
  const Sequences in = sequences(x.shape);
  const Windows w = windows(in.length, a);
  Plain y = filled(result_shape(x.shape, in.channels, w.length), x.dtype);
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t row = i / w.length, start = i % w.length * a.i - a.j;
    double most = -std::numeric_limits<double>::infinity(), total = 0;
    std::int64_t count = 0;
    for (std::int64_t k = 0; k < a.l; ++k) {
      const std::int64_t t = start + k * a.k;
      // The divisor counts padding, but nothing behind it.
      if (a.flag2 && t < w.end) ++count;
      if (t < 0 || t >= in.length) continue;
      if (!a.flag2) ++count;
      const double each = x[row * in.length + t];
      most = std::isnan(each) || std::isnan(most) ? std::nan("") : std::max(most, each);
      total += each;
    }
    y[i] = largest ? most : total / static_cast<double>(count);
  }
  return y;
}

}  // namespace

std::vector<Operation> convolution_rows() {
  return {
      {"conv1d", TAPES_FUNCTION(conv1d(x[0], x[1], x[2], conv_options(a))),
       "conv1d(x[0], x[1], x[2], {.stride = a.i, .padding = a.j, .dilation = a.k, .groups = a.l, "
       ".padding_mode = static_cast<PadMode>(int(a.p))})",
       [](Draw& d) { draw_conv(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {convolved(x, a, &x[2])}; },
       kFinite},
      {"conv1d without bias", TAPES_FUNCTION(conv1d(x[0], x[1], {}, conv_options(a))),
       "conv1d(x[0], x[1], {}, {.stride = a.i, .padding = a.j, .dilation = a.k, .groups = a.l, "
       ".padding_mode = static_cast<PadMode>(int(a.p))})",
       [](Draw& d) { draw_conv(d, false); },
       [](const Plains& x, const Attributes& a) -> Plains { return {convolved(x, a, nullptr)}; },
       kFinite},
      {"max_pool1d",
       CALL(max_pool1d(x[0], a.l,
                       {.stride = a.i, .padding = a.j, .dilation = a.k, .ceil_mode = a.flag})),
       [](Draw& d) { draw_pool(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {pooled(x[0], a, true)}; },
       kLargest},
      {"max_pool1d_with_indices",
       CALL(max_pool1d_with_indices(
                x[0], a.l, {.stride = a.i, .padding = a.j, .dilation = a.k, .ceil_mode = a.flag})
                .values),
       [](Draw& d) { draw_pool(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {pooled(x[0], a, true)}; },
       kLargest},
      {"avg_pool1d",
       CALL(avg_pool1d(
           x[0], a.l,
           {.stride = a.i, .padding = a.j, .count_include_pad = a.flag2, .ceil_mode = a.flag})),
       [](Draw& d) { draw_pool(d, false); },
       [](const Plains& x, const Attributes& a) -> Plains { return {pooled(x[0], a, false)}; },
       kFinite},
  };
}

}  // namespace tapegrad::tapes
