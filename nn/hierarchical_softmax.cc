#include <tapegrad/nn/hierarchical_softmax.h>

#include <algorithm>
#include <numeric>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::nn {

// Huffman's code (1952) with two queues: the classes from rare to frequent, and the inner nodes,
// which are made in that order too. Node i is at classes + i.
HierarchicalSoftmax::Tree HierarchicalSoftmax::tree_of(const std::vector<std::int64_t>& counts,
                                                       const HierarchicalSoftmaxOptions& options) {
  const auto classes = static_cast<std::int64_t>(counts.size());
  if (classes < 2) {
    throw ValueError("HierarchicalSoftmax: " + std::to_string(classes) +
                     " classes, needed two or more");
  }
  for (const std::int64_t count : counts) {
    if (count < 0) {
      throw ValueError("HierarchicalSoftmax: count " + std::to_string(count) +
                       ", needed 0 or more");
    }
  }
  std::vector<std::int64_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](std::int64_t c) { return counts[static_cast<std::size_t>(c)]; });
  std::vector<double> weights(counts.begin(), counts.end());
  const std::size_t total = 2 * counts.size() - 1;
  std::vector<std::int64_t> parent(total, -1);
  std::vector<double> turn(total, 0);
  std::size_t next_class = 0;
  std::size_t next_node = counts.size();
  const auto rarest = [&]() -> std::size_t {
    const bool has_node = next_node < weights.size();
    const bool has_class = next_class < order.size();
    if (has_class) {
      const auto c = static_cast<std::size_t>(order[next_class]);
      if (!has_node || weights[c] <= weights[next_node]) return ++next_class, c;
    }
    return next_node++;
  };
  while (weights.size() < total) {
    const std::size_t left = rarest();
    const std::size_t right = rarest();
    parent[left] = parent[right] = static_cast<std::int64_t>(weights.size());
    turn[left] = -1;
    turn[right] = 1;
    weights.push_back(weights[left] + weights[right]);
  }
  const std::int64_t root = classes - 2;  // among the inner nodes
  std::vector<std::vector<std::int64_t>> ways(counts.size());
  std::vector<std::vector<double>> turns(counts.size());
  std::size_t longest = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    for (std::size_t at = c; parent[at] >= 0; at = static_cast<std::size_t>(parent[at])) {
      ways[c].push_back(parent[at] - classes);
      turns[c].push_back(turn[at]);
    }
    std::ranges::reverse(ways[c]);
    std::ranges::reverse(turns[c]);
    longest = std::max(longest, ways[c].size());
  }
  std::vector<std::int64_t> all_ways;
  std::vector<double> all_turns;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    ways[c].resize(longest, root);
    turns[c].resize(longest, 0);
    all_ways.insert(all_ways.end(), ways[c].begin(), ways[c].end());
    all_turns.insert(all_turns.end(), turns[c].begin(), turns[c].end());
  }
  const Shape shape = {classes, longest};
  return {reshape(tensor(all_ways), shape), reshape(tensor(all_turns), shape).to(options.dtype),
          options.reduction};
}

HierarchicalSoftmax::HierarchicalSoftmax(const std::vector<std::int64_t>& counts, std::int64_t dim,
                                         HierarchicalSoftmaxOptions options)
    : tree_(tree_of(counts, options)),
      weight(register_parameter("weight", zeros({classes() - 1, dim}, options.dtype))) {}

Variable HierarchicalSoftmax::operator()(const Variable& input, const Tensor& targets) const {
  return hooked([this](const Variable& in, const Tensor& wanted) { return forward(in, wanted); },
                input, targets);
}

Variable HierarchicalSoftmax::forward(const Variable& input, const Tensor& targets) const {
  if (input.dim() != 2 || input.size(1) != weight.size(1) ||
      targets.shape() != Shape{input.size(0)}) {
    throw ShapeError("HierarchicalSoftmax: input is " + to_string(input.sizes()) + " and targets " +
                     to_string(targets.sizes()) + ", needed (batch, " +
                     std::to_string(weight.size(1)) + ") and (batch)");
  }
  const Tensor nodes = index_select(tree_->nodes, 0, targets);  // (batch, way)
  const Tensor turns = index_select(tree_->turns, 0, targets).to(input.dtype());
  const Variable rows = embedding(weight, nodes);                         // (batch, way, dim)
  const Variable scores = squeeze(matmul(rows, unsqueeze(input, 2)), 2);  // (batch, way)
  const Variable losses = sum(softplus(scores * Variable(-turns)) * Variable(abs(turns)), 1);
  switch (tree_->reduction) {
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
    case Reduction::none:
      break;
  }
  return losses;
}

Variable HierarchicalSoftmax::log_probabilities(const Variable& input) const {
  const Variable scores = linear(input, weight);  // (batch, nodes)
  Shape shape = tree_->nodes.shape();
  shape.insert(0, input.size(0));
  const Variable on_the_way =
      reshape(index_select(scores, 1, flatten(tree_->nodes)), shape);  // (batch, classes, way)
  const Tensor turns = tree_->turns.to(input.dtype());
  return -sum(softplus(on_the_way * Variable(-turns)) * Variable(abs(turns)), 2);
}

std::int64_t HierarchicalSoftmax::depth(std::int64_t class_id) const {
  return sum(select(tree_->turns, 0, class_id) != 0).item<std::int64_t>();
}

std::int64_t HierarchicalSoftmax::mult_adds(const std::vector<Variable>& inputs,
                                            const std::vector<Variable>& /*outputs*/) const {
  return inputs[1].numel() * tree_->nodes.size(1) * weight.size(1);
}

std::string HierarchicalSoftmax::description() const {
  return "HierarchicalSoftmax(" + std::to_string(classes()) + ", " +
         std::to_string(weight.size(1)) + ")";
}

void HierarchicalSoftmax::assign_from(const Module& other) const {
  Module::assign_from(other);
  *tree_ = *static_cast<const HierarchicalSoftmax&>(other).tree_;
}

}  // namespace tapegrad::nn
