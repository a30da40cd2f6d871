// "Read next: PATH." in the opening comments forms paths through the sources: one through the core
// of autograd and one through each folder. Every public header is on the path of its folder. The
// last file of a folder may point to the first file of another one. The path of an example begins
// at its main.cc and has all its files, whose names are relative to the file that points to them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catch.h"

namespace {

namespace fs = std::filesystem;

struct File {
  std::string folder;
  std::string next;  // empty at the end of a path
  bool is_public = false;
};

// The opening comment as one line.
std::string opening_comment(const fs::path& path) {
  std::ifstream file(path);
  std::string text;
  for (std::string line; std::getline(file, line) && line.rfind("//", 0) == 0;) {
    text += line.substr(2);
  }
  return text;
}

std::string next_of(const std::string& comment) {
  static const std::string kMark = "Read next: ";
  const std::size_t begin = comment.find(kMark);
  if (begin == std::string::npos) return "";
  const std::string rest = comment.substr(begin + kMark.size());
  return rest.substr(0, rest.find_first_of(" ,;"));
}

std::map<std::string, File> all_files() {
  std::map<std::string, File> files;
  const fs::path root = TAPEGRAD_SOURCE_DIR;
  for (const char* layer : {"tensor", "autograd", "nn", "optim", "distributed"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / layer)) {
      const fs::path& path = entry.path();
      const std::string extension = path.extension().string();
      if (extension != ".h" && extension != ".cc" && extension != ".inl") continue;
      const fs::path relative = fs::relative(path, root);
      const std::string comment = opening_comment(path);
      File& file = files[relative.string()];
      file.folder = relative.parent_path().string();
      file.next = next_of(comment);
      if (!file.next.empty() && file.next.back() == '.') file.next.pop_back();
      file.is_public = extension == ".h" && file.folder != "tensor/kernels" &&
                       comment.find(" Internal.") == std::string::npos &&
                       comment.find(" Internal:") == std::string::npos;
    }
  }
  return files;
}

}  // namespace

TEST_CASE("every folder has one path, and every public header is on it", "[docs]") {
  const std::map<std::string, File> files = all_files();
  std::map<std::string, std::vector<std::string>> folders;
  std::map<std::string, std::vector<std::string>>
      before;  // the files of the same folder that point here
  for (const auto& [name, file] : files) {
    folders[file.folder].push_back(name);
    if (file.next.empty()) continue;
    INFO(name << " points to " << file.next);
    REQUIRE(files.count(file.next) == 1);
    if (files.at(file.next).folder == file.folder) before[file.next].push_back(name);
  }
  REQUIRE(folders.size() > 10);
  std::map<std::string, std::string> first_of;  // by folder
  for (const auto& [folder, names] : folders) {
    INFO("folder " << folder);
    std::vector<std::string> starts;
    for (const std::string& name : names) {
      INFO(name);
      CHECK(before[name].size() <= 1);
      const File& file = files.at(name);
      const bool on_path =
          !before[name].empty() || (!file.next.empty() && files.at(file.next).folder == folder);
      if (before[name].empty() && on_path) starts.push_back(name);
      if (file.is_public && names.size() > 1) CHECK(on_path);
    }
    CAPTURE(starts);
    REQUIRE(starts.size() == 1);
    first_of[folder] = starts.front();
  }
  // A path ends in its folder or continues with the first file of another one, and there are no
  // loops, also not across folders.
  for (const auto& [folder, first] : first_of) {
    std::set<std::string> seen;
    std::string at = first;
    while (!at.empty()) {
      INFO("from " << first << ", at " << at);
      REQUIRE(seen.insert(at).second);
      const std::string next = files.at(at).next;
      if (!next.empty() && files.at(next).folder != files.at(at).folder) {
        CHECK(first_of.at(files.at(next).folder) == next);
      }
      at = next;
    }
  }
}

TEST_CASE("the path from the first file of an example has all its files once", "[docs]") {
  const fs::path root = fs::path(TAPEGRAD_SOURCE_DIR) / "examples";
  int examples = 0;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (!entry.is_directory()) continue;
    const fs::path folder = entry.path();
    std::set<std::string> files;
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
      const std::string extension = file.path().extension().string();
      if (extension == ".h" || extension == ".cc") files.insert(file.path().string());
    }
    if (files.empty()) continue;
    ++examples;
    const fs::path first = folder.filename() == "common"           ? folder / "command_line.h"
                           : folder.filename() == "language_model" ? folder / "model.h"
                                                                   : folder / "main.cc";
    INFO("from " << first);
    REQUIRE(files.count(first.string()) == 1);
    fs::path at = first;
    while (files.count(at.string()) == 1) {
      INFO("at " << at);
      files.erase(at.string());
      std::string next = next_of(opening_comment(at));
      if (next.empty()) break;
      if (next.back() == '.') next.pop_back();
      at = (at.parent_path() / next).lexically_normal();
      INFO("next is " << at);
      REQUIRE(fs::exists(at));
    }
    for (const std::string& file : files) {
      INFO(file << " is not on the path");
      CHECK(false);
    }
  }
  CHECK(examples >= 3);
}
