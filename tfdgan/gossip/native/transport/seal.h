// Both directions of one connection, sealed: records that nobody without the key can make, change, repeat or reorder.
#ifndef TFDGAN_TRANSPORT_SEAL_H_
#define TFDGAN_TRANSPORT_SEAL_H_

#include <sys/uio.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "crypto.h"

namespace tfdgan {

enum class Security : uint32_t { kNone = 0, kAuthenticated = 1, kEncrypted = 2 };

// A frame's record: its length (4 bytes, in clear), the frame, a tag. Records of a direction are numbered from 0.
class Seal {
 public:
  Seal() = default;  // of a connection that is not sealed
  // Throws std::runtime_error if the library fails.
  Seal(const Crypto& crypto, bool encrypts, const Digest& outgoing, const Digest& incoming);
  Seal(Seal&& other) noexcept { *this = std::move(other); }
  Seal& operator=(Seal&& other) noexcept;
  ~Seal();

  explicit operator bool() const { return out_ != nullptr; }
  bool encrypts() const { return encrypts_; }
  // The next record of what goes out: `length` and the pieces of a frame. Encrypted to `to` if it encrypts.
  bool Wrap(const uint32_t& length, const std::vector<iovec>& pieces, void* to, uint8_t* tag);
  // The next record of what comes in, decrypted to `pieces` if it encrypts. False if it is not what the peer has sealed.
  bool Unwrap(const uint32_t& length, const void* sealed, const std::vector<iovec>& pieces, const uint8_t* tag);
  // Bytes that went out under this key.
  uint64_t used() const { return bytes_; }

 private:
  const Crypto* crypto_ = nullptr;
  bool encrypts_ = false;
  void *out_ = nullptr, *in_ = nullptr;
  uint64_t sealed_ = 0, unsealed_ = 0;  // records
  uint64_t bytes_ = 0;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SEAL_H_
