// The arithmetic of a gossip round on a stretch of numbers.
#ifndef TFDGAN_TRANSPORT_MIXING_H_
#define TFDGAN_TRANSPORT_MIXING_H_

#include <cstddef>
#include <vector>

#include "number_types.h"

namespace tfdgan {

struct Term {
  const void* values;  // Q(x_j), of the wire type
  double weight;       // W_ij
};

// out = x + sum_j W_ij (Q(x_j) - Q(x_i)), terms in the order given, in A (float or double), each operation rounded by
// itself. `own` is Q(x_i), of the wire type. `out` may be `x`, unless `own` is too.
template <typename A>
void Mix(const void* x, Type x_type, const void* own, const std::vector<Term>& terms, Type wire, void* out,
         Type out_type, size_t count);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_MIXING_H_
