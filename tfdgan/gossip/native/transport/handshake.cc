#include "handshake.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

namespace tfdgan {
namespace {

constexpr char kProtocol[9] = "tfdgan01";

Digest RandomBytes() {
  Digest bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "getrandom");
  }
  return bytes;
}

Digest Prove(const Digest& key, const char* role, const Challenge& challenge, const Hello& hello, int listener) {
  std::string message(role);
  message.push_back('\0');
  message.append(reinterpret_cast<const char*>(challenge.nonce.data()), challenge.nonce.size());
  message.append(reinterpret_cast<const char*>(hello.nonce.data()), hello.nonce.size());
  for (uint32_t number : {hello.rank, hello.size, static_cast<uint32_t>(listener)}) {
    for (int i = 0; i < 4; ++i) message.push_back(static_cast<char>(number >> (8 * i)));
  }
  return Hmac(key, message);
}

}  // namespace

Challenge MakeChallenge() {
  Challenge challenge;
  std::memcpy(challenge.magic, kProtocol, sizeof challenge.magic);
  challenge.nonce = RandomBytes();
  return challenge;
}

Hello MakeHello(const Digest& key, const Challenge& challenge, int rank, int listener, int size) {
  Hello hello;
  std::memcpy(hello.magic, kProtocol, sizeof hello.magic);
  hello.rank = static_cast<uint32_t>(rank);
  hello.size = static_cast<uint32_t>(size);
  hello.nonce = RandomBytes();
  hello.proof = Prove(key, "dial", challenge, hello, listener);
  return hello;
}

Welcome MakeWelcome(const Digest& key, const Challenge& challenge, const Hello& hello, int rank) {
  return {Prove(key, "welcome", challenge, hello, rank)};
}

bool IsChallenge(const Challenge& challenge) {
  return std::memcmp(challenge.magic, kProtocol, sizeof challenge.magic) == 0;
}

bool IsGenuine(const Digest& key, const Challenge& challenge, const Hello& hello, int rank, int size) {
  return std::memcmp(hello.magic, kProtocol, sizeof hello.magic) == 0 &&
         hello.rank < static_cast<uint32_t>(rank) && hello.size == static_cast<uint32_t>(size) &&
         SameDigest(hello.proof, Prove(key, "dial", challenge, hello, rank));
}

bool IsGenuine(const Digest& key, const Challenge& challenge, const Hello& hello, const Welcome& welcome,
               int listener) {
  return SameDigest(welcome.proof, Prove(key, "welcome", challenge, hello, listener));
}

}  // namespace tfdgan
