// The types that travel: floating ones, and rounding between them as TensorFlow's casts do it: to nearest, ties to
// even.
#ifndef TFDGAN_TRANSPORT_NUMBER_TYPES_H_
#define TFDGAN_TRANSPORT_NUMBER_TYPES_H_

#include <cstddef>
#include <cstdint>

namespace tfdgan {

enum class Type : uint8_t {
  kFloat32 = 1,
  kFloat64 = 2,
  kBfloat16 = 3,
  kFloat16 = 4,
  kByte = 5
};  // bytes are no numbers

bool IsType(uint8_t code);
size_t SizeOf(Type type);
const char* NameOf(Type type);

// to[i] = from[i], exactly, for `count` numbers. A is float or double and at least as wide as `type`.
template <typename A>
void Widen(const void* from, Type type, A* to, size_t count);

// to[i] = from[i] rounded to `type`; a double goes to 16 bits by way of float, as in TensorFlow.
template <typename A>
void Narrow(const A* from, Type type, void* to, size_t count);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_NUMBER_TYPES_H_
