// Targets, weights and losses for one label and for several. Read next: class_weights.h.
#include "text_classifier/targets.h"

#include <algorithm>
#include <cstddef>

namespace text_classifier {

tg::Tensor targets_of(const Corpus& corpus, const std::vector<std::string>& labels) {
  if (!corpus.multi_label) return tg::tensor(label_ids(corpus, labels));
  const auto sets = label_sets(corpus, labels);
  tg::Tensor targets = tg::zeros({sets.size(), labels.size()});
  const std::span<float> elements = targets.mutable_span<float>();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const std::int64_t label : sets[i]) {
      elements[i * labels.size() + static_cast<std::size_t>(label)] = 1;
    }
  }
  return targets;
}

std::vector<std::int64_t> strata_of(const Corpus& corpus, const std::vector<std::string>& labels) {
  const auto sets = label_sets(corpus, labels);
  std::vector<std::int64_t> counts(labels.size() + 1, 0), strata;
  for (const auto& set : sets) {
    for (const std::int64_t label : set) ++counts[static_cast<std::size_t>(label)];
  }
  for (const auto& set : sets) {
    const auto rarest = std::ranges::min_element(
        set, {}, [&](std::int64_t label) { return counts[static_cast<std::size_t>(label)]; });
    strata.push_back(rarest == set.end() ? std::ssize(labels) : *rarest);
  }
  return strata;
}

tg::Tensor weights_of(const Corpus& corpus, const std::vector<std::string>& labels,
                      const std::vector<double>& class_weights, const std::string& operation) {
  const bool rows_differ =
      std::ranges::any_of(corpus.rows, [](const Row& row) { return row.weight != 1; });
  if (!rows_differ && class_weights.empty()) return {};
  const auto sets = label_sets(corpus, labels);
  const auto of_class = [&](std::int64_t label) {
    return class_weights.empty() ? 1 : class_weights[static_cast<std::size_t>(label)];
  };
  std::vector<double> weights;
  double sum = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const double own = corpus.rows[i].weight;
    weights.push_back(corpus.multi_label ? own : own * of_class(sets[i].front()));
    sum += weights.back();
  }
  if (!(sum > 0)) {
    throw tg::ValueError(operation + ": all " + std::to_string(weights.size()) + " texts of " +
                         corpus.path + " that are learned have the weight 0");
  }
  for (double& weight : weights) weight *= static_cast<double>(weights.size()) / sum;
  const tg::Tensor of_texts = tg::tensor(weights).to(tg::float32);
  if (!corpus.multi_label) return of_texts;
  tg::Tensor all = unsqueeze(of_texts, 1) * tg::ones({sets.size(), labels.size()});
  const std::span<float> elements = all.mutable_span<float>();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const std::int64_t label : sets[i]) {
      elements[i * labels.size() + static_cast<std::size_t>(label)] *=
          static_cast<float>(of_class(label));
    }
  }
  return all;
}

std::vector<double> shares_of(const tg::Tensor& targets, const tg::Tensor& weights,
                              std::int64_t classes) {
  const auto texts = static_cast<std::size_t>(targets.size(0));
  const auto count = static_cast<std::size_t>(classes);
  std::vector<double> with(count, 0), all(count, 0);
  const bool several = is_multi_label(targets);
  const std::vector<double> of_targets =
      several ? tg::to_vector<double>(targets.to(tg::float64)) : std::vector<double>();
  const std::vector<std::int64_t> ids =
      several ? std::vector<std::int64_t>() : tg::to_vector<std::int64_t>(targets);
  const std::vector<double> of_weights =
      weights.defined() ? tg::to_vector<double>(weights.to(tg::float64)) : std::vector<double>();
  for (std::size_t i = 0; i < texts; ++i) {
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t place = several ? i * count + k : i;
      const double weight = of_weights.empty() ? 1 : of_weights[place];
      const bool has_label =
          several ? of_targets[place] > 0 : static_cast<std::size_t>(ids[i]) == k;
      all[k] += weight;
      if (has_label) with[k] += weight;
    }
  }
  for (std::size_t k = 0; k < count; ++k) with[k] = all[k] > 0 ? with[k] / all[k] : 0;
  return with;
}

tg::Variable loss_of(const tg::Variable& logits, const tg::Tensor& targets,
                     const tg::Tensor& weights) {
  using tg::nn::Reduction;
  const auto texts = static_cast<double>(targets.size(0));
  if (is_multi_label(targets)) {
    return tg::nn::binary_cross_entropy_with_logits(
               logits, targets, {.weight = weights, .reduction = Reduction::sum}) /
           texts;
  }
  if (!weights.defined()) return tg::nn::cross_entropy(logits, targets);
  return sum(tg::nn::cross_entropy(logits, targets, {.reduction = Reduction::none}) * weights) /
         texts;
}

std::int64_t count_right(const tg::Tensor& logits, const tg::Tensor& targets) {
  if (!is_multi_label(targets)) return sum(argmax(logits, 1) == targets).item<std::int64_t>();
  return sum(all((logits > 0) == (targets > 0), 1)).item<std::int64_t>();
}

LabeledTexts::Batch LabeledTexts::batch(std::span<const std::int64_t> indices) const {
  auto [ids, lengths, targets] = texts_.batch(indices);
  if (!weights_.defined()) return {ids, lengths, targets, {}};
  return {ids, lengths, targets,
          index_select(weights_, 0,
                       tg::tensor(std::vector<std::int64_t>(indices.begin(), indices.end())))};
}

}  // namespace text_classifier
