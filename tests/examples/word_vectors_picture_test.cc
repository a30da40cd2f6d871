// Projections with known answers, labels that do not overlap, and the SVG. Read next:
// examples/word_vectors/picture.h.
#include <tapegrad/tensor/ops.h>
#include <tapegrad/tensor/random/random.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "catch.h"
#include "common/alias_table.h"
#include "examples/example_program.h"
#include "word_vectors/labels.h"
#include "word_vectors/projection.h"

using namespace example_test;
using namespace word_vectors;

namespace {

class Session : public ExampleProgram {
 public:
  Session() : ExampleProgram(WORD_VECTORS) {}
};

// `words` words in `groups` groups that are far from each other.
std::string grouped_vectors(int words, int groups) {
  tg::Generator generator(8);
  std::string text;
  for (int i = 0; i < words; ++i) {
    text += "word" + std::to_string(i);
    for (int d = 0; d < 10; ++d) {
      const double center = d == i % groups ? 4 : 0;
      text += " " + std::to_string(center + examples::draw_unit(generator));
    }
    text += "\n";
  }
  return text;
}

struct Label {
  Box box;
  std::string word;
};

// The labels of a picture: `<text x=".." y=".." textLength="..">word</text>`.
std::vector<Label> labels_in(const std::string& svg) {
  std::vector<Label> labels;
  for (std::size_t at = 0; (at = svg.find("<text x=", at)) != std::string::npos; ++at) {
    double x = 0, y = 0, width = 0;
    if (std::sscanf(svg.c_str() + at, "<text x=\"%lf\" y=\"%lf\" textLength=\"%lf\"", &x, &y,
                    &width) != 3) {
      continue;  // the caption
    }
    const std::size_t begin = svg.find('>', at) + 1;
    labels.push_back(
        {{x, y - 9, x + width, y + 3}, svg.substr(begin, svg.find('<', begin) - begin)});
  }
  return labels;
}

}  // namespace

TEST_CASE("pca: the directions of the largest variance") {
  // Spread 10 along (3, 4, 0) / 5, spread 2 along (0, 0, 1), 0.1 along (4, -3, 0) / 5.
  tg::Generator generator(1);
  const tg::Tensor along = tg::randn({200, 3}, tg::float32, generator);
  const tg::Tensor spread = along * tg::tensor({10.0, 2.0, 0.1});
  const tg::Tensor turn = tg::tensor({{0.6, 0.8, 0.0}, {0.0, 0.0, 1.0}, {0.8, -0.6, 0.0}});
  const Pca result = pca(matmul(spread, turn) + 5.0, generator);
  const tg::Tensor centered = spread - mean(spread, {0}, true);
  for (std::int64_t i = 0; i < 2; ++i) {
    const tg::Tensor found = select(result.points, 1, i), wanted = select(centered, 1, i);
    CHECK(std::abs(cosine_similarity(found, wanted, 0).item<float>()) > 0.98F);
    CHECK(norm(found).item<float>() == Approx(norm(wanted).item<float>()).epsilon(0.02));
  }
  CHECK(result.explained > 0.99);
  CHECK(pca(tg::tensor({{1.0}, {2.0}, {4.0}}), generator).points.shape() == tg::Shape{3, 2});
  CHECK(all(isfinite(pca(tg::ones({5, 4}), generator).points)).item<bool>());
}

TEST_CASE("tsne: groups stay together, also with points that are equal") {
  tg::Generator generator(2);
  constexpr std::int64_t kGroups = 4, kPoints = 60;
  const tg::Tensor group = tg::arange(kPoints) % kGroups;
  const tg::Tensor centers = 10.0 * tg::eye(kGroups, 12);
  const tg::Tensor x =
      index_select(centers, 0, group) + tg::randn({kPoints, 12}, tg::float32, generator);
  const tg::Tensor y = tsne(x, 10, generator);
  REQUIRE(y.shape() == tg::Shape{kPoints, 2});
  const tg::Tensor nearest = topk(cdist(y, y), 6, 1, false).indices;  // each, and 5 others
  const tg::Tensor same = eq(index_select(group, 0, reshape(nearest, {-1})),
                             reshape(unsqueeze(group, 1).expand({kPoints, 6}), {-1}));
  CHECK(mean(same.to(tg::float32)).item<float>() > 0.95F);

  for (const tg::Tensor& odd : {tg::ones({9, 3}), tg::zeros({3, 2}), x * 1e4, x * 1e-6}) {
    CHECK(all(isfinite(tsne(odd, 15, generator))).item<bool>());
  }
}

