// The loop over seeds, and the comparison of instruction sets. Read next: tape_fuzz.cc.
#include "tapes/fuzz.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <ostream>
#include <stdexcept>

#include "tapes/print.h"
#include "tapes/shrink.h"

namespace tapegrad::tapes {
namespace {

constexpr std::size_t kMostOutcomes = 256;  // elements that are written for a program

Found shrunk(const Program& program, const Finding& finding, const CheckOptions& options) {
  // A smaller program must fail in the same way; a call must throw the same text, because shrinking
  // also builds programs that are not valid.
  const auto fails = [&](const Program& candidate) {
    try {
      Statistics ignored;
      const std::optional<Finding> found = check(candidate, ignored, options);
      return found && found->kind == finding.kind &&
             (finding.kind != "call" || found->text == finding.text);
    } catch (const std::exception&) {
      return false;
    }
  };
  const Program small = fails(program) ? shrink(program, fails) : program;
  Statistics ignored;
  Finding last = finding;
  try {
    if (const auto again = check(small, ignored, options)) last = *again;
  } catch (const std::exception&) {
  }
  return {last, small, as_test(small, last)};
}

// seed, count of exact elements, count, elements.
void write_outcome(std::ostream& out, std::uint64_t seed, const Program& program) {
  if (program.mode == Mode::large) return;
  Outcome outcome;
  try {
    outcome = outcome_of(program);
  } catch (const std::exception&) {
    return;
  }
  const std::uint64_t count = std::min(outcome.elements.size(), kMostOutcomes);
  const std::uint64_t head[] = {seed, std::min<std::uint64_t>(outcome.exact, count), count};
  out.write(reinterpret_cast<const char*>(head), sizeof head);
  out.write(reinterpret_cast<const char*>(outcome.elements.data()),
            static_cast<std::streamsize>(head[2] * sizeof(double)));
}

struct Outcomes {
  std::map<std::uint64_t, Outcome> all;
  explicit Outcomes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error("cannot open " + path);
    std::uint64_t head[3];
    while (in.read(reinterpret_cast<char*>(head), sizeof head)) {
      Outcome& outcome = all[head[0]];
      outcome.exact = head[1];
      outcome.elements.resize(head[2]);
      in.read(reinterpret_cast<char*>(outcome.elements.data()),
              static_cast<std::streamsize>(head[2] * sizeof(double)));
    }
  }
};

}  // namespace

FuzzResult fuzz_programs(const Table& table, const FuzzOptions& options) {
  FuzzResult result;
  result.next_seed = options.seed_from;
  for (std::uint64_t i = 0; i < options.programs; ++i) {
    const std::uint64_t seed = result.next_seed++;
    std::optional<Finding> finding;
    Program program;
    try {
      program = generate(seed, table, options.generate);
      finding = check(program, result.statistics, options.check);
      if (options.outcomes != nullptr && !finding) {
        write_outcome(*options.outcomes, seed, program);
      }
    } catch (const CallFailed& failed) {
      program = failed.program;
      finding = Finding{"call", failed.what()};
    }
    if (finding) {
      result.findings.push_back(shrunk(program, *finding, options.check));
      result.findings.back().program.seed = seed;
      if (options.log != nullptr) *options.log << result.findings.back().test << std::endl;
      if (result.findings.size() >= options.most_findings) break;
    }
    if (options.log != nullptr && (i + 1) % 10000 == 0) {
      *options.log << "// " << i + 1 << " programs, next seed " << result.next_seed << ", "
                   << result.findings.size() << " findings" << std::endl;
    }
  }
  return result;
}

void print_summary(const FuzzResult& result, std::ostream& out) {
  const Statistics& s = result.statistics;
  out << s.programs << " programs, " << s.operations
      << " operations; compared with differences: " << s.first_order << " of first order, "
      << s.second_order << " of second order, " << s.kinks << " skipped at kinks; "
      << result.findings.size() << " findings; next seed " << result.next_seed << '\n';
  for (const auto& [name, count] : s.rows) out << count << '\t' << name << '\n';
}

std::string shown(std::uint64_t seed, const Table& table) {
  const Program program = generate(seed, table);
  return as_test(program, Finding{"gradient", std::string("mode ") + name_of(program.mode)});
}

bool compare_outcomes(const std::string& a, const std::string& b, std::ostream& out) {
  const Outcomes left(a), right(b);
  std::size_t compared = 0, exact = 0, differing = 0, elements = 0;
  double largest = 0;
  for (const auto& [seed, one] : left.all) {
    const auto found = right.all.find(seed);
    if (found == right.all.end()) continue;
    const Outcome& other = found->second;
    ++compared;
    exact += one.exact;
    bool same = one.elements.size() == other.elements.size();
    double scale = 1;
    for (const double x : one.elements) {
      if (std::isfinite(x)) scale = std::max(scale, std::abs(x));
    }
    for (std::size_t i = 0; same && i < one.elements.size(); ++i) {
      const double x = one.elements[i];
      const double y = other.elements[i];
      ++elements;
      if ((std::isnan(x) && std::isnan(y)) || x == y) continue;
      const double distance = std::abs(x - y) / scale;
      largest = std::max(largest, std::isnan(distance) ? 1e300 : distance);
      same = i >= one.exact && distance <= 1e-4;
    }
    if (same) continue;
    ++differing;
    if (differing <= 20) out << "seed " << seed << " differs\n";
  }
  out << compared << " programs compared, " << elements << " elements, " << exact
      << " of them to the bit; the largest difference of others is " << largest
      << " of the largest element; " << differing << " differ\n";
  return differing == 0;
}

}  // namespace tapegrad::tapes
