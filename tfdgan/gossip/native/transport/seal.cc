#include "seal.h"

#include <stdexcept>

namespace tfdgan {

Seal::Seal(const Crypto& crypto, bool encrypts, const Digest& outgoing, const Digest& incoming)
    : crypto_(&crypto), encrypts_(encrypts) {
  out_ = crypto.open(outgoing.data(), 1);
  in_ = crypto.open(incoming.data(), 0);
  if (!out_ || !in_) throw std::runtime_error("gossip: the library for cryptography does not work");
}

Seal& Seal::operator=(Seal&& other) noexcept {
  std::swap(crypto_, other.crypto_);
  std::swap(encrypts_, other.encrypts_);
  std::swap(out_, other.out_);
  std::swap(in_, other.in_);
  std::swap(sealed_, other.sealed_);
  std::swap(unsealed_, other.unsealed_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Seal::~Seal() {
  if (!crypto_) return;
  if (out_) crypto_->close(out_);
  if (in_) crypto_->close(in_);
}

bool Seal::Wrap(const uint32_t& length, const std::vector<iovec>& pieces, void* to, uint8_t* tag) {
  const iovec clear{const_cast<uint32_t*>(&length), sizeof length};
  bytes_ += length;
  return crypto_->seal(out_, sealed_++, &clear, 1, pieces.data(), pieces.size(), encrypts_ ? to : nullptr, tag);
}

bool Seal::Unwrap(const uint32_t& length, const void* sealed, const std::vector<iovec>& pieces, const uint8_t* tag) {
  const iovec clear{const_cast<uint32_t*>(&length), sizeof length};
  return crypto_->unseal(in_, unsealed_++, &clear, 1, encrypts_ ? sealed : nullptr, pieces.data(), pieces.size(), tag);
}

}  // namespace tfdgan
