// What the wire needs of a library for cryptography, as C functions, so that the library can be loaded apart.
#ifndef TFDGAN_TRANSPORT_CRYPTO_H_
#define TFDGAN_TRANSPORT_CRYPTO_H_

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
  // A record is begun, with a number that no other of the direction has and bytes that stay in clear; goes on, to `to`
  // encrypted or decrypted, or only authenticated if that is null; and ends with a tag. What has been opened is not to
  // be believed before `finish` says that the tag is right; sealing, it writes the tag.
  int (*begin)(void* direction, uint64_t number, const void* clear, size_t bytes) = nullptr;
  int (*update)(void* direction, const void* from, void* to, size_t bytes) = nullptr;
  int (*finish)(void* direction, uint8_t* tag) = nullptr;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_CRYPTO_H_
