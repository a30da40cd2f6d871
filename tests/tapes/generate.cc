// Drawing programs. Read next: operations/elementwise.cc.
#include "tapes/generate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tapes/operation.h"

namespace tapegrad::tapes {
namespace {

constexpr std::int64_t kMostElements = 96;         // of a leaf
constexpr std::int64_t kMostElementsLater = 2000;  // of any result
constexpr std::int64_t kLarge = 1 << 17;           // two parts of kElementsPerPart

}  // namespace

Draw::Draw(std::uint64_t seed, Mode mode) : random(seed), program_{seed, mode} {
  real_ =
      mode == Mode::single || (mode != Mode::gradients && random.chance(0.5)) ? float32 : float64;
}

std::int64_t Draw::size() {
  static const std::vector<std::int64_t> sizes = {0, 1, 1, 2, 2, 3, 3, 3, 4, 5, 7, 9};
  return random.one_of(sizes);
}
std::int64_t Draw::size_of_one_or_more() {
  static const std::vector<std::int64_t> sizes = {1, 1, 2, 2, 3, 3, 4, 5, 7};
  return random.one_of(sizes);
}

Shape Draw::shape(std::int64_t least_dims, std::int64_t most_dims) {
  const std::int64_t dims = random.integer(least_dims, most_dims);
  while (true) {
    Shape result;
    // A size of 0 makes all checks trivial, so it is rarer here than in size().
    for (std::int64_t d = 0; d < dims; ++d) {
      result.push_back(random.chance(0.7) ? size_of_one_or_more() : size());
    }
    if (program_.mode == Mode::large && dims > 0) {
      const std::int64_t grown = random.integer(0, dims - 1);
      result[grown] = 1;
      const std::int64_t rest = std::max<std::int64_t>(count_of(result), 1);
      result[grown] = kLarge * random.integer(1, 2) / rest + random.integer(1, 9);
      if (random.chance(0.8)) return result;
      result[grown] = size_of_one_or_more();  // a small one, to broadcast
    }
    if (count_of(result) <= kMostElements) return result;
  }
}

std::int64_t Draw::dim_of(const Shape& shape) {
  if (shape.empty()) return random.integer(-1, 0);
  return random.integer(-shape.dim(), shape.dim() - 1);
}

Shape Draw::dims_of(const Shape& shape, std::int64_t least) {
  Shape dims;
  for (std::int64_t d = 0; d < shape.dim(); ++d) {
    if (random.chance(0.5) || shape.dim() - d <= least - dims.dim()) {
      dims.push_back(random.chance(0.3) ? d - shape.dim() : d);
    }
  }
  if (dims.dim() > 1 && random.chance(0.5)) std::swap(dims[0], dims[dims.dim() - 1]);
  return dims;
}

bool Draw::accepts(DType dtype) const {
  if (type_ && dtype != *type_) return false;
  if (dtype == int64) return operation_->traits.integers;
  if (dtype == boolean) return operation_->traits.booleans;
  return program_.mode == Mode::mixed || dtype == real_;
}

DType Draw::drawn_type() {
  if (program_.mode != Mode::mixed) return real_;
  const std::vector<DType> all = {float32, float64, int64, boolean};
  while (true) {
    const DType dtype = random.one_of(all);
    if (accepts(dtype)) return dtype;
  }
}

bool Draw::fits(const Tensor& value, const Domain& domain) const {
  if (program_.mode == Mode::special) return true;
  std::vector<double> elements = to_vector<double>(value);
  for (const double x : elements) {
    if (!(x >= domain.low && x <= domain.high) || (domain.away && std::abs(x) < 0.1)) return false;
  }
  if (domain.distinct && program_.mode == Mode::gradients) {
    std::ranges::sort(elements);
    for (std::size_t i = 1; i < elements.size(); ++i) {
      if (elements[i] - elements[i - 1] < 1e-3) return false;
    }
  }
  return true;
}

std::vector<double> Draw::elements(std::int64_t count, DType dtype, const Domain& domain) {
  std::vector<double> result(static_cast<std::size_t>(count));
  const double low = std::max(domain.low, -2.0);
  const double high = std::min(domain.high, 2.0);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static const std::vector<double> specials = {std::numeric_limits<double>::quiet_NaN(),
                                               std::numeric_limits<double>::quiet_NaN(),
                                               kInfinity,
                                               -kInfinity,
                                               0.0,
                                               -0.0,
                                               1.0,
                                               -1.0,
                                               100.0,
                                               -100.0};
  const double often = random.real(0, 0.6);
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (dtype == boolean) {
      result[i] = random.chance(0.5) ? 1 : 0;
    } else if (dtype == int64) {
      const auto least = static_cast<std::int64_t>(std::ceil(low));
      do {
        result[i] = static_cast<double>(
            random.integer(least, std::max(least, static_cast<std::int64_t>(high))));
      } while (domain.away && result[i] == 0);
    } else if (program_.mode == Mode::special && random.chance(often)) {
      result[i] = random.one_of(specials);
    } else if (domain.distinct) {
      result[i] = 0;  // below
    } else {
      do {
        result[i] = random.real(low, high);
      } while (domain.away && std::abs(result[i]) < 0.3);
      if (program_.mode != Mode::gradients && random.chance(0.1)) result[i] = std::round(result[i]);
      if (result[i] == 0 && (domain.away || domain.low > 0)) result[i] = 1;
    }
    result[i] = static_cast<double>(static_cast<float>(result[i]));
  }
  if (domain.distinct && is_floating_point(dtype) && program_.mode != Mode::special) {
    // Evenly spaced elements in random order.
    const double spacing = count > 100 ? 0x1p-10 : 0.125;
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = (static_cast<double>(i) - static_cast<double>(count) / 2 + 0.25) * spacing;
      std::swap(result[i],
                result[static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)))]);
    }
  }
  return result;
}

