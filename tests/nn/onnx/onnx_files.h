// The ONNX files of a test, and what other programs say of them (golden/check_onnx.py). Read next:
// layers_test.cc.
#pragma once

#include "catch.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <tapegrad/nn/module/module.h>
#include <tapegrad/nn/onnx/graph.h>
#include <tapegrad/tensor/io/file_io.h>
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/random/random.h>

#include "python.h"
#include "tensor/temporary_folder.h"

namespace tapegrad::test {

// The files of a test: <name>.onnx, and <name>.npz with inputs and the outputs of this library.
class OnnxFiles {
 public:
  // Seeds the generator, so that every run writes the same files.
  OnnxFiles() { manual_seed(0); }

  // `arrays` holds the inputs by their names, and the outputs as out.<name>.
  void write(const std::string& name, const nn::OnnxGraph& graph, const StateDict& arrays) {
    graph.save(folder_.file(name + ".onnx"));
    save_npz(folder_.file(name + ".npz"), arrays);
    names_.push_back(name);
  }

  // y = module(x). OpenCV reads only files with all sizes known, and only float32.
  void write_module(const std::string& name, const nn::Module& module, const Tensor& x,
                    const Variable& y) {
    nn::OnnxGraph graph(name);
    nn::OnnxSizes in = sizes_of(x), out = sizes_of(y.value());
    if (x.dtype() == float32) {
      in[0] = x.size(0);
      out[0] = y.size(0);
    }
    graph.output("y", graph.append(module, graph.input("x", x.dtype(), in)), out);
    write(name, graph, {{"x", x}, {"out.y", y.value()}});
  }
  template <class M>
  void write_module(const std::string& name, M module, const Tensor& x) {
    module.eval();
    write_module(name, module, x, module(x));
  }

  // Checks that each file is the one that the evaluators have accepted, byte by byte. Then, if
  // Python has onnx, that all files pass, and that OpenCV, if it is installed, agrees about the
  // given names.
  void check(std::initializer_list<const char*> known_to_opencv) const {
    check_hashes();
    if (!python_has("numpy, onnx")) return;
    const Answer answer = python("check_onnx.py", {folder_.path()});
    {
      INFO(answer.text);
      CHECK(answer.status == 0);
      CHECK(std::ranges::count(answer.text, '\n') == std::ssize(names_));
    }
    const bool runtime = answer.text.find("onnxruntime not installed") == std::string::npos;
    const bool opencv = python_has("cv2");
    std::istringstream lines(answer.text);
    for (std::string line; std::getline(lines, line);) {
      INFO(line);
      const std::string name = line.substr(0, line.find(".onnx: "));
      CHECK(line.find("opset 13, IR 7; ") != std::string::npos);
      // The recurrent networks of onnxruntime support float32 only.
      if (runtime && !name.ends_with("_double")) CHECK(line.ends_with("onnxruntime agrees"));
      if (opencv && std::ranges::find(known_to_opencv, name) != known_to_opencv.end()) {
        CHECK(line.find("OpenCV agrees") != std::string::npos);
      }
    }
  }

 private:
  // tests/golden/onnx.txt holds the name of a file and its hash on each line. TAPEGRAD_ONNX_HASHES
  // names a file to which the hashes are appended instead: write it only where the evaluators run.
  // The order of the nodes in some files depends on the order in which a compiler evaluates
  // arguments, and the hashes are those of g++.
  void check_hashes() const {
#ifdef __clang__
    return;
#endif
    std::set<std::pair<std::string, std::string>> accepted;
    std::ifstream golden(TAPEGRAD_SOURCE_DIR "/tests/golden/onnx.txt");
    for (std::string name, hash; golden >> name >> hash;) accepted.emplace(name, hash);
    const char* const output = std::getenv("TAPEGRAD_ONNX_HASHES");
    for (const std::string& name : names_) {
      const std::string hash = hash_of(read_file(folder_.file(name + ".onnx")));
      INFO(name << ": the file differs from the one that the evaluators accepted");
      if (output == nullptr) {
        CHECK(accepted.contains({name, hash}));
      } else {
        std::ofstream(output, std::ios::app) << name << ' ' << hash << '\n';
      }
    }
  }

  // FNV-1a with 64 bits (Fowler, Noll and Vo).
  static std::string hash_of(const std::string& bytes) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const char byte : bytes) {
      hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
    }
    std::ostringstream text;
    text << std::hex << hash;
    return text.str();
  }

  static nn::OnnxSizes sizes_of(const Tensor& x) {
    nn::OnnxSizes sizes = {"first"};
    for (std::int64_t d = 1; d < x.dim(); ++d) sizes.emplace_back(x.size(d));
    return sizes;
  }

  TemporaryFolder folder_;
  std::vector<std::string> names_;
};

// The module with random parameters instead of initial zeros and ones.
template <class M>
M drawn(const M& module) {
  for (const NamedParameter& each : module.parameters()) {
    Variable parameter = each.variable;
    parameter.set_value(randn(parameter.shape(), parameter.dtype()) * 0.5);
  }
  return module;
}

inline const Tensor kIds = tensor({{1, 4, 2, 0}, {3, 0, 0, 0}, {0, 0, 0, 0}});

}  // namespace tapegrad::test
