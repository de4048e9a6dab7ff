// SHA-256 (FIPS 180-4) and HMAC (RFC 2104): enough to prove that a peer knows the job's key.
#ifndef TFDGAN_TRANSPORT_SHA256_H_
#define TFDGAN_TRANSPORT_SHA256_H_

#include <array>
#include <cstdint>
#include <string>

namespace tfdgan {

using Digest = std::array<uint8_t, 32>;

Digest Sha256(const std::string& message);
Digest Hmac(const Digest& key, const std::string& message);

// Compares in a time that does not depend on where the two differ.
bool SameDigest(const Digest& a, const Digest& b);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SHA256_H_
