// The training loop. Read next: picture.h.
#include "digits/training.h"

#include <tapegrad/nn/data/dataset.h>
#include <tapegrad/nn/data/loader.h>
#include <tapegrad/nn/losses.h>
#include <tapegrad/optim/adam.h>
#include <tapegrad/optim/schedule.h>
#include <tapegrad/tensor/io/safetensors.h>
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>
#include <tapegrad/tensor/threads.h>

#include <iostream>

#include "common/numbers.h"
#include "common/output_file.h"
#include "common/progress.h"
#include "common/stop_signals.h"
#include "digits/lenet.h"
#include "digits/picture.h"
#include "digits/strokes.h"

namespace digits {
namespace {

namespace tg = tapegrad;
namespace nn = tapegrad::nn;
using examples::fixed;

Data drawn(const Settings& settings) {
  tg::Generator generator(static_cast<std::uint64_t>(settings.seed));
  Images train = draw(settings.train, generator);
  return {std::move(train), draw(settings.test, generator)};
}

// The most likely digit of each image, (count) int64.
tg::Tensor predict(const nn::Sequential& model, const tg::Tensor& pixels) {
  constexpr std::int64_t kBatch = 250;
  const tg::NoGrad guard;
  std::vector<tg::Tensor> parts;
  for (std::int64_t i = 0; i < pixels.size(0); i += kBatch) {
    const tg::Tensor some = narrow(pixels, 0, i, std::min(kBatch, pixels.size(0) - i));
    parts.push_back(argmax(model(some).value(), 1));
  }
  return tg::cat(parts, 0);
}

// Percent of the labels that were predicted.
double accuracy(const tg::Tensor& predicted, const tg::Tensor& labels) {
  return 100 * tg::mean((predicted == labels).to(tg::float64)).item<double>();
}

struct Run {
  const Settings& settings;
  Data data;
  nn::Sequential model;
  examples::Progress progress{std::cerr, examples::progress_options_for_stderr()};

  // One pass over the training data; false if a signal stopped it.
  template <class Loader, class Schedule>
  bool epoch(std::int64_t number, Loader& loader, tg::optim::Adam& adam, Schedule& schedule) {
    double total = 0;
    std::int64_t seen = 0;
    for (const auto& [pixels, labels] : loader) {
      if (examples::StopSignals::received() != 0) return false;
      adam.zero_grad();
      const tg::Variable loss = nn::cross_entropy(model(pixels), labels);
      loss.backward();
      adam.step();
      schedule.step();
      total += loss.item<double>() * static_cast<double>(labels.size(0));
      seen += labels.size(0);
      progress.update((number - 1) * data.train.count() + seen);
    }
    progress.clear();
    std::cout << "epoch " << number << "  loss " << fixed(total / static_cast<double>(seen), 4)
              << "  test accuracy "
              << fixed(accuracy(predict(model, data.test.pixels), data.test.labels), 2) << " %"
              << std::endl;
    return true;
  }
};

}  // namespace

int train(const Settings& settings) {
  for (const std::string* path : {&settings.output, &settings.mistakes}) {
    if (!path->empty()) examples::check_output_file("digits", *path);
  }
  tg::set_num_threads(settings.threads);
  const double began = examples::steady_seconds();
  Data data = settings.idx.empty() ? drawn(settings) : read_idx(settings.idx);
  std::cout << examples::grouped(data.train.count()) << " images to learn from, "
            << examples::grouped(data.test.count()) << " to test" << std::endl;
  tg::manual_seed(static_cast<std::uint64_t>(settings.seed));
  Run run{settings, std::move(data), settings.model == Model::lenet ? lenet() : linear()};
  const nn::TensorDataset images(run.data.train.pixels, run.data.train.labels);
  nn::DataLoader loader(images, {.batch_size = settings.batch, .shuffle = true});
  tg::optim::Adam adam(run.model.parameters(), {.lr = settings.lr});
  const std::int64_t batches = (run.data.train.count() + settings.batch - 1) / settings.batch;
  tg::optim::CosineAnnealingLR schedule(adam, settings.epochs * batches);
  const examples::StopSignals signals;
  run.progress.start("training", settings.epochs * run.data.train.count());
  for (std::int64_t i = 1; i <= settings.epochs; ++i) {
    if (!run.epoch(i, loader, adam, schedule)) break;
  }
  run.progress.clear();
  const tg::Tensor predicted = predict(run.model, run.data.test.pixels);
  const std::vector<Mistake> mistakes = mistakes_in(run.data.test, predicted);
  std::cout << mistakes.size() << " mistakes in " << run.data.test.count() << ": "
            << fixed(accuracy(predicted, run.data.test.labels), 2) << " % right, after "
            << fixed(examples::steady_seconds() - began, 1) << " s\n";
  if (settings.mistakes.empty() && !mistakes.empty()) {
    std::cout << '\n' << as_text(run.data.test, mistakes.front());
  }
  if (!settings.mistakes.empty()) write_svg(settings.mistakes, run.data.test, mistakes);
  if (!settings.output.empty()) tg::save(settings.output, run.model.state_dict());
  return examples::StopSignals::received();
}

void write(const Settings& settings, const std::string& folder) {
  write_idx(folder, drawn(settings));
  std::cout << examples::grouped(settings.train) << " + " << examples::grouped(settings.test)
            << " images in " << folder << '\n';
}

}  // namespace digits
