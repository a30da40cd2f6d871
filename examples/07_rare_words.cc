// Lesson 7: lazy rows. Between two sentences that contain a word, momentum still moves its vector,
// although it has no gradient: with dense gradients, Adam moves every row in every step. tapegrad
// computes the same values at the cost of the rows in the batch; the steps of the other rows stay
// pending until the rows are read. docs/lazy_rows.md shows the picture that `07_rare_words --svg`
// draws.
#include <tapegrad/tapegrad.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <string_view>
#include <vector>

namespace tg = tapegrad;

namespace {

constexpr int kSteps = 120, kGap = 30;  // every 30th sentence contains word 1, all contain word 0

// The value of word 1 after each step, on its way from 0 to 1.
template <class Step>  // step(sentence) takes a training step
std::vector<double> path(const tg::Variable& table, const Step& take_step) {
  std::vector<double> positions = {0};
  for (int step = 0; step < kSteps; ++step) {
    take_step(step % kGap == 0 ? tg::tensor({0, 1}) : tg::tensor({0}));
    positions.push_back(table.value().item<double>({1, 0}));
  }
  return positions;
}

// Computes row-sparse gradients of the loss, the sum of (w - 1)^2 / 2 over the words of a sentence.
void backward(tg::Variable& table, const tg::Tensor& sentence) {
  table.zero_grad();
  ((embedding(table, sentence) - 1).square().sum() / 2).backward();
}

template <class Algorithm>
std::vector<double> trained() {
  tg::Variable table = tg::parameter(tg::zeros({2, 1}, tg::float64));
  Algorithm optimizer({table}, {.lr = 0.02});
  return path(table, [&](const tg::Tensor& sentence) {
    backward(table, sentence);
    optimizer.step();
  });
}

// The same with dense gradients: every step moves every row.
std::vector<double> trained_densely() {
  tg::Variable table = tg::parameter(tg::zeros({2, 1}, tg::float64));
  tg::optim::Adam adam({table}, {.lr = 0.02});
  return path(table, [&](const tg::Tensor& sentence) {
    backward(table, sentence);
    table.set_grad(table.grad());  // grad() is dense: zeros in the other rows
    adam.step();
  });
}

// Draws the three paths as an SVG picture.
void draw(const std::vector<double>& dense, const std::vector<double>& ours,
          const std::vector<double>& sparse) {
  constexpr double kLeft = 60, kTop = 20, kWidth = 560, kHeight = 260, kHighest = 0.5;
  const auto x = [&](std::size_t step) { return kLeft + kWidth * double(step) / kSteps; };
  const auto y = [&](double value) { return kTop + kHeight * (1 - value / kHighest); };
  std::cout << std::fixed << std::setprecision(1)
            << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 330\" "
               "font-family=\"sans-serif\" font-size=\"13\">\n"
               "<rect width=\"640\" height=\"330\" fill=\"#ffffff\"/>\n";
  for (int step = 0; step <= kSteps; step += kGap) {
    const double at = x(static_cast<std::size_t>(step));
    std::cout << "<line x1=\"" << at << "\" y1=\"20\" x2=\"" << at
              << "\" y2=\"280\" stroke=\"#dddddd\"/><text x=\"" << at
              << "\" y=\"298\" text-anchor=\"middle\">" << step << "</text>\n";
  }
  for (int tenth = 0; tenth <= 5; ++tenth) {
    const double at = y(0.1 * tenth);
    std::cout << "<line x1=\"60\" y1=\"" << at << "\" x2=\"620\" y2=\"" << at
              << "\" stroke=\"#eeeeee\"/><text x=\"52\" y=\"" << at + 4
              << "\" text-anchor=\"end\">0." << tenth << "</text>\n";
  }
  const auto line = [&](const std::vector<double>& path, const char* style) {
    std::cout << "<polyline fill=\"none\" " << style << " points=\"";
    for (std::size_t i = 0; i < path.size(); ++i) {
      std::cout << (i == 0 ? "" : " ") << x(i) << ',' << y(path[i]);
    }
    std::cout << "\"/>\n";
  };
  line(dense, "stroke=\"#a6c8ff\" stroke-width=\"8\" stroke-linejoin=\"round\"");
  line(ours, "stroke=\"#0b3d91\" stroke-width=\"2\"");
  line(sparse, "stroke=\"#c1440e\" stroke-width=\"2\"");
  std::cout << "<text x=\"340\" y=\"320\" text-anchor=\"middle\">step; the word is looked up at 0, "
               "30, 60, 90</text>\n"
               "<g><rect x=\"76\" y=\"30\" width=\"344\" height=\"66\" fill=\"#ffffff\" "
               "stroke=\"#dddddd\"/>\n"
               "<line x1=\"86\" y1=\"46\" x2=\"116\" y2=\"46\" stroke=\"#a6c8ff\" "
               "stroke-width=\"8\"/><text x=\"124\" y=\"50\">Adam with dense gradients</text>\n"
               "<line x1=\"86\" y1=\"64\" x2=\"116\" y2=\"64\" stroke=\"#0b3d91\" "
               "stroke-width=\"2\"/><text x=\"124\" y=\"68\">Adam with row-sparse gradients, lazy "
               "rows</text>\n"
               "<line x1=\"86\" y1=\"82\" x2=\"116\" y2=\"82\" stroke=\"#c1440e\" "
               "stroke-width=\"2\"/><text x=\"124\" y=\"86\">SparseAdam</text></g>\n"
               "</svg>\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<double> dense = trained_densely();
  const std::vector<double> ours = trained<tg::optim::Adam>();
  const std::vector<double> sparse = trained<tg::optim::SparseAdam>();
  if (argc > 1 && std::string_view(argv[1]) == "--svg") {
    draw(dense, ours, sparse);
    return 0;
  }
  std::cout << "after step  dense Adam     Adam, lazy  SparseAdam\n" << std::fixed;
  double apart = 0;
  for (std::size_t i = 0; i < dense.size(); ++i) {
    apart = std::max(apart, std::abs(dense[i] - ours[i]));
    if (i % 15 != 0) continue;
    std::cout << std::setw(10) << i << std::setprecision(4) << std::setw(12) << dense[i]
              << std::setw(15) << ours[i] << std::setw(12) << sparse[i] << '\n';
  }
  std::cout << "the first two are never further apart than 1e-12: "
            << (apart < 1e-12 ? "yes" : "no") << "\n\n";

  // Why did word 1 move in a step whose sentence did not contain it?
  tg::Variable table = tg::parameter(tg::zeros({2, 1}, tg::float64));
  tg::optim::AdamW adamw({table}, {.lr = 0.02});
  for (const tg::Tensor& sentence : {tg::tensor({0, 1}), tg::tensor({0})}) {
    backward(table, sentence);
    adamw.step();
  }
  std::cout << "word 1: " << adamw.explain_update(table, 1) << '\n';
  return apart < 1e-12 ? 0 : 1;
}
