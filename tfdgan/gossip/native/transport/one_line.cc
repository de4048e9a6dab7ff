#include "one_line.h"

namespace tfdgan {
namespace {

// Bytes of the character that begins at `at`; 0 if none does that is fit to be shown.
size_t CharacterAt(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  const uint32_t first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  uint32_t code = first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  const bool shortest = length == 2 || code >= (length == 3 ? 0x800u : 0x10000u);
  // C1; what separates lines, has no width or turns the direction of writing.
  const bool control = code < 0xa0 || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
  return shortest && !control && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? length : 0;
}

}  // namespace

std::string OneLine(const std::string& text, size_t most) {
  std::string line;
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterAt(text, at);
    if (line.size() + (length ? length : 1) > most) break;
    length ? line.append(text, at, length) : line.append(1, '?');
    at += length ? length : 1;
  }
  return line;
}

}  // namespace tfdgan
