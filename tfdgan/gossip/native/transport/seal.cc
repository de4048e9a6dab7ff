#include "seal.h"

#include <cstring>
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
  std::swap(opened_, other.opened_);
  std::swap(used_, other.used_);
  return *this;
}

Seal::~Seal() {
  if (!crypto_) return;
  if (out_) crypto_->close(out_);
  if (in_) crypto_->close(in_);
}

bool Seal::BeginOut(const uint32_t& length) {
  used_ += length;
  return crypto_->begin(out_, sealed_++, &length, sizeof length);
}

bool Seal::GoOnIn(const void* from, void* to, size_t bytes) {
  if (encrypts_) return crypto_->update(in_, from, to, bytes);
  std::memcpy(to, from, bytes);
  return crypto_->update(in_, from, nullptr, bytes);
}

}  // namespace tfdgan
