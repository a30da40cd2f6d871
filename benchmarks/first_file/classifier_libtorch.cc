#include <torch/torch.h>

#include <iostream>

struct ClassifierImpl : torch::nn::Module {
  torch::nn::Embedding embedding;
  torch::nn::RNNCell cell;
  torch::nn::Linear head;

  ClassifierImpl(int64_t vocabulary, int64_t dim, int64_t hidden, int64_t classes)
      : embedding(register_module("embedding", torch::nn::Embedding(vocabulary, dim))),
        cell(register_module("cell", torch::nn::RNNCell(dim, hidden))),
        head(register_module("head", torch::nn::Linear(hidden, classes))) {}

  torch::Tensor forward(const torch::Tensor& tokens) {
    torch::Tensor x = embedding(tokens);
    torch::Tensor h = torch::zeros({tokens.size(0), cell->options.hidden_size()});
    for (int64_t t = 0; t < tokens.size(1); ++t) h = cell(x.select(1, t), h);
    return head(h);
  }
};
TORCH_MODULE(Classifier);

int main() {
  Classifier model(1000, 16, 32, 4);
  torch::optim::Adam adam(model->parameters(), torch::optim::AdamOptions(1e-2));
  torch::Tensor tokens = torch::randint(0, 1000, {32, 10}, torch::kInt64);
  torch::Tensor labels = torch::randint(0, 4, {32}, torch::kInt64);
  for (int step = 0; step < 50; ++step) {
    adam.zero_grad();
    torch::Tensor loss = torch::nn::functional::cross_entropy(model(tokens), labels);
    loss.backward();
    adam.step();
    if (step % 10 == 9) std::cout << loss.item<float>() << '\n';
  }
}
