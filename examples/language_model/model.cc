// The loss, which is the same for all models. Read next: vocabulary.h.
#include "language_model/model.h"

#include <tapegrad/autograd/ops.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/tensor/ops.h>

namespace language_model {

Loss loss_of(const LanguageModel& model, const tg::Tensor& tokens, Memory& memory) {
  const std::int64_t steps = tokens.size(1) - 1;
  const tg::Variable logits = model.logits(narrow(tokens, 1, 0, steps), memory);
  const std::int64_t places = logits.size(1);
  const tg::Tensor targets = narrow(tokens, 1, steps + 1 - places, places);
  return {tg::nn::cross_entropy(flatten(logits, 0, 1), flatten(targets)), targets.numel()};
}

}  // namespace language_model
