// The windows of sequences and images, recorded, and padding. Read next:
// autograd/ops/convolution.cc.
#include <tapegrad/autograd/ops/windows.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <tapegrad/autograd/attributes.h>
#include <tapegrad/autograd/record.h>

namespace tapegrad::detail {
namespace {

Attributes window_attributes(const Windows& windows) {
  return {{"length", windows.length}, {"kernel", windows.kernel}, {"stride", windows.stride},
          {"before", windows.before}, {"after", windows.after},   {"dilation", windows.dilation}};
}

}  // namespace

// y = the windows of x      dx = dy, summed where windows overlap
Variable unfold(const Variable& x, const Windows& windows) {
  describe(
      "unfold", [&] { return window_attributes(windows); }, x);
  return record("unfold", windows_of(x.value(), windows),
                from(x, [windows](const Variable& dy) { return fold(dy, windows); }));
}
Variable fold(const Variable& y, const Windows& windows) {
  describe(
      "fold", [&] { return window_attributes(windows); }, y);
  return record("fold", sum_of_windows(y.value(), windows),
                from(y, [windows](const Variable& dy) { return unfold(dy, windows); }));
}

// Rows first, then the columns of each row, with the channels last.
Variable unfold2d(const Variable& x, const Windows& rows, const Windows& columns) {
  const std::int64_t batch = x.size(0), channels = x.size(1);
  const Variable last = permute(x, {0, 2, 3, 1});  // (batch, height, width, channels)
  const Variable by_row =
      unfold(reshape(last, {batch, rows.length, columns.length * channels}), rows);
  const Variable both = unfold(
      reshape(by_row, {batch * rows.count() * rows.kernel, columns.length, channels}), columns);
  return permute(
      reshape(both, {batch, rows.count(), rows.kernel, columns.count(), columns.kernel, channels}),
      {0, 1, 3, 5, 2, 4});
}
Variable fold2d(const Variable& y, const Windows& rows, const Windows& columns) {
  const std::int64_t batch = y.size(0), channels = y.size(3);
  const Variable both =
      reshape(permute(y, {0, 1, 4, 2, 5, 3}),
              {batch * rows.count() * rows.kernel, columns.count(), columns.kernel, channels});
  const Variable by_row =
      reshape(fold(both, columns), {batch, rows.count(), rows.kernel, columns.length * channels});
  const Variable last = reshape(fold(by_row, rows), {batch, rows.length, columns.length, channels});
  return permute(last, {0, 3, 1, 2});
}

Windows conv_windows(const char* operation, std::int64_t length, std::int64_t kernel,
                     std::int64_t stride, std::int64_t padding, std::int64_t dilation,
                     const Windows::Words& words) {
  Windows windows{length, kernel, stride, padding, padding, dilation};
  if (padding == same_padding) {
    if (stride != 1) {
      throw ValueError(std::string(operation) + ": same_padding with stride " +
                       std::to_string(stride) + ", needed stride 1");
    }
    const std::int64_t total = checked_multiply(dilation, kernel - 1, operation);
    windows.before = total / 2;
    windows.after = total - total / 2;
  }
  windows.check(operation, words);
  return windows;
}

Variable filled(const char* operation, const Variable& x, std::int64_t dim, Windows& windows,
                PadMode mode, const Windows::Words& words) {
  if (mode == PadMode::zeros || windows.padded() == windows.length) return x;
  const std::int64_t length = windows.length;
  const std::int64_t more = std::max(windows.before, windows.after);
  const std::int64_t most = mode == PadMode::reflect    ? length - 1
                            : mode == PadMode::circular ? length
                            : length == 0               ? 0
                                                        : more;
  if (more > most) {
    const bool is_image = std::string_view(words.step) != Windows::Words().step;
    throw ShapeError(std::string(operation) + ": padding of " + std::to_string(more) + " for a " +
                     (is_image ? words.length + std::string(" of ") + std::to_string(length)
                               : "sequence of " + std::to_string(length) + " steps") +
                     ", needed " + std::to_string(std::max<std::int64_t>(most, 0)) +
                     " or less to fill it with the " + (is_image ? "image" : "sequence"));
  }
  std::vector<std::int64_t> steps;  // for each padded position, the step that is copied there
  for (std::int64_t at = -windows.before; at < length + windows.after; ++at) {
    const std::int64_t last = length - 1;
    const std::int64_t mirrored = at < 0 ? -at : at > last ? 2 * last - at : at;
    const std::int64_t nearest = std::clamp<std::int64_t>(at, 0, std::max<std::int64_t>(last, 0));
    steps.push_back(mode == PadMode::reflect     ? mirrored
                    : mode == PadMode::replicate ? nearest
                                                 : (at + length) % length);
  }
  windows = {windows.padded(), windows.kernel, windows.stride, 0, 0, windows.dilation};
  return index_select(x, dim, tensor(steps));
}

}  // namespace tapegrad::detail
