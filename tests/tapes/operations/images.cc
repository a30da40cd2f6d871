// Rows of convolution and pooling of images. Read next: views.cc.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr Operation::Traits kFinite{.special = false};
constexpr Operation::Traits kLargest{.exact = true};

// One direction: the size of x, and the windows. a.shape holds stride, padding and dilation, each
// for the height and the width; the padding may be same_padding.
struct Direction {
  std::int64_t length, kernel, stride, before, after, dilation;
  Direction(std::int64_t its_length, std::int64_t its_kernel, const Shape& options, std::int64_t d)
      : length(its_length),
        kernel(its_kernel),
        stride(options[d]),
        before(options[2 + d]),
        after(options[2 + d]),
        dilation(options[4 + d]) {
    if (before != same_padding) return;
    before = (span() - 1) / 2;
    after = span() - 1 - before;
  }
  std::int64_t span() const { return dilation * (kernel - 1) + 1; }
  std::int64_t room() const { return length + before + after - span(); }
  std::int64_t count(bool ceil_mode = false) const {
    std::int64_t windows = room() / stride + 1;
    if (ceil_mode) {
      windows = (room() + stride - 1) / stride + 1;
      if ((windows - 1) * stride >= length + before) --windows;
    }
    return windows;
  }
  // The position in x of place k of window t, or -1.
  std::int64_t source(std::int64_t t, std::int64_t k, PadMode mode = PadMode::zeros) const {
    const std::int64_t at = t * stride + k * dilation - before, last = length - 1;
    if (at >= 0 && at < length) return at;
    if (mode == PadMode::zeros) return -1;
    if (mode == PadMode::reflect) return at < 0 ? -at : 2 * last - at;
    if (mode == PadMode::replicate) return at < 0 ? 0 : last;
    return (at + length) % length;
  }
};

// x as (batch * channels, height, width), and the result's shape.
struct Images {
  std::int64_t batch, channels, height, width;
  explicit Images(const Shape& shape)
      : batch(shape.dim() == 4 ? shape[0] : 1),
        channels(shape[shape.dim() - 3]),
        height(shape[shape.dim() - 2]),
        width(shape.back()) {}
};
Shape result_shape(const Shape& x, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return x.dim() == 4 ? Shape{x[0], channels, height, width} : Shape{channels, height, width};
}

Plain convolved(const Plains& x, const Attributes& a, const Plain* bias) {
  const Images in(x[0].shape);
  const Plain& weight = x[1];
  const std::int64_t out = weight.shape[0], per_group = weight.shape[1];
  const Direction rows(in.height, weight.shape[2], a.shape, 0);
  const Direction columns(in.width, weight.shape[3], a.shape, 1);
  const std::int64_t height = rows.count(), width = columns.count();
  const auto mode = static_cast<PadMode>(static_cast<int>(a.p));
  Plain y = filled(result_shape(x[0].shape, out, height, width), x[0].dtype);
  for (std::int64_t at = 0; at < y.numel(); ++at) {
    const std::int64_t u = at % width, t = at / width % height, o = at / width / height % out;
    const std::int64_t n = at / width / height / out, first = o / (out / a.l) * per_group;
    double total = bias != nullptr ? (*bias)[o] : 0;
    for (std::int64_t k = 0; k < per_group * rows.kernel * columns.kernel; ++k) {
      const std::int64_t j = k % columns.kernel, i = k / columns.kernel % rows.kernel;
      const std::int64_t c = first + k / columns.kernel / rows.kernel;
      const std::int64_t row = rows.source(t, i, mode), column = columns.source(u, j, mode);
      if (row < 0 || column < 0) continue;
      total += weight[o * per_group * rows.kernel * columns.kernel + k] *
               x[0][((n * in.channels + c) * in.height + row) * in.width + column];
    }
    y[at] = total;
  }
  return y;
}

