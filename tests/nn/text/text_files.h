// Shared by the tests of texts: temporary files, the text of an error, and the folder of the real
// data. Read next: utf8_test.cc.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <unistd.h>

#include <tapegrad/tensor/error.h>

#include "catch.h"

// A temporary file, which the destructor removes. Its name does not reveal a format.
class TemporaryFile {
 public:
  TemporaryFile() {
    static std::atomic<int> number = 0;
    path_ = (std::filesystem::temp_directory_path() /
             ("tapegrad_text_" + std::to_string(getpid()) + "_" + std::to_string(++number)))
                .string();
  }
  explicit TemporaryFile(std::string_view content) : TemporaryFile() {
    std::ofstream file(path_, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

// The folder TAPEGRAD_DATA, or the default folder beside the project. Without it, a test prints a
// warning and ends.
inline std::optional<std::string> data_folder() {
  const char* chosen = std::getenv("TAPEGRAD_DATA");
  const std::string folder =
      chosen != nullptr ? chosen : std::string(TAPEGRAD_SOURCE_DIR) + "/../shared/data";
  if (std::filesystem::is_directory(folder)) return folder;
  WARN("skipped: no data in " << folder << "; set TAPEGRAD_DATA");
  return std::nullopt;
}
