// What a disk may hold after a power failure. A recorder writes down the calls of a writer; from
// the first k of them it derives all states that the rules of POSIX permit, as ALICE does (Pillai
// et al., OSDI 2014). Read next: tests/nn/files_test.cc.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <tapegrad/tensor/io/file_ops.h>

namespace tapegrad::test {

// The content of each file, by its path below the folder that is watched.
using DiskState = std::map<std::string, std::string>;

inline void put_on_disk(const DiskState& state, const std::string& folder) {
  for (const auto& [path, content] : state) {
    const std::filesystem::path full = std::filesystem::path(folder) / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full, std::ios::binary) << content;
  }
}

// Does and records the calls that change files below a folder. What the folder holds at the start
// is on the disk.
class CrashRecorder : public detail::FileOps {
 public:
  // The calls of fsync that are recorded: without some, it is as if the writer had forgotten them.
  enum class Syncs { all, only_folders, only_files };

  explicit CrashRecorder(const std::string& folder, Syncs syncs = Syncs::all)
      : folder_(folder), syncs_(syncs) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      first_names_[below(entry.path())] = first_contents_.size();
      first_contents_.emplace_back(std::istreambuf_iterator<char>(file),
                                   std::istreambuf_iterator<char>());
    }
    names_ = first_names_;
    files_ = first_contents_.size();
  }

  std::size_t calls() const { return calls_.size(); }

  // The states after the first k calls.
  //
  // - A file holds at least what it held at its last fsync. Of what was written later there may be
  //   nothing, the first half, as many zeros, or all.
  // - A folder names at least what it named at its last fsync. Of the later changes (a file was
  //   created, renamed, or removed) any may be there, and the others not.
  std::set<DiskState> states(std::size_t k) const {
    std::vector<Content> contents;
    for (const std::string& content : first_contents_) contents.push_back({content, ""});
    contents.resize(files_);
    Names durable = first_names_;
    std::vector<Call> changes;
    for (std::size_t i = 0; i < k; ++i) {
      const Call& call = calls_[i];
      switch (call.kind) {
        case Kind::write:
          contents[call.file].later += call.text;
          break;
        case Kind::sync_file:
          contents[call.file].durable += contents[call.file].later;
          contents[call.file].later.clear();
          break;
        case Kind::sync_folder:
          std::erase_if(changes, [&](const Call& change) {
            if (parent(change.path) != call.path) return false;
            apply(change, durable);
            return true;
          });
          break;
        default:
          changes.push_back(call);
      }
    }
    std::set<DiskState> result;
    for (std::size_t subset = 0; subset < std::size_t{1} << changes.size(); ++subset) {
      Names names = durable;
      for (std::size_t i = 0; i < changes.size(); ++i) {
        if ((subset >> i & 1) == 1) apply(changes[i], names);
      }
      add_states(names, contents, {}, result);
    }
    return result;
  }

  int open(const char* path, int flags, mode_t mode) override {
    const int file = detail::FileOps::open(path, flags, mode);
    if (file < 0) return file;
    const std::string name = below(path);
    open_[file] = {name, 0, (flags & O_DIRECTORY) != 0};
    if (open_[file].is_folder || name.starts_with("..")) return file;
    const auto [found, is_new] = names_.emplace(name, files_);
    if (is_new) calls_.push_back({Kind::create, files_++, name, ""});
    open_[file].number = found->second;
    return file;
  }
  ssize_t write(int file, const void* from, std::size_t bytes) override {
    const ssize_t count = detail::FileOps::write(file, from, bytes);
    if (count > 0) {
      calls_.push_back(
          {Kind::write, open_[file].number, "",
           std::string(static_cast<const char*>(from), static_cast<std::size_t>(count))});
    }
    return count;
  }
  int fsync(int file) override {
    const Open& what = open_[file];
    if (what.is_folder && syncs_ != Syncs::only_files) {
      calls_.push_back({Kind::sync_folder, 0, what.name, ""});
    }
    if (!what.is_folder && syncs_ != Syncs::only_folders) {
      calls_.push_back({Kind::sync_file, what.number, "", ""});
    }
    return detail::FileOps::fsync(file);
  }
  int rename(const char* from, const char* to) override {
    const int result = detail::FileOps::rename(from, to);
    if (result == 0) record_change({Kind::rename, names_.at(below(from)), below(to), below(from)});
    return result;
  }
  int unlink(const char* path) override {
    const int result = detail::FileOps::unlink(path);
    if (result == 0) record_change({Kind::unlink, 0, below(path), ""});
    return result;
  }

 private:
  enum class Kind { create, write, sync_file, sync_folder, rename, unlink };
  struct Call {
    Kind kind;
    std::size_t file;  // its number
    std::string path;  // of a file that is created, renamed to or removed, or of a folder
    std::string text;  // what is written, or the old name
  };
  struct Open {
    std::string name{};
    std::size_t number = 0;
    bool is_folder = false;
  };
  struct Content {
    std::string durable{};
    std::string later{};
  };
  using Names = std::map<std::string, std::size_t>;

  std::string below(const std::filesystem::path& path) const {
    const std::string name = path.lexically_relative(folder_).string();
    return name == "." ? "" : name;
  }
  static std::string parent(const std::string& path) {
    return std::filesystem::path(path).parent_path().string();
  }
  void record_change(Call call) {
    apply(call, names_);
    calls_.push_back(std::move(call));
  }
  static void apply(const Call& call, Names& names) {
    if (call.kind == Kind::rename) names.erase(call.text);
    if (call.kind == Kind::unlink) {
      names.erase(call.path);
    } else {
      names[call.path] = call.file;
    }
  }

  // Adds the states for each choice of the contents that are not yet chosen.
  static void add_states(const Names& names, const std::vector<Content>& contents,
                         std::map<std::size_t, std::string> chosen, std::set<DiskState>& result) {
    for (const auto& [name, number] : names) {
      if (chosen.contains(number)) continue;
      const auto& [durable, later] = contents[number];
      std::set<std::string> possible = {durable, durable + later,
                                        durable + later.substr(0, later.size() / 2),
                                        durable + std::string(later.size(), '\0')};
      for (const std::string& content : possible) {
        chosen[number] = content;
        add_states(names, contents, chosen, result);
      }
      return;
    }
    DiskState state;
    for (const auto& [name, number] : names) state[name] = chosen.at(number);
    result.insert(state);
  }

  std::filesystem::path folder_;
  Syncs syncs_;
  Names first_names_;
  std::vector<std::string> first_contents_;
  Names names_;            // now
  std::size_t files_ = 0;  // how many there were, removed ones included
  std::vector<Call> calls_;
  std::map<int, Open> open_;
};

}  // namespace tapegrad::test
