// Both directions of one connection, sealed: records that nobody without the key can make, change, repeat or reorder.
#ifndef TFDGAN_TRANSPORT_SEAL_H_
#define TFDGAN_TRANSPORT_SEAL_H_

#include <cstdint>
#include <utility>

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

  // The next record that goes out, in parts: encrypted to `to`, which is null if it is only authenticated.
  bool BeginOut(const uint32_t& length);
  bool GoOnOut(const void* from, void* to, size_t bytes) { return crypto_->update(out_, from, to, bytes); }
  bool EndOut(uint8_t* tag) { return crypto_->finish(out_, tag); }
  // The next record that comes in. Its parts are not to be believed before EndIn says that the peer has sealed them.
  bool BeginIn(const uint32_t& length) { return crypto_->begin(in_, opened_++, &length, sizeof length); }
  bool GoOnIn(const void* from, void* to, size_t bytes);
  bool EndIn(uint8_t* tag) { return crypto_->finish(in_, tag); }

  // Bytes that went out under this key.
  uint64_t used() const { return used_; }

 private:
  const Crypto* crypto_ = nullptr;
  bool encrypts_ = false;
  void *out_ = nullptr, *in_ = nullptr;
  uint64_t sealed_ = 0, opened_ = 0;  // records
  uint64_t used_ = 0;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SEAL_H_
