#include "number_types.h"

#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace tfdgan {
namespace {

uint32_t Bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

float FromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

uint16_t ToBfloat16(float x) {
  const uint32_t bits = Bits(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  // Rounding up would carry a NaN into infinity.
  return static_cast<uint16_t>(x != x ? ((bits >> 16) & 0x8000) | 0x7fc0 : rounded);
}

float FromBfloat16(uint16_t bits) { return FromBits(uint32_t{bits} << 16); }

uint16_t ToFloat16(float x) {
  const uint32_t bits = Bits(x), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // NaN
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  if (magnitude < 0x38800000) {  // below the smallest normal: adding 0.5 lets the float unit round to 2^-24
    return static_cast<uint16_t>(sign | (Bits(FromBits(magnitude) + 0.5f) - Bits(0.5f)));
  }
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13));
}

float FromFloat16(uint16_t half) {
  const uint32_t sign = (uint32_t{half} & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 0x3ff;
  if (exponent == 31) return FromBits(sign | 0x7f800000 | (fraction ? fraction << 13 | 0x400000 : 0));
  if (exponent) return FromBits(sign | ((exponent + 112) << 23) | (fraction << 13));
  return std::copysign(static_cast<float>(fraction) * 0x1p-24f, FromBits(sign));
}

#if defined(__x86_64__)
__attribute__((target("avx,f16c"))) void Float16ByHardware(const float* from, uint16_t* to, size_t count) {
  for (size_t i = 0; i + 8 <= count; i += 8) {
    const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
  }
}

__attribute__((target("avx,f16c"))) void FromFloat16ByHardware(const uint16_t* from, float* to, size_t count) {
  for (size_t i = 0; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
  }
}

bool HasHardware() {
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;  // clang 14's __builtin_cpu_supports knows no f16c
    return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
  }();
  return has;
}
#else
void Float16ByHardware(const float*, uint16_t*, size_t) {}
void FromFloat16ByHardware(const uint16_t*, float*, size_t) {}
bool HasHardware() { return false; }
#endif

void ToFloat16(const float* from, uint16_t* to, size_t count) {
  size_t done = 0;
  if (HasHardware()) {
    Float16ByHardware(from, to, count);
    done = count / 8 * 8;
  }
  for (size_t i = done; i < count; ++i) to[i] = ToFloat16(from[i]);
}

void ToFloat16(const double* from, uint16_t* to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] = ToFloat16(static_cast<float>(from[i]));
}

void FromFloat16(const uint16_t* from, float* to, size_t count) {
  size_t done = 0;
  if (HasHardware()) {
    FromFloat16ByHardware(from, to, count);
    done = count / 8 * 8;
  }
  for (size_t i = done; i < count; ++i) to[i] = FromFloat16(from[i]);
}

void FromFloat16(const uint16_t* from, double* to, size_t count) {
  for (size_t i = 0; i < count; ++i) to[i] = FromFloat16(from[i]);
}

}  // namespace

bool IsType(uint8_t code) { return code >= 1 && code <= 5; }

size_t SizeOf(Type type) {
  switch (type) {
    case Type::kFloat64: return 8;
    case Type::kFloat32: return 4;
    case Type::kByte: return 1;
    default: return 2;
  }
}

const char* NameOf(Type type) {
  switch (type) {
    case Type::kFloat32: return "float32";
    case Type::kFloat64: return "float64";
    case Type::kBfloat16: return "bfloat16";
    case Type::kFloat16: return "float16";
    case Type::kByte: return "bytes";
  }
  return "no type";
}

template <typename A>
void Widen(const void* from, Type type, A* to, size_t count) {
  switch (type) {
    case Type::kFloat32:
      for (size_t i = 0; i < count; ++i) to[i] = static_cast<const float*>(from)[i];
      break;
    case Type::kFloat64:
      for (size_t i = 0; i < count; ++i) to[i] = static_cast<A>(static_cast<const double*>(from)[i]);
      break;
    case Type::kBfloat16:
      for (size_t i = 0; i < count; ++i) to[i] = FromBfloat16(static_cast<const uint16_t*>(from)[i]);
      break;
    case Type::kFloat16: FromFloat16(static_cast<const uint16_t*>(from), to, count); break;
    case Type::kByte: break;  // never asked for
  }
}

template <typename A>
void Narrow(const A* from, Type type, void* to, size_t count) {
  switch (type) {
    case Type::kFloat32:
      for (size_t i = 0; i < count; ++i) static_cast<float*>(to)[i] = static_cast<float>(from[i]);
      break;
    case Type::kFloat64:
      for (size_t i = 0; i < count; ++i) static_cast<double*>(to)[i] = from[i];
      break;
    case Type::kBfloat16:
      for (size_t i = 0; i < count; ++i) static_cast<uint16_t*>(to)[i] = ToBfloat16(static_cast<float>(from[i]));
      break;
    case Type::kFloat16: ToFloat16(from, static_cast<uint16_t*>(to), count); break;
    case Type::kByte: break;  // never asked for
  }
}

template void Widen<float>(const void*, Type, float*, size_t);
template void Widen<double>(const void*, Type, double*, size_t);
template void Narrow<float>(const float*, Type, void*, size_t);
template void Narrow<double>(const double*, Type, void*, size_t);

}  // namespace tfdgan
