// Continues a text with tokens that a model finds likely. Read next: sampling.cc.
#pragma once

#include <tapegrad/tensor/random/generator.h>
#include <tapegrad/tensor/tensor.h>

#include <cstdint>
#include <vector>

#include "language_model/model.h"

namespace language_model {

// Draws an id with the probabilities softmax(logits / temperature), logits (vocabulary). A low
// temperature prefers likely tokens, 1 takes the model's own probabilities, and a high one makes
// all tokens equally likely. 0 takes the most likely one. ValueError for a negative temperature and
// for logits that are not finite.
std::int64_t draw_token(const tg::Tensor& logits, double temperature, tg::Generator& generator);

// `length` tokens after those of `prompt`, which has at least one. Does not change the model's
// mode: call model.eval() first.
std::vector<std::int64_t> continue_text(const LanguageModel& model,
                                        const std::vector<std::int64_t>& prompt,
                                        std::int64_t length, double temperature,
                                        tg::Generator& generator);

}  // namespace language_model
