// The claim: a user's first file compiles in a second or two; the program is small and starts at
// once.
//
// Compiles (-O2), links, strips and runs the programs of first_file/, and the same programs written
// with libtorch: `smallest` computes one gradient, `classifier` trains a recurrent classifier of 30
// lines. Seconds are processor time, of the compiler or of the program; memory is the peak of
// resident memory. The shared libraries are all that the program loads (tapegrad is linked
// statically, as its CMake target asks; libstdc++, libm and libc are shared on both sides).
// Read next: first_file/classifier.cc.
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "measure.h"
#include "process.h"

namespace {

namespace fs = std::filesystem;

double megabytes(const fs::path& file) { return 1e-6 * static_cast<double>(fs::file_size(file)); }

double megabytes_of_shared_libraries(const std::string& program) {
  FILE* const list = popen(("ldd '" + program + "'").c_str(), "r");
  if (list == nullptr) throw std::runtime_error("cannot run ldd");
  double total = 0;
  char line[4096];
  while (std::fgets(line, sizeof line, list) !=
         nullptr) {  // "	libm.so.6 => /lib/libm.so.6 (0x7f...)"
    const std::string text(line);
    const std::size_t begin = text.find('/');
    if (begin != std::string::npos)
      total += megabytes(text.substr(begin, text.rfind(" (") - begin));
  }
  pclose(list);
  return total;
}

// A library, and the options to compile and link with it.
struct Library {
  std::string name;
  std::string suffix;  // of the names of its programs in first_file/
  std::vector<std::string> to_compile;
  std::vector<std::string> to_link;
};

// A program of first_file/ for one of the libraries.
class Program {
 public:
  Program(const Library& library, const std::string& name, const fs::path& folder)
      : library_(library),
        source_(FIRST_FILES "/" + name + library.suffix),
        program_(folder / (name + library.suffix + ".program")) {}

  const std::string& library() const { return library_.name; }

  double compile() const {
    std::vector<std::string> words = {CXX_COMPILER, "-O2", "-c", source_, "-o", program_ + ".o"};
    words.insert(words.end(), library_.to_compile.begin(), library_.to_compile.end());
    return measure::run_program(words).seconds;
  }
  void link() const {
    std::vector<std::string> words = {CXX_COMPILER, program_ + ".o", "-o", program_};
    words.insert(words.end(), library_.to_link.begin(), library_.to_link.end());
    measure::run_program(words);
    measure::run_program({STRIP_PROGRAM, program_});
  }
  measure::Usage run() const { return measure::run_program({program_}); }
  double size() const { return megabytes(program_); }
  double shared_libraries() const { return megabytes_of_shared_libraries(program_); }

 private:
  const Library& library_;
  std::string source_;
  std::string program_;
};

// Adds rows with `figure` of our program and of the peers', measured in turn. Smaller is better.
template <class Figure>
void compare(measure::Report& report, const std::string& row, const char* unit, int rounds,
             const std::vector<Program>& programs, const Figure& figure) {
  std::vector<std::vector<double>> figures(programs.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < programs.size(); ++i) figures[i].push_back(figure(programs[i]));
  }
  const double ours = measure::median(figures[0]);
  if (programs.size() == 1) report.row(row, unit, ours);
  for (std::size_t i = 1; i < programs.size(); ++i) {
    const double peer = measure::median(figures[i]);
    report.row(row, unit, ours, measure::Report::Peer{programs[i].library(), peer, peer / ours});
  }
}

}  // namespace

int main(int argc, char** argv) {
  return measure::run(argc, argv, [](measure::Report& report) {
    std::vector<Library> libraries = {{"tapegrad",
                                       ".cc",
                                       {"-std=c++20", "-I" TAPEGRAD_INCLUDES},
                                       {TAPEGRAD_LIBRARY, "-pthread", "-Wl,--gc-sections"}}};
#ifdef LIBTORCH_INCLUDES
    if (!report.settings().brief) {
      libraries.push_back(
          {"libtorch",
           "_libtorch.cc",
           {"-std=c++17", "-I" LIBTORCH_INCLUDES, "-I" LIBTORCH_INCLUDES "/torch/csrc/api/include"},
           {"-L" LIBTORCH_FOLDER, "-Wl,-rpath," LIBTORCH_FOLDER, "-ltorch", "-ltorch_cpu",
            "-lc10"}});
    } else {
      std::puts("libtorch is left out: it takes too long to compile for a short run");
    }
#else
    std::puts("libtorch is not here: its column stays empty");
#endif
    const measure::TemporaryFolder folder;
    const int slow_rounds = report.settings().brief ? 1 : 3;
    const int quick_rounds = report.settings().brief ? 5 : 21;

    report.begin("A user's first file");
    for (const std::string name : {"smallest", "classifier"}) {
      std::vector<Program> programs;
      for (const Library& library : libraries) programs.emplace_back(library, name, folder.path);
      const auto row = [&](const char* what, const char* unit, int rounds, const auto& figure) {
        compare(report, name + ": " + what, unit, rounds, programs, figure);
      };
      row("compile, -O2", "s", slow_rounds, [](const Program& p) { return p.compile(); });
      for (const Program& program : programs) program.link();
      if (name == "smallest") {
        row("start and end", "ms", quick_rounds,
            [](const Program& p) { return 1e3 * p.run().seconds; });
      }
      row("resident memory", "MB", slow_rounds, [](const Program& p) { return p.run().megabytes; });
      row("stripped program", "MB", 1, [](const Program& p) { return p.size(); });
      row("its shared libraries", "MB", 1, [](const Program& p) { return p.shared_libraries(); });
    }
  });
}
