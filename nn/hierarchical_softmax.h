// HierarchicalSoftmax: predicts one of many words by a path down a binary tree (Morin and Bengio
// 2005). Frequent words are near the root (Huffman's code, as in Mikolov and others 2013). Read
// next: nn/hierarchical_softmax.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tapegrad/nn/losses.h>
#include <tapegrad/nn/module/module.h>

namespace tapegrad::nn {

struct HierarchicalSoftmaxOptions {
  Reduction reduction = Reduction::mean;
  DType dtype = float32;
};

// -log p(class) = -sum over the nodes on the path to the class of log s(+-input . weight[node]),
// where s is the sigmoid, and the sign is + where the path turns right. The cost is proportional to
// the length of the path, about log2(classes), instead of classes; the probabilities of all classes
// sum to 1. weight begins as 0, as in word2vec. Its gradient holds only the rows of nodes that were
// on a path.
class HierarchicalSoftmax : public Module, public Forward<HierarchicalSoftmax> {
 public:
  // counts: how often each class occurs. ValueError for fewer than two classes or negative counts.
  HierarchicalSoftmax(const std::vector<std::int64_t>& counts, std::int64_t dim,
                      HierarchicalSoftmaxOptions options = {});

  // (batch, dim) and int64 (batch) -> the loss.
  Variable operator()(const Variable& input, const Tensor& targets) const;

  // (batch, dim) -> (batch, classes): log p of every class, at the cost of a softmax.
  Variable log_probabilities(const Variable& input) const;

  std::int64_t classes() const { return tree_->nodes.size(0); }
  // The number of turns on the path to the class.
  std::int64_t depth(std::int64_t class_id) const;
  std::string description() const override;
  // Counts every path as if it were as long as the longest.
  std::int64_t mult_adds(const std::vector<Variable>& inputs,
                         const std::vector<Variable>& outputs) const override;

 private:
  Variable run(const Variable& input, const Tensor& targets) const;
  struct Tree {
    Tensor nodes;  // (classes, longest path) int64: the path from the root, padded with the root
    Tensor turns;  // the same in weight's type: 1 right, -1 left, 0 after the end
    Reduction reduction;
  };
  static Tree tree_of(const std::vector<std::int64_t>& counts,
                      const HierarchicalSoftmaxOptions& options);
  Shared<Tree> tree_;

 public:
  Parameter weight;  // (classes - 1, dim): one row for each inner node, the root last

 protected:
  void assign_from(const Module& other) override;
};

}  // namespace tapegrad::nn
