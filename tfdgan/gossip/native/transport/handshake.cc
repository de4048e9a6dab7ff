#include "handshake.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tfdgan {
namespace {

constexpr char kProtocol[9] = "tfdgan02";

// In a time that says nothing about where they differ.
bool Same(const Digest& a, const Digest& b) {
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == 0;
}

template <typename Message>
void AppendUnproven(const Message& message, std::string* text) {
  text->append(reinterpret_cast<const char*>(&message), sizeof message - sizeof(Digest));
}

}  // namespace

Digest RandomBytes() {
  Digest bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  return bytes;
}

// A proof of the first `parts` messages.
Digest Handshake::Prove(const char* what, int parts) const {
  std::string text(what);
  text.push_back('\0');
  AppendUnproven(knock_, &text);
  if (parts > 1) text.append(reinterpret_cast<const char*>(&challenge_), sizeof challenge_);
  if (parts > 2) AppendUnproven(hello_, &text);
  if (parts > 3) AppendUnproven(welcome_, &text);
  Digest proof;
  if (!crypto_->hmac(key_.data(), text.data(), text.size(), proof.data())) {
    throw std::runtime_error("gossip: the library for cryptography does not work");
  }
  return proof;
}

const Knock& Handshake::MakeKnock(int rank, int listener, int size, Security security) {
  std::memcpy(knock_.magic, kProtocol, sizeof knock_.magic);
  knock_.rank = static_cast<uint32_t>(rank);
  knock_.listener = static_cast<uint32_t>(listener);
  knock_.size = static_cast<uint32_t>(size);
  knock_.security = security;
  knock_.nonce = RandomBytes();
  knock_.proof = Prove("knock", 1);
  return knock_;
}

bool Handshake::IsKnock(int rank, int size) const {
  return std::memcmp(knock_.magic, kProtocol, sizeof knock_.magic) == 0 &&
         knock_.listener == static_cast<uint32_t>(rank) && knock_.size == static_cast<uint32_t>(size) &&
         knock_.rank < knock_.size && knock_.rank != knock_.listener && Same(knock_.proof, Prove("knock", 1));
}

const Challenge& Handshake::MakeChallenge() {
  challenge_.nonce = RandomBytes();
  return challenge_;
}

const Hello& Handshake::MakeHello(const SessionId& session, uint64_t received) {
  hello_.session = session;
  hello_.received = received;
  hello_.proof = Prove("hello", 3);
  return hello_;
}

bool Handshake::IsHello() const { return Same(hello_.proof, Prove("hello", 3)); }

const Welcome& Handshake::MakeWelcome(Answer answer, uint64_t received) {
  welcome_.answer = answer;
  welcome_.received = received;
  welcome_.proof = Prove("welcome", 4);
  return welcome_;
}

bool Handshake::IsWelcome() const { return Same(welcome_.proof, Prove("welcome", 4)); }

Seal Handshake::MakeSeal(bool dialed) const {
  if (knock_.security == Security::kNone) return {};
  uint8_t salt[2 * sizeof(Digest)];
  std::memcpy(salt, knock_.nonce.data(), sizeof(Digest));
  std::memcpy(salt + sizeof(Digest), challenge_.nonce.data(), sizeof(Digest));
  Digest dialers, listeners;
  if (!crypto_->derive || !crypto_->derive(key_.data(), salt, "tfdgan02 dialer", dialers.data()) ||
      !crypto_->derive(key_.data(), salt, "tfdgan02 listener", listeners.data())) {
    throw std::runtime_error("gossip: the library for cryptography does not work");
  }
  const bool encrypts = knock_.security == Security::kEncrypted;
  return dialed ? Seal(*crypto_, encrypts, dialers, listeners) : Seal(*crypto_, encrypts, listeners, dialers);
}

}  // namespace tfdgan
