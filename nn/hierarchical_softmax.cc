// Huffman's tree, and the loss along the path from its root to a class. Read next: nn/init.h.
#include <tapegrad/nn/hierarchical_softmax.h>

#include <algorithm>
#include <numeric>

#include <tapegrad/autograd/ops.h>

namespace tapegrad::nn {

// The tree ----------------------------------------------------------------------------------------

namespace {

void check_counts(const std::vector<std::int64_t>& counts) {
  if (counts.size() < 2) {
    throw ValueError("HierarchicalSoftmax: " + std::to_string(counts.size()) +
                     " classes, needed two or more");
  }
  for (const std::int64_t count : counts) {
    if (count < 0) {
      throw ValueError("HierarchicalSoftmax: count " + std::to_string(count) +
                       ", needed 0 or more");
    }
  }
}

// Two queues, both sorted from rare to frequent: one of the classes, and one of the inner nodes,
// which are created in that order. take() removes the rarest node of the two queues.
class RarestFirst {
 public:
  explicit RarestFirst(const std::vector<std::int64_t>& counts)
      : weights_(counts.begin(), counts.end()), classes_(counts.size()), next_node_(counts.size()) {
    std::iota(classes_.begin(), classes_.end(), std::size_t{0});
    std::ranges::stable_sort(classes_, {}, [&](std::size_t c) { return counts[c]; });
  }

  std::size_t take() {
    if (next_class_ < classes_.size()) {
      const std::size_t c = classes_[next_class_];
      const bool has_node = next_node_ < weights_.size();
      if (!has_node || weights_[c] <= weights_[next_node_]) return ++next_class_, c;
    }
    return next_node_++;
  }
  // Adds an inner node above the two and returns its position.
  std::size_t join(std::size_t left, std::size_t right) {
    weights_.push_back(weights_[left] + weights_[right]);
    return weights_.size() - 1;
  }

 private:
  std::vector<double> weights_;  // of the classes, then of the inner nodes
  std::vector<std::size_t> classes_;
  std::size_t next_class_ = 0;  // in classes_
  std::size_t next_node_;       // in weights_
};

// All nodes in one list: the classes, then the inner nodes in the order of their creation, so that
// the root is the last one.
struct HuffmanTree {
  std::vector<std::size_t> parents;
  std::vector<double> turns;  // from the parent to the node: 1 right, -1 left
};

// Huffman's code (1952): the two rarest nodes become the children of a new one, until one is left.
HuffmanTree huffman_tree(const std::vector<std::int64_t>& counts) {
  const std::size_t total = 2 * counts.size() - 1;
  HuffmanTree tree{std::vector<std::size_t>(total), std::vector<double>(total)};
  RarestFirst queues(counts);
  for (std::size_t nodes = counts.size(); nodes < total; ++nodes) {
    const std::size_t left = queues.take();
    const std::size_t right = queues.take();
    tree.parents[left] = tree.parents[right] = queues.join(left, right);
    tree.turns[left] = -1;
    tree.turns[right] = 1;
  }
  return tree;
}

// The inner nodes from the root to a class, counted from the first inner node, and the turns.
struct Path {
  std::vector<std::int64_t> nodes;
  std::vector<double> turns;
};

Path path_to(std::size_t class_id, const HuffmanTree& tree, std::size_t classes) {
  Path path;
  const std::size_t root = tree.parents.size() - 1;
  for (std::size_t at = class_id; at != root; at = tree.parents[at]) {
    path.nodes.push_back(static_cast<std::int64_t>(tree.parents[at] - classes));
    path.turns.push_back(tree.turns[at]);
  }
  std::ranges::reverse(path.nodes);
  std::ranges::reverse(path.turns);
  return path;
}

}  // namespace

HierarchicalSoftmax::Tree HierarchicalSoftmax::tree_of(const std::vector<std::int64_t>& counts,
                                                       const HierarchicalSoftmaxOptions& options) {
  check_counts(counts);
  const HuffmanTree tree = huffman_tree(counts);
  std::vector<Path> paths;
  std::size_t longest = 0;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    paths.push_back(path_to(c, tree, counts.size()));
    longest = std::max(longest, paths.back().nodes.size());
  }
  const auto root = static_cast<std::int64_t>(counts.size()) - 2;  // among the inner nodes
  std::vector<std::int64_t> nodes;                                 // (classes, longest)
  std::vector<double> turns;
  for (Path& path : paths) {
    path.nodes.resize(longest, root);
    path.turns.resize(longest, 0);
    nodes.insert(nodes.end(), path.nodes.begin(), path.nodes.end());
    turns.insert(turns.end(), path.turns.begin(), path.turns.end());
  }
  const Shape shape = {counts.size(), longest};
  return {reshape(tensor(nodes), shape), reshape(tensor(turns), shape).to(options.dtype),
          options.reduction};
}

// The layer ---------------------------------------------------------------------------------------

HierarchicalSoftmax::HierarchicalSoftmax(const std::vector<std::int64_t>& counts, std::int64_t dim,
                                         HierarchicalSoftmaxOptions options)
    : tree_(tree_of(counts, options)),
      weight(register_parameter("weight", zeros({classes() - 1, dim}, options.dtype))) {}

Variable HierarchicalSoftmax::operator()(const Variable& input, const Tensor& targets) const {
  return hooked([this](const Variable& in, const Tensor& wanted) { return run(in, wanted); }, input,
                targets);
}

Variable HierarchicalSoftmax::run(const Variable& input, const Tensor& targets) const {
  if (input.dim() != 2 || input.size(1) != weight.size(1) ||
      targets.shape() != Shape{input.size(0)}) {
    throw ShapeError("HierarchicalSoftmax: input is " + to_string(input.sizes()) + " and targets " +
                     to_string(targets.sizes()) + ", needed (batch, " +
                     std::to_string(weight.size(1)) + ") and (batch)");
  }
  const Tensor nodes = index_select(tree_->nodes, 0, targets);  // (batch, path)
  const Tensor turns = index_select(tree_->turns, 0, targets).to(input.dtype());
  const Variable rows = embedding(weight, nodes);                         // (batch, path, dim)
  const Variable scores = squeeze(matmul(rows, unsqueeze(input, 2)), 2);  // (batch, path)
  const Variable losses = sum(softplus(scores * Variable(-turns)) * Variable(abs(turns)), 1);
  switch (Reduction::Kind(tree_->reduction)) {
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
  const Variable on_the_path =
      reshape(index_select(scores, 1, flatten(tree_->nodes)), shape);  // (batch, classes, path)
  const Tensor turns = tree_->turns.to(input.dtype());
  return -sum(softplus(on_the_path * Variable(-turns)) * Variable(abs(turns)), 2);
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

void HierarchicalSoftmax::assign_from(const Module& other) {
  Module::assign_from(other);
  *tree_ = *static_cast<const HierarchicalSoftmax&>(other).tree_;
}

}  // namespace tapegrad::nn
