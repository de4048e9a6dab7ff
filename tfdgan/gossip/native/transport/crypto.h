// What the wire needs of a library for cryptography, as C functions, so that the library can be loaded apart.
#ifndef TFDGAN_TRANSPORT_CRYPTO_H_
#define TFDGAN_TRANSPORT_CRYPTO_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace tfdgan {

constexpr size_t kTagBytes = 16;
using Digest = std::array<uint8_t, 32>;  // of SHA-256; and a key of that size

// Functions that can fail return 0 if they do. Those after `hmac` are null where there is no such library: then
// learners still prove themselves, and frames are neither encrypted nor authenticated.
struct Crypto {
  // HMAC-SHA256.
  int (*hmac)(const uint8_t* key, const void* message, size_t count, uint8_t* digest) = nullptr;
  // HKDF-SHA256: 32 bytes from a key, a salt of 64 bytes, and a purpose.
  int (*derive)(const uint8_t* key, const uint8_t* salt, const char* purpose, uint8_t* derived) = nullptr;
  // One direction of a connection, by AES-256-GCM. Null if it fails.
  void* (*open)(const uint8_t* key, int seals) = nullptr;
  void (*close)(void* direction) = nullptr;
  // Seals record `number`: `clear` is authenticated; `pieces` too, and encrypted to `out` unless `out` is null.
  int (*seal)(void* direction, uint64_t number, const iovec* clear, size_t clears, const iovec* pieces, size_t count,
              void* out, uint8_t* tag) = nullptr;
  // The reverse: `sealed` is decrypted to `pieces`, which hold garbage if it fails, as it does after any change. If
  // `sealed` is null, `pieces` are what travelled.
  int (*unseal)(void* direction, uint64_t number, const iovec* clear, size_t clears, const void* sealed,
                const iovec* pieces, size_t count, const uint8_t* tag) = nullptr;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_CRYPTO_H_