Shape Draw::use(Ref ref) {
  inputs_.push_back(ref);
  const Tensor value = input(inputs_.size() - 1);
  if (!operation_->traits.promotes) type_ = value.dtype();
  return value.shape();
}

Tensor Draw::input(std::size_t i) const {
  return values_[static_cast<std::size_t>(inputs_[i].step)]
                [static_cast<std::size_t>(inputs_[i].output)];
}

Ref Draw::add_leaf(const Shape& shape, DType dtype, std::vector<double> elements) {
  Step step;
  step.shape = shape;
  step.dtype = dtype;
  step.elements = std::move(elements);
  values_.push_back({tensor_of(step)});
  program_.steps.push_back(std::move(step));
  return {static_cast<int>(program_.steps.size()) - 1, 0};
}

Shape Draw::where(const std::function<bool(const Shape&)>& fits_shape,
                  const std::function<Shape()>& shape, const Domain& domain) {
  if (random.chance(0.8)) {
    std::vector<Ref> found;
    for (std::size_t s = 0; s < values_.size(); ++s) {
      for (std::size_t o = 0; o < values_[s].size(); ++o) {
        const Tensor& value = values_[s][o];
        if (!accepts(value.dtype()) || !fits_shape(value.shape()) || !fits(value, domain)) continue;
        if (program_.steps[s].constant) continue;
        const Ref ref{static_cast<int>(s), static_cast<int>(o)};
        // Newer results are chosen more often, so that operations form chains.
        const int times = program_.steps[s].is_leaf() ? 1 : 4;
        found.insert(found.end(), static_cast<std::size_t>(times), ref);
      }
    }
    if (!found.empty()) return use(random.one_of(found));
  }
  const Shape drawn = shape();
  const DType dtype = type_ ? *type_ : drawn_type();
  return use(add_leaf(drawn, dtype, elements(count_of(drawn), dtype, domain)));
}

Shape Draw::any(const Domain& domain, std::int64_t least_dims, std::int64_t most_dims) {
  return where([&](const Shape& s) { return s.dim() >= least_dims && s.dim() <= most_dims; },
               [&] { return shape(least_dims, most_dims); }, domain);
}

Shape Draw::of(const Shape& wanted, const Domain& domain) {
  return where([&](const Shape& s) { return s == wanted; }, [&] { return wanted; }, domain);
}

