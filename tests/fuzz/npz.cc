// Fuzzes load_npz(). The mutator takes the archive apart, changes a member, and writes the archive
// again with right checksums; then it may damage a field of a record. Read next:
// tests/fuzz/word_vectors.cc.
#include <tapegrad/tensor/io/npy.h>
#include <tapegrad/tensor/io/zip.h>
#include <tapegrad/tensor/ops.h>

#include <cstring>

#include "fuzz/memory_files.h"
#include "fuzz/npy_file.h"

namespace tapegrad::test {
namespace {

using Member = std::pair<std::string, std::string>;  // name, bytes

detail::Bytes bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string archive_of(const std::vector<Member>& members, detail::ZipLimits limits = {}) {
  detail::ZipWriter writer(limits);
  for (const auto& [name, bytes] : members) writer.add(name, {bytes_of(bytes)});
  std::string archive;
  for (const detail::Bytes piece : writer.finish()) {
    archive.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  return archive;
}

// Changes a field of a record that begins with PK.
void damage(std::string& archive, Random& random) {
  std::vector<std::size_t> records;
  for (std::size_t at = archive.find("PK"); at != std::string::npos;
       at = archive.find("PK", at + 1))
    records.push_back(at);
  if (records.empty()) return;
  const std::size_t at = random.pick(records) + random.below(60);
  const std::size_t size = std::size_t{1} << random.below(4);
  if (at + size > archive.size()) return;
  std::uint64_t value = 0;
  std::memcpy(&value, archive.data() + at, size);
  switch (random.below(4)) {
    case 0:
      value += random.below(9) - 4;
      break;
    case 1:
      value = 0;
      break;
    case 2:
      value = ~std::uint64_t{0} - random.below(2);
      break;
    default:
      value ^= std::uint64_t{1} << random.below(8 * size);
  }
  std::memcpy(archive.data() + at, &value, size);
}

}  // namespace

void run(const std::string& input) {
  static MemoryFiles files;
  files.clear();
  files["/memory/in"] = input;
  const auto read = attempt(input.size(), [] { return load_npz("/memory/in"); });
  if (!read) return;
  try {
    save_npz("/memory/out", *read);
  } catch (const ValueError&) {  // a name that is not UTF-8 can be read, and not be written
    return;
  }
  const StateDict again = load_npz("/memory/out");
  check(same_bits(*read, again), "the arrays differ after they were saved");
  const std::string bytes = files["/memory/out"];
  save_npz("/memory/out", again);
  check(files["/memory/out"] == bytes, "equal contents give different bytes");
}

std::string mutate(std::string input, Random& random) {
  std::vector<Member> members;
  try {
    for (const detail::ZipMember& member : detail::read_zip(bytes_of(input), "")) {
      members.emplace_back(
          member.name,
          std::string(reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()));
    }
  } catch (const Error&) {
    if (random.one_in(2)) damage(input, random);
    return mutate_bytes(std::move(input), random);
  }
  static constexpr std::string_view kNames[] = {
      "a.npy", ".npy", "a/b.npy", "a", "data.pkl", "\xC3\xA9.npy", "\xFF.npy", "a.npy.npy"};
  if (members.empty() || random.one_in(10)) {
    members.emplace_back(
        random.pick(kNames),
        npy_bytes(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "12"));
  }
  Member& member = members[random.below(members.size())];
  switch (random.below(6)) {
    case 0:
      member.first = random.pick(kNames);
      break;
    case 1:
      members.push_back(Member(member));
      break;
    case 2:
      members.erase(members.begin() + (&member - members.data()));
      break;
    default:
      member.second = mutate_npy(member.second, random);
  }
  detail::ZipLimits limits;
  if (random.one_in(4)) limits = {.bytes = random.below(200), .members = random.below(4)};
  std::string archive = archive_of(members, limits);
  if (random.one_in(3)) damage(archive, random);
  if (random.one_in(20)) archive.insert(0, mutate_bytes("start", random));
  if (random.one_in(20)) archive += mutate_bytes("end", random);
  return archive;
}

std::vector<std::string> good_inputs() {
  MemoryFiles files;
  std::vector<std::string> inputs;
  for (const StateDict& state :
       {StateDict{}, StateDict{{"w", tensor({1.5f})}},
        StateDict{{"a/b", tensor({{1, 2}})}, {"\xC3\xA9", tensor({true})}, {"", zeros({0})}}}) {
    save_npz("/memory/out", state);
    inputs.push_back(files["/memory/out"]);
  }
  const std::string array =
      npy_bytes(1, "{'descr': '>f4', 'fortran_order': True, 'shape': (1, 2), }", "12345678");
  inputs.push_back(archive_of({{"a.npy", array}}, {.bytes = 10, .members = 1}));  // ZIP64
  inputs.push_back(archive_of({{"a.npy", array}, {"b.npy", array}}, {.bytes = 250, .members = 9}));
  return inputs;
}

}  // namespace tapegrad::test
