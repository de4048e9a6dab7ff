#include "mixing.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace tfdgan {
namespace {

constexpr size_t kBlock = 512;    // numbers; four such blocks stay in the first-level cache
constexpr size_t kMostFused = 4;  // terms that one pass takes

template <typename A>
constexpr Type kTypeOf = std::is_same<A, float>::value ? Type::kFloat32 : Type::kFloat64;

// The numbers as A: where they are, or widened into `room`.
template <typename A>
const A* As(const void* values, Type type, size_t at, A* room, size_t count) {
  if (type == kTypeOf<A>) return static_cast<const A*>(values) + at;
  Widen(static_cast<const char*>(values) + at * SizeOf(type), type, room, count);
  return room;
}

// Any types, any number of terms.
template <typename A>
void InBlocks(const void* x, Type x_type, const void* own, const std::vector<Term>& terms, Type wire, void* out,
              Type out_type, size_t count) {
  A sum[kBlock], x_room[kBlock], own_room[kBlock], other_room[kBlock];
  for (size_t at = 0; at < count; at += kBlock) {
    const size_t n = std::min(kBlock, count - at);
    const A* const start = As(x, x_type, at, x_room, n);
    std::copy(start, start + n, sum);
    const A* const mine = terms.empty() ? nullptr : As(own, wire, at, own_room, n);
    for (const Term& term : terms) {
      const A weight = static_cast<A>(term.weight);
      const A* const other = As(term.values, wire, at, other_room, n);
      for (size_t i = 0; i < n; ++i) sum[i] += weight * (other[i] - mine[i]);
    }
    Narrow(sum, out_type, static_cast<char*>(out) + at * SizeOf(out_type), n);
  }
}

#define TFDGAN_INLINE inline __attribute__((always_inline))

// A number of the wire as A.
TFDGAN_INLINE float Wide(float x) { return x; }
TFDGAN_INLINE double Wide(double x) { return x; }
TFDGAN_INLINE float Wide(uint16_t bfloat16) {
  const uint32_t bits = uint32_t{bfloat16} << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// The same sums in one pass: every number is read once and written once. `x` is `out` itself if it is null.
template <typename A, typename W, int N>
TFDGAN_INLINE void Fused(const A* x, const W* own, const std::vector<Term>& terms, A* __restrict out, size_t count) {
  A weight[N];
  const W* other[N];
  for (int k = 0; k < N; ++k) {
    weight[k] = static_cast<A>(terms[k].weight);
    other[k] = static_cast<const W*>(terms[k].values);
  }
  const auto mixed = [&](A sum, size_t i) __attribute__((always_inline)) {
    const A mine = Wide(own[i]);
    for (int k = 0; k < N; ++k) sum += weight[k] * (Wide(other[k][i]) - mine);
    return sum;
  };
  if (x) {
    for (size_t i = 0; i < count; ++i) out[i] = mixed(x[i], i);
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = mixed(out[i], i);
  }
}

template <typename A, typename W>
TFDGAN_INLINE void FusedOfAny(const A* x, const W* own, const std::vector<Term>& terms, A* out, size_t count) {
  if (x == out) x = nullptr;
  switch (terms.size()) {
    case 1: return Fused<A, W, 1>(x, own, terms, out, count);
    case 2: return Fused<A, W, 2>(x, own, terms, out, count);
    case 3: return Fused<A, W, 3>(x, own, terms, out, count);
    case kMostFused: return Fused<A, W, kMostFused>(x, own, terms, out, count);
  }
}

#if defined(__x86_64__)
// Eight numbers at a time, and no fused multiply-add, which would round once where others round twice.
template <typename A, typename W>
__attribute__((target("avx2"))) void FusedByAvx2(const A* x, const W* own, const std::vector<Term>& terms, A* out,
                                                 size_t count) {
  FusedOfAny(x, own, terms, out, count);
}

bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}
#endif

template <typename A, typename W>
void InOnePass(const void* x, const void* own, const std::vector<Term>& terms, void* out, size_t count) {
  const A* const from = static_cast<const A*>(x);
  const W* const mine = static_cast<const W*>(own);
  A* const to = static_cast<A*>(out);
#if defined(__x86_64__)
  if (HasAvx2()) return FusedByAvx2(from, mine, terms, to, count);
#endif
  FusedOfAny(from, mine, terms, to, count);
}

}  // namespace

template <typename A>
void Mix(const void* x, Type x_type, const void* own, const std::vector<Term>& terms, Type wire, void* out,
         Type out_type, size_t count) {
  const bool same = x_type == kTypeOf<A> && out_type == kTypeOf<A>;
  if (same && terms.size() >= 1 && terms.size() <= kMostFused) {
    if (wire == kTypeOf<A>) return InOnePass<A, A>(x, own, terms, out, count);
    if (wire == Type::kBfloat16 && std::is_same<A, float>::value) {
      return InOnePass<float, uint16_t>(x, own, terms, out, count);
    }
  }
  InBlocks<A>(x, x_type, own, terms, wire, out, out_type, count);
}

template void Mix<float>(const void*, Type, const void*, const std::vector<Term>&, Type, void*, Type, size_t);
template void Mix<double>(const void*, Type, const void*, const std::vector<Term>&, Type, void*, Type, size_t);

}  // namespace tfdgan
