// Read next: alias_table.h.
#include "common/output_file.h"

#include <tapegrad/tensor/error.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace examples {

void check_output_file(const std::string& program, const std::string& path) {
  const auto fail = [&](const std::string& reason) {
    throw tapegrad::IoError(program + ": cannot write " + path + ": " + reason);
  };
  std::error_code error;
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  if (!std::filesystem::is_directory(folder, error)) {
    fail("there is no folder " + folder.string());
  }
  if (std::filesystem::is_directory(path, error)) fail(std::strerror(EISDIR));
  if (access(folder.c_str(), W_OK) != 0) fail(std::strerror(errno));
}

}  // namespace examples
