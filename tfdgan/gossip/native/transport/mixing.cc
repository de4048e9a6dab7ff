#include "mixing.h"

#include <algorithm>
#include <type_traits>

namespace tfdgan {
namespace {

constexpr size_t kBlock = 512;  // numbers; four such blocks stay in the first-level cache

template <typename A>
constexpr Type kTypeOf = std::is_same<A, float>::value ? Type::kFloat32 : Type::kFloat64;

// The numbers as A: where they are, or widened into `room`.
template <typename A>
const A* As(const void* values, Type type, size_t at, A* room, size_t count) {
  if (type == kTypeOf<A>) return static_cast<const A*>(values) + at;
  Widen(static_cast<const char*>(values) + at * SizeOf(type), type, room, count);
  return room;
}

}  // namespace

template <typename A>
void Mix(const void* x, Type x_type, const void* own, const std::vector<Term>& terms, Type wire, void* out,
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

template void Mix<float>(const void*, Type, const void*, const std::vector<Term>&, Type, void*, Type, size_t);
template void Mix<double>(const void*, Type, const void*, const std::vector<Term>&, Type, void*, Type, size_t);

}  // namespace tfdgan