Shape Draw::broadcast_with(const Shape& shape, const Domain& domain) {
  const auto fits_shape = [&](const Shape& s) {
    for (std::int64_t d = 1; d <= std::min(s.dim(), shape.dim()); ++d) {
      const std::int64_t left = s[s.dim() - d];
      const std::int64_t right = shape[shape.dim() - d];
      if (left != right && left != 1 && right != 1) return false;
    }
    return count_of(common_shape(s, shape)) <=
           std::max(kMostElementsLater / 4, 2 * std::max(count_of(s), count_of(shape)));
  };
  return where(
      fits_shape,
      [&] {
        Shape result;
        const std::int64_t dropped = random.chance(0.3) ? random.integer(0, shape.dim()) : 0;
        for (std::int64_t d = dropped; d < shape.dim(); ++d) {
          const bool stretched = shape[d] == 1 && random.chance(0.5);
          result.push_back(random.chance(0.25) ? 1 : stretched ? size_of_one_or_more() : shape[d]);
        }
        if (dropped == 0 && result.dim() < 4 && random.chance(0.15)) result.insert(0, 2);
        return result;
      },
      domain);
}

void Draw::ids(const Shape& shape, std::int64_t low, std::int64_t high) {
  std::vector<double> elements;
  const std::int64_t count = count_of(shape);
  require(count == 0 || low <= high);
  for (std::int64_t i = 0; i < count; ++i) {
    elements.push_back(static_cast<double>(random.integer(low, high)));
  }
  leaf(shape, int64, std::move(elements));
}

void Draw::mask(const Shape& shape) {
  leaf(shape, boolean, elements(count_of(shape), boolean, kAny));
}

void Draw::leaf(const Shape& shape, DType dtype, std::vector<double> elements) {
  inputs_.push_back(add_leaf(shape, dtype, std::move(elements)));
  program_.steps.back().constant = true;
}

bool Draw::add(const Operation& operation) {
  operation_ = &operation;
  inputs_.clear();
  type_.reset();
  a = {};
  const std::size_t before = program_.steps.size();
  const auto undo = [&] {
    program_.steps.resize(before);
    values_.resize(before);
    return false;
  };
  try {
    operation.draw(*this);
  } catch (const Unfit&) {
    return undo();
  }
  Step step;
  step.operation = &operation;
  step.inputs = inputs_;
  step.a = a;
  Results inputs;
  for (std::size_t i = 0; i < inputs_.size(); ++i) inputs.emplace_back(input(i));
  program_.steps.push_back(step);
  std::vector<Tensor> outputs;
  try {
    for (const Variable& result : operation.call(inputs, a)) outputs.push_back(result.value());
  } catch (const std::exception& error) {
    throw CallFailed(program_, error.what());
  }
  // Too large elements make differences inaccurate.
  for (const Tensor& output : outputs) {
    bool fine = output.numel() <=
                (program_.mode == Mode::large ? std::int64_t{1} << 20 : kMostElementsLater);
    if (program_.mode != Mode::special && fine) {
      for (const double x : to_vector<double>(output)) fine = fine && std::abs(x) < 1e3;
    }
    if (!fine) return undo();
  }
  values_.push_back(std::move(outputs));
  return true;
}

Program generate(std::uint64_t seed, const std::vector<Operation>& table,
                 const GenerateOptions& options) {
  Random random(seed ^ 0x5eed5eed5eedU);
  Mode mode = Mode::gradients;
  if (options.mode) {
    mode = *options.mode;
  } else if (seed % 20 == 7) {
    mode = Mode::large;
  } else {
    const double draw = random.real(0, 1);
    mode = draw < 0.5    ? Mode::gradients
           : draw < 0.65 ? Mode::single
           : draw < 0.8  ? Mode::mixed
                         : Mode::special;
  }
  double total = 0;
  for (const Operation& row : table) total += row.traits.frequency;
  Draw draw(seed, mode);
  const std::int64_t wanted =
      mode == Mode::large ? random.integer(1, 3) : random.integer(1, options.most_operations);
  for (std::int64_t tries = 0; tries < 20 * wanted && draw.program().operations() < wanted;
       ++tries) {
    double at = random.real(0, total);
    const Operation* row = table.data();
    while (row + 1 < table.data() + table.size() && (at -= row->traits.frequency) >= 0) ++row;
    if (mode == Mode::special && !row->traits.special) continue;
    if (row->traits.detached && (mode == Mode::gradients || mode == Mode::single)) continue;
    draw.add(*row);
  }
  return draw.program();
}

}  // namespace tapegrad::tapes