void draw_conv(Draw& d, bool bias) {
  d.require(d.mode() != Mode::large);
  const Images in(d.any(kSmall, 3, 4));
  d.require(in.channels > 0 && in.height > 0 && in.width > 0);
  d.a.l = in.channels % 2 == 0 && d.random.chance(0.3) ? 2 : 1;
  d.a.p = static_cast<double>(d.random.chance(0.3) ? d.random.integer(1, 3) : 0);
  d.a.shape = {d.random.integer(1, 3), d.random.integer(1, 3), d.random.integer(0, 2),
               d.random.integer(0, 2), d.random.integer(1, 2), d.random.integer(1, 2)};
  if (d.random.chance(0.2)) d.a.shape = {1, 1, same_padding, same_padding, 1, d.a.shape[5]};
  const std::int64_t kernel[] = {d.random.integer(1, 3), d.random.integer(1, 4)};
  for (const int direction : {0, 1}) {
    const Direction each(direction == 0 ? in.height : in.width, kernel[direction], d.a.shape,
                         direction);
    d.require(each.room() >= 0);
    if (d.a.p != 0) d.require(each.after < each.length);
  }
  const std::int64_t out = d.a.l * d.random.integer(1, 3);
  d.of({out, in.channels / d.a.l, kernel[0], kernel[1]}, kSmall);
  if (bias) d.of(out);
}

// The kernel is a.i x a.j; ceil_mode is a.flag, count_include_pad a.flag2; a.k is the divisor that
// overrides, or 0.
void draw_pool(Draw& d, bool dilated) {
  d.require(d.mode() != Mode::large);
  const Images in(d.any(kDistinct, 3, 4));
  d.require(in.channels > 0 && in.height > 0 && in.width > 0);
  d.a.i = d.random.integer(1, 3);
  d.a.j = d.random.integer(1, 4);
  d.a.k = !dilated && d.random.chance(0.2) ? d.random.integer(1, 7) : 0;
  const std::int64_t most = dilated ? 2 : 1;
  d.a.shape = {d.random.integer(1, 3),         d.random.integer(1, 4),
               d.random.integer(0, d.a.i / 2), d.random.integer(0, d.a.j / 2),
               d.random.integer(1, most),      d.random.integer(1, most)};
  d.a.flag = d.random.chance(0.3);
  d.a.flag2 = d.random.chance(0.5);
  d.require(Direction(in.height, d.a.i, d.a.shape, 0).room() >= 0 &&
            Direction(in.width, d.a.j, d.a.shape, 1).room() >= 0);
}

// Calls f(y's element, elements of the window that are inside, how many count) for each window.
template <class Function>
Plain over_windows(const Plain& x, const Attributes& a, const Function& f) {
  const Images in(x.shape);
  const Direction rows(in.height, a.i, a.shape, 0), columns(in.width, a.j, a.shape, 1);
  const std::int64_t height = rows.count(a.flag), width = columns.count(a.flag);
  Plain y = filled(result_shape(x.shape, in.channels, height, width), x.dtype);
  for (std::int64_t at = 0; at < y.numel(); ++at) {
    const std::int64_t u = at % width, t = at / width % height, image = at / width / height;
    std::vector<double> inside;
    std::int64_t counted = 0;
    for (std::int64_t k = 0; k < a.i * a.j; ++k) {
      const std::int64_t i = k / a.j, j = k % a.j;
      // The divisor counts padding, but nothing behind it.
      counted += t * rows.stride + i < in.height + 2 * rows.before &&
                 u * columns.stride + j < in.width + 2 * columns.before;
      const std::int64_t row = rows.source(t, i), column = columns.source(u, j);
      if (row < 0 || column < 0) continue;
      inside.push_back(x[(image * in.height + row) * in.width + column]);
    }
    y[at] = f(inside, counted);
  }
  return y;
}

Plain largest(const Plain& x, const Attributes& a) {
  return over_windows(x, a, [](const std::vector<double>& inside, std::int64_t) {
    double most = -std::numeric_limits<double>::infinity();
    for (const double each : inside) {
      most = std::isnan(each) || std::isnan(most) ? std::nan("") : std::max(most, each);
    }
    return most;
  });
}

Plain averages(const Plain& x, const Attributes& a) {
  return over_windows(x, a, [&](const std::vector<double>& inside, std::int64_t counted) {
    double total = 0;
    for (const double each : inside) total += each;
    const auto own = static_cast<std::int64_t>(inside.size());
    return total / static_cast<double>(a.k > 0 ? a.k : a.flag2 ? counted : own);
  });
}

