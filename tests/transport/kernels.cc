// What the kernels make that use AVX2 and F16C, beside those for any machine: the same bits.
//
// The arithmetic is compiled twice, the second time as for a processor without either. Prints how many results were
// compared; ends with 1 where one differs.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "mixing.cc"
#include "number_types.cc"

#undef __x86_64__
#undef TFDGAN_INLINE
#undef TFDGAN_TRANSPORT_MIXING_H_
#undef TFDGAN_TRANSPORT_NUMBER_TYPES_H_
#define tfdgan of_any_machine
#include "mixing.cc"
#include "number_types.cc"
#undef tfdgan

namespace {

using tfdgan::Type;

constexpr size_t kCount = 1037;  // more than a block, and no multiple of what a register holds

// Numbers of all sizes, and those at the edges of the types.
std::vector<double> Numbers(std::mt19937_64* random) {
  const double tiny = std::numeric_limits<float>::denorm_min(), infinite = std::numeric_limits<double>::infinity();
  std::vector<double> numbers{0, -0., 65504, 65519.99, 65520, -65536, 6e-8, 2.98e-8, tiny, infinite, -infinite, 3.4e38};
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> exponent(-30, 30);
  while (numbers.size() < kCount) numbers.push_back(normal(*random) * std::exp2(exponent(*random)));
  std::shuffle(numbers.begin(), numbers.end(), *random);
  return numbers;
}

std::string Bytes(const std::vector<double>& numbers, Type type) {
  std::string bytes(numbers.size() * tfdgan::SizeOf(type), 0);
  tfdgan::Narrow(numbers.data(), type, bytes.data(), numbers.size());
  return bytes;
}

template <typename A>
int Compare(Type type, Type wire, int terms, std::mt19937_64* random) {
  const std::string x = Bytes(Numbers(random), type), own = Bytes(Numbers(random), wire);
  std::vector<std::string> others;
  for (int k = 0; k < terms; ++k) others.push_back(Bytes(Numbers(random), wire));
  std::vector<tfdgan::Term> one;
  std::vector<of_any_machine::Term> other;
  for (const std::string& values : others) {
    one.push_back({values.data(), 1.0 / (terms + 1)});
    other.push_back({values.data(), 1.0 / (terms + 1)});
  }
  std::string made(x.size(), 1), plain(x.size(), 2);
  tfdgan::Mix<A>(x.data(), type, own.data(), one, wire, made.data(), type, kCount);
  of_any_machine::Mix<A>(x.data(), static_cast<of_any_machine::Type>(type), own.data(), other,
                         static_cast<of_any_machine::Type>(wire), plain.data(),
                         static_cast<of_any_machine::Type>(type), kCount);
  if (made != plain) {
    std::printf("%s by %s, %d terms: they differ\n", tfdgan::NameOf(type), tfdgan::NameOf(wire), terms);
    std::exit(1);
  }
  return 1;
}

}  // namespace

int main() {
  std::mt19937_64 random(0);
  int compared = 0;
  for (Type type : {Type::kFloat32, Type::kFloat64, Type::kBfloat16, Type::kFloat16}) {
    for (Type wire : {type, Type::kBfloat16, Type::kFloat16}) {
      for (int terms = 0; terms <= 6; ++terms) {
        compared += type == Type::kFloat64 ? Compare<double>(type, wire, terms, &random)
                                           : Compare<float>(type, wire, terms, &random);
      }
    }
  }
  std::printf("%d results, the same bits\n", compared);
}
