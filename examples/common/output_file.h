// Whether a run will be able to write its result. Read next: output_file.cc.
#pragma once

#include <string>

namespace examples {

// A run of an hour should not end with this error: checks that the file can be created or replaced,
// as far as one can tell before. Throws IoError "PROGRAM: cannot write PATH: REASON".
void check_output_file(const std::string& program, const std::string& path);

}  // namespace examples
