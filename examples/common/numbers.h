// Numbers and texts for output, and times. Read next: numbers.cc.
#pragma once

#include <cstdint>
#include <string>

namespace examples {

// `1,245,000`
std::string grouped(std::int64_t number);

// `fixed(2.5, 3)` is `2.500`
std::string fixed(double number, int decimals);

// The text with a space in place of each line end.
std::string one_line(std::string text);

// Seconds of std::chrono's steady clock since some moment: for differences.
double steady_seconds();

// Seconds of processor time of this process, all threads together.
double processor_seconds();

}  // namespace examples
