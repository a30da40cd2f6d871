// 2,000 random programs, and tests of the fuzzer itself: it must find a wrong rule, and have a row
// for every operation. tape_fuzz.cc runs more programs. Read next: states_test.cc.
#include <map>
#include <sstream>
#include <string>

#include <tapegrad/autograd/record.h>

#include "autograd/declarations.h"
#include "catch.h"
#include "sanitized.h"
#include "tapes/fuzz.h"

namespace tapegrad::tapes {
namespace {

// x^3 with a rule that forgets a factor.
Variable wrong_cube(const Variable& x) {
  return record("wrong_cube", x.value() * x.value() * x.value(),
                from(x, [x](const Variable& dy) { return dy * 2.0 * x * x; }));
}

}  // namespace

TEST_CASE("random programs: values, gradients, types, threads", "[tapes]") {
  FuzzOptions options;
#ifdef SANITIZED
  options.programs = 300;
#endif
  const FuzzResult result = fuzz_programs(operations(), options);
  std::ostringstream summary;
  print_summary(result, summary);
  for (const Found& found : result.findings) UNSCOPED_INFO(found.test);
  INFO(summary.str());
  CHECK(result.findings.empty());
  CHECK(result.statistics.programs == static_cast<std::int64_t>(options.programs));
  // Most programs are compared with differences, and few are skipped.
  CHECK(result.statistics.first_order * 5 > result.statistics.programs);
  CHECK(result.statistics.kinks * 20 < result.statistics.programs);
}

TEST_CASE("random programs: every operation has a row", "[tapes]") {
  std::map<std::string, int> rows;
  for (const Operation& row : operations()) ++rows[row.function()];
  for (const auto& declared : {variable_operations(), tensor_operations()}) {
    for (const auto& [name, operation] : declared.operations) {
      if (operation.heading == "Creation") continue;
      INFO(name << " has " << operation.overloads << " overloads and " << rows[name]
                << " rows in tests/tapes/operations/");
      CHECK(rows[name] >= operation.overloads);
    }
  }
}

TEST_CASE("random programs: a wrong rule is found, shrunk and printed", "[tapes]") {
  Table table = operations();
  table.push_back({"wrong_cube",
                   CALL(wrong_cube(x[0])),
                   [](Draw& d) { d.any(kSmall); },
                   [](const Plains& x, const Attributes&) -> Plains {
                     Plain y = x[0];
                     for (double& each : y.x) each = each * each * each;
                     return {y};
                   },
                   {.frequency = 5}});
  FuzzOptions options;
  options.generate.mode = Mode::gradients;
  options.most_findings = 3;
  const FuzzResult result = fuzz_programs(table, options);
  REQUIRE(result.findings.size() == 3);
  for (const Found& found : result.findings) {
    INFO(found.test);
    CHECK(found.finding.kind == "gradient");
    CHECK(found.program.operations() <= 2);
    CHECK(found.program.steps.size() <= 4);
    CHECK(found.test.find("wrong_cube(x") != std::string::npos);
    CHECK(found.test.find("gradcheck(program, leaves") != std::string::npos);
  }
}

}  // namespace tapegrad::tapes
