// A chart of throughput by number of nodes, as SVG. Both axes are logarithmic, to base 2. Read
// next: history.cc.
#pragma once

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace scaling {

struct Curve {
  std::string name, color;
  bool dashed;
  std::vector<std::pair<double, double>> points;  // nodes, throughput relative to one node
};

class Chart {
 public:
  explicit Chart(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {
    if (file_ == nullptr) throw std::runtime_error("cannot write " + path);
  }
  ~Chart() { std::fclose(file_); }
  Chart(const Chart&) = delete;
  Chart& operator=(const Chart&) = delete;

  void draw(const std::string& title, const std::string& subtitle,
            const std::vector<Curve>& curves) {
    std::fprintf(file_,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 500\" "
                 "font-family=\"sans-serif\" font-size=\"13\">\n"
                 "<rect width=\"860\" height=\"500\" fill=\"white\"/>\n");
    text(kLeft, 24, "start", title, "black\" font-size=\"16");
    text(kLeft, 44, "start", subtitle, "#555");
    for (double power = 0; power <= kRight; ++power) {
      line(x(power), y(kBottom), x(power), y(kTop), "#eee");
      text(x(power), y(kBottom) + 18, "middle", number(power), "#555");
    }
    for (double power = kBottom; power <= kTop; ++power) {
      line(x(0), y(power), x(kRight), y(power), power == 0 ? "#999" : "#eee");
      text(x(0) - 8, y(power) + 4, "end", number(power), "#555");
    }
    text(x(kRight / 2), y(kBottom) + 40, "middle", "nodes", "black");
    text(kLeft, 66, "start", "throughput, relative to one node", "black");
    line(x(0), y(0), x(kRight), y(kRight), "#bbb");
    text(x(kRight) + 8, y(kRight) + 4, "start", "ideal", "#888");
    double row = y(kRight) + 40;
    for (const Curve& curve : curves) {
      draw(curve);
      if (curve.dashed) continue;
      std::fprintf(file_, "<rect x=\"%.0f\" y=\"%.0f\" width=\"14\" height=\"4\" fill=\"%s\"/>\n",
                   x(kRight) + 8, row - 6, curve.color.c_str());
      text(x(kRight) + 28, row, "start", curve.name, curve.color);
      row += 22;
    }
    text(x(kRight) + 8, row + 14, "start", "solid: nodes without jitter", "#555");
    text(x(kRight) + 8, row + 34, "start", "dashed: jitter as measured", "#555");
    std::fprintf(file_, "</svg>\n");
  }

 private:
  static constexpr double kLeft = 60, kRight = 8, kBottom = -4, kTop = 8;  // powers of 2, but kLeft
  static double x(double power) { return kLeft + power * 570 / kRight; }
  static double y(double power) { return 450 - (power - kBottom) * 370 / (kTop - kBottom); }
  static std::string number(double power) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", std::exp2(power));
    return digits;
  }

  void line(double x1, double y1, double x2, double y2, const char* color) {
    std::fprintf(file_, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2,
                 color);
  }
  void text(double at_x, double at_y, const char* anchor, const std::string& words,
            const std::string& color) {
    std::fprintf(file_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n",
                 at_x, at_y, anchor, color.c_str(), words.c_str());
  }
  void draw(const Curve& curve) {
    std::fprintf(file_, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s d=\"",
                 curve.color.c_str(), curve.dashed ? " stroke-dasharray=\"3 4\"" : "");
    char command = 'M';
    for (const auto& [nodes, throughput] : curve.points) {
      std::fprintf(file_, "%c%.1f %.1f", command, x(std::log2(nodes)), y(std::log2(throughput)));
      command = 'L';
    }
    std::fprintf(file_, "\"/>\n");
  }

  std::FILE* file_;
};

}  // namespace scaling