TEST_CASE("place_labels: no label covers another one, a point, or the border") {
  tg::Generator generator(4);
  std::vector<Point> points, sizes;
  for (int i = 0; i < 200; ++i) {
    points.push_back({400 * examples::draw_unit(generator), 300 * examples::draw_unit(generator)});
    sizes.push_back({10 + 50 * examples::draw_unit(generator), 12});
  }
  const LabelsLayout layout{.width = 400, .height = 300};
  const auto places = place_labels(points, sizes, layout);
  REQUIRE(places.size() == 200);
  std::vector<Box> boxes;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    const Box& box = *places[i];
    CHECK(box.right - box.left == Approx(sizes[i].x));
    CHECK(box.bottom - box.top == Approx(12));
    CHECK((box.left >= 0 && box.top >= 0 && box.right <= 400 && box.bottom <= 300));
    for (const Box& other : boxes) CHECK(!box.overlaps(other));
    for (const Point& p : points) CHECK(!box.overlaps({p.x - 2, p.y - 2, p.x + 2, p.y + 2}));
    boxes.push_back(box);
  }
  CHECK(boxes.size() > 60);   // most of the picture is covered by then
  CHECK(boxes.size() < 200);  // there is no room for all
  // A point by itself has its label on its right.
  const auto alone = place_labels({{50, 50}}, {{20, 12}}, {.width = 400, .height = 300});
  REQUIRE(alone[0]);
  CHECK(alone[0]->left > 52);
  CHECK(alone[0]->left < 60);
  CHECK(!place_labels({{5, 5}}, {{200, 12}}, {.width = 100, .height = 100})[0]);
}

TEST_CASE("word_vectors picture: each word once, without overlaps, the same for the same seed") {
  const Session session;
  write_file(session.file("v"), grouped_vectors(120, 5) + "<&> 0 0 0 0 0 0 0 0 0 1\n");
  for (const std::string method : {"pca", "tsne"}) {
    const std::string command = "picture --vectors v --output p.svg --method " + method;
    const Output output = session.run_well(command);
    const std::string svg = read_file(session.file("p.svg"));
    INFO(output.out);
    CHECK(output.out.starts_with("p.svg: 121 words, "));
    const std::vector<Label> labels = labels_in(svg);
    CHECK(labels.size() == 121);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) CHECK(!labels[i].box.overlaps(labels[j].box));
    }
    CHECK(labels.back().word == "&lt;&amp;&gt;");
    session.run_well(command);
    CHECK(read_file(session.file("p.svg")) == svg);
  }
}

TEST_CASE("word_vectors picture: words that are named, and errors") {
  const Session session;
  write_file(session.file("v"), grouped_vectors(20, 5));
  write_file(session.file("list"), "word3\n\n  word4\r\nword5");
  session.run_well("picture --vectors v --output p.svg --words list word1");
  const std::vector<Label> labels = labels_in(read_file(session.file("p.svg")));
  REQUIRE(labels.size() == 4);
  CHECK(labels[0].word == "word1");
  CHECK(labels[3].word == "word5");
  write_file(session.file("list"), "word3\nnone\n");
  session.require_error("picture --vectors v --output q.svg --words list",
                        "list:2: there is no vector of `none`; is its case the same?");
  session.require_error("picture --vectors v --output q.svg word1 word2",
                        "picture: 2 words, needed 3 or more");
  session.require_error("picture --vectors v --output q.svg word1 word2 word1",
                        "picture: `word1` is named twice");
  session.require_error("picture --vectors v --output none/q.svg",
                        "cannot write none/q.svg: there is no folder none");
}
