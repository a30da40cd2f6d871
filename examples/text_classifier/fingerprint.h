// Short numbers that tell whether data has changed. Read next: fingerprint.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace text_classifier {

// A 64-bit hash of everything that is added, in this order. It finds accidents, such as a flipped
// bit or another file, not attacks.
class Fingerprint {
 public:
  void add(std::string_view bytes);  // also the number of bytes, so that `ab` `c` is not `a` `bc`
  void add(std::uint64_t number);
  std::string hex() const;

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace text_classifier
