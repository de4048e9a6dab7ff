// Numbers and bytes out of what a fuzzer gives: whatever it gives is a script.
#ifndef TFDGAN_TESTS_SCRIPT_H_
#define TFDGAN_TESTS_SCRIPT_H_

#include <dirent.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
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

// Ends the process, which the fuzzer takes for a finding.
inline void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// Of this process.
inline int OpenFiles() {
  DIR* const folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

// Plays a scene to its script's end.
template <typename Scene>
int PlayAll(const uint8_t* bytes, size_t count) {
  const int before = OpenFiles();
  {
    Script script(bytes, count);
    Scene scene(&script);
    while (!script.IsOver()) scene.Play();
  }
  Check(before == OpenFiles(), "files were left open");
  return 0;
}

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_SCRIPT_H_