Plain adaptive(const Plain& x, const Attributes& a) {
  const Images in(x.shape);
  return made(result_shape(x.shape, in.channels, a.i, a.j), x.dtype, [&](const Shape& index) {
    const std::int64_t t = index[index.dim() - 2], u = index.back();
    Shape from = index;
    double total = 0, count = 0;
    for (std::int64_t r = t * in.height / a.i; r * a.i < (t + 1) * in.height; ++r) {
      for (std::int64_t c = u * in.width / a.j; c * a.j < (u + 1) * in.width; ++c, ++count) {
        from[from.dim() - 2] = r;
        from[from.dim() - 1] = c;
        total += x[position_of(x.shape, from)];
      }
    }
    return total / count;
  });
}

ConvOptions2d conv_options(const Attributes& a) {
  return {.stride = {a.shape[0], a.shape[1]},
          .padding = {a.shape[2], a.shape[3]},
          .dilation = {a.shape[4], a.shape[5]},
          .groups = a.l,
          .padding_mode = static_cast<PadMode>(static_cast<int>(a.p))};
}
constexpr const char* kConvText =
    ", {.stride = {a.shape[0], a.shape[1]}, .padding = {a.shape[2], a.shape[3]}, .dilation = "
    "{a.shape[4], a.shape[5]}, .groups = a.l, .padding_mode = "
    "static_cast<PadMode>(int(a.p))})";

}  // namespace

std::vector<Operation> image_rows() {
  return {
      {"conv2d", TAPES_FUNCTION(conv2d(x[0], x[1], x[2], conv_options(a))),
       std::string("conv2d(x[0], x[1], x[2]") + kConvText, [](Draw& d) { draw_conv(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {convolved(x, a, &x[2])}; },
       kFinite},
      {"conv2d without bias", TAPES_FUNCTION(conv2d(x[0], x[1], {}, conv_options(a))),
       std::string("conv2d(x[0], x[1], {}") + kConvText, [](Draw& d) { draw_conv(d, false); },
       [](const Plains& x, const Attributes& a) -> Plains { return {convolved(x, a, nullptr)}; },
       kFinite},
      {"max_pool2d",
       CALL(max_pool2d(x[0], {a.i, a.j},
                       {.stride = Size2d{a.shape[0], a.shape[1]},
                        .padding = {a.shape[2], a.shape[3]},
                        .dilation = {a.shape[4], a.shape[5]},
                        .ceil_mode = a.flag})),
       [](Draw& d) { draw_pool(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {largest(x[0], a)}; }, kLargest},
      {"max_pool2d_with_indices",
       CALL(max_pool2d_with_indices(x[0], {a.i, a.j},
                                    {.stride = Size2d{a.shape[0], a.shape[1]},
                                     .padding = {a.shape[2], a.shape[3]},
                                     .dilation = {a.shape[4], a.shape[5]},
                                     .ceil_mode = a.flag})
                .values),
       [](Draw& d) { draw_pool(d, true); },
       [](const Plains& x, const Attributes& a) -> Plains { return {largest(x[0], a)}; }, kLargest},
      {"avg_pool2d",
       CALL(avg_pool2d(
           x[0], {a.i, a.j},
           {.stride = Size2d{a.shape[0], a.shape[1]},
            .padding = {a.shape[2], a.shape[3]},
            .ceil_mode = a.flag,
            .count_include_pad = a.flag2,
            .divisor_override = a.k > 0 ? std::optional<std::int64_t>(a.k) : std::nullopt})),
       [](Draw& d) { draw_pool(d, false); },
       [](const Plains& x, const Attributes& a) -> Plains { return {averages(x[0], a)}; }, kFinite},
      {"adaptive_avg_pool2d", CALL(adaptive_avg_pool2d(x[0], {a.i, a.j})),
       [](Draw& d) {
         d.require(d.mode() != Mode::large);
         const Images in(d.any(kSmall, 3, 4));
         d.require(in.height > 0 && in.width > 0);
         d.a.i = d.random.integer(1, 4);
         d.a.j = d.random.integer(1, 4);
       },
       [](const Plains& x, const Attributes& a) -> Plains { return {adaptive(x[0], a)}; }, kFinite},
  };
}

}  // namespace tapegrad::tapes
