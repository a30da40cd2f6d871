// A language model predicts each token of a text from the tokens before it. Read next: model.cc.
#pragma once

#include <tapegrad/autograd/variable.h>
#include <tapegrad/nn/module/module.h>

#include <cstdint>
#include <vector>

namespace language_model {

namespace tg = tapegrad;

// What a recurrent model keeps of the tokens that it has read, (..., batch, ...) each, without
// history. Empty: it has read none, or it is a model that keeps nothing.
using Memory = std::vector<tg::Tensor>;

class LanguageModel : public tg::nn::Module {
 public:
  // Scores of every token of the vocabulary for the place after a token of `ids`: (batch, steps)
  // int64 -> (batch, places, vocabulary). The places are those after the last tokens: all of them,
  // or fewer if the model needs some tokens before it can predict. A model with a memory continues
  // from it and replaces it; the others see only `ids`.
  virtual tg::Variable logits(const tg::Tensor& ids, Memory& memory) const = 0;

  // The most steps that logits() accepts; 0 for any number.
  virtual std::int64_t window() const = 0;
};

struct Loss {
  tg::Variable mean;  // of -log p of the tokens that were predicted, p by softmax(logits)
  std::int64_t predictions = 0;  // their number
};

// Predicts tokens (batch, length) int64 from those before them in the same row, and from the
// memory, which it replaces.
Loss loss_of(const LanguageModel& model, const tg::Tensor& tokens, Memory& memory);

}  // namespace language_model
