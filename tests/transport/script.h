// Numbers and bytes out of what a fuzzer gives: whatever it gives is a script.
#ifndef TFDGAN_TESTS_SCRIPT_H_
#define TFDGAN_TESTS_SCRIPT_H_

#include <dirent.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace tfdgan {

class Script {
 public:
  Script(const uint8_t* bytes, size_t count) : at_(bytes), end_(bytes + count) {}

  bool IsOver() const { return at_ == end_; }
  uint64_t Number(size_t bytes = 1) {
    uint64_t number = 0;
    bytes = std::min<size_t>(bytes, end_ - at_);
    std::memcpy(&number, at_, bytes);
    at_ += bytes;
    return number;
  }
  // Below `count`.
  int Below(int count) { return static_cast<int>(Number() % count); }
  bool OneIn(int count) { return Number() % count == 1; }
  template <size_t n>
  uint64_t OneOf(const uint64_t (&values)[n]) {
    return values[Number() % n];
  }
  std::string Bytes(size_t most) {
    const size_t count = std::min<size_t>(Number(2) % (most + 1), end_ - at_);
    std::string bytes(reinterpret_cast<const char*>(at_), count);
    at_ += count;
    return bytes;
  }

 private:
  const uint8_t *at_, *const end_;
};

// Of this process.
inline int OpenFiles() {
  DIR* const folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_SCRIPT_H_
