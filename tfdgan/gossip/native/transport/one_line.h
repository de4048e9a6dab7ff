// Texts that come from another process, for people to read.
#ifndef TFDGAN_TRANSPORT_ONE_LINE_H_
#define TFDGAN_TRANSPORT_ONE_LINE_H_

#include <cstdint>
#include <string>

namespace tfdgan {

// A text of at most `most` bytes in one line of valid UTF-8: what is neither, is "?"; no character is cut in two.
std::string OneLine(const std::string& text, size_t most = SIZE_MAX);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_ONE_LINE_H_
