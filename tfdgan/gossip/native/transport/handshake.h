// How two learners prove to each other that they belong to one job, without sending the job's key.
//
//   listener -> dialer   Challenge: a fresh random nonce
//   dialer -> listener   Hello: its rank, its own nonce, HMAC(key, "dial", both nonces, both ranks)
//   listener -> dialer   Welcome: HMAC(key, "welcome", both nonces, both ranks)
//
// A recorded Hello is worthless, since the next Challenge has another nonce. What follows is neither encrypted nor
// signed.
#ifndef TFDGAN_TRANSPORT_HANDSHAKE_H_
#define TFDGAN_TRANSPORT_HANDSHAKE_H_

#include <cstdint>

#include "sha256.h"

namespace tfdgan {

struct Challenge {
  char magic[8];
  Digest nonce;
};

struct Hello {
  char magic[8];
  uint32_t rank;
  uint32_t size;
  Digest nonce;
  Digest proof;
};

struct Welcome {
  Digest proof;
};

// Throws std::system_error if the system gives no random bytes.
Challenge MakeChallenge();
Hello MakeHello(const Digest& key, const Challenge& challenge, int rank, int listener, int size);
Welcome MakeWelcome(const Digest& key, const Challenge& challenge, const Hello& hello, int rank);

// True if it speaks this protocol.
bool IsChallenge(const Challenge& challenge);
// True if it comes from a learner of lower rank that knows the key and has seen this challenge.
bool IsGenuine(const Digest& key, const Challenge& challenge, const Hello& hello, int rank, int size);
bool IsGenuine(const Digest& key, const Challenge& challenge, const Hello& hello, const Welcome& welcome,
               int listener);

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_HANDSHAKE_H_
