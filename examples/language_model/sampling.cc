// Read next: settings.h.
#include "language_model/sampling.h"

#include <tapegrad/autograd/tape.h>
#include <tapegrad/tensor/error.h>
#include <tapegrad/tensor/ops.h>

#include <algorithm>
#include <string>

#include "common/alias_table.h"

namespace language_model {

std::int64_t draw_token(const tg::Tensor& logits, double temperature, tg::Generator& generator) {
  if (!(temperature >= 0)) {
    throw tg::ValueError("draw_token: temperature " + std::to_string(temperature) +
                         ", needed a number >= 0");
  }
  if (!all(isfinite(logits)).item<bool>()) {
    throw tg::ValueError("draw_token: logits that are not finite; the model is damaged");
  }
  const auto likeliest = argmax(logits).item<std::int64_t>();
  if (temperature == 0) return likeliest;
  // Less the largest one, because a low temperature makes the quotients large.
  const tg::Tensor scores = (logits - max(logits)).to(tg::float64) / temperature;
  const tg::Tensor sums = cumsum(exp(scores), 0);  // not yet divided by their total
  const auto steps = sums.span<double>();
  const double drawn = examples::draw_unit(generator) * steps.back();
  const auto found = std::ranges::upper_bound(steps, drawn);
  return found == steps.end() ? likeliest : found - steps.begin();
}

std::vector<std::int64_t> continue_text(const LanguageModel& model,
                                        const std::vector<std::int64_t>& prompt,
                                        std::int64_t length, double temperature,
                                        tg::Generator& generator) {
  const tg::NoGrad guard;
  std::vector<std::int64_t> text = prompt;
  Memory memory;
  for (std::int64_t i = 0; i < length; ++i) {
    // A model with a memory has read all but the newest token; the others read their window again.
    const std::int64_t all = static_cast<std::int64_t>(text.size());
    const std::int64_t fitting = model.window() == 0 ? all : std::min(all, model.window());
    const std::int64_t unread = memory.empty() ? fitting : 1;
    const std::vector<std::int64_t> ids(text.end() - unread, text.end());
    const tg::Tensor logits = model.logits(reshape(tg::tensor(ids), {1, unread}), memory).value();
    text.push_back(draw_token(select(select(logits, 0, 0), 0, -1), temperature, generator));
  }
  text.erase(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(prompt.size()));
  return text;
}

}  // namespace language_model
