// How two learners prove to each other that they belong to one job, without sending the job's key, and agree on where
// their session goes on.
//
//   dialer -> listener   Knock: who calls whom, how frames shall be sealed, a fresh random nonce, a proof
//   listener -> dialer   Challenge: another fresh nonce
//   dialer -> listener   Hello: the session and the frames received in it, a proof over all of this
//   listener -> dialer   Welcome: whether the session goes on, the frames received in it, a proof over all of this
//
// A proof is HMAC-SHA256 under the job's key. A recorded Knock is known by its nonce, and a recorded Hello is
// worthless, since each Challenge is another. Each direction's key comes from the job's key and both nonces (HKDF).
#ifndef TFDGAN_TRANSPORT_HANDSHAKE_H_
#define TFDGAN_TRANSPORT_HANDSHAKE_H_

#include <cstdint>

#include "crypto.h"
#include "seal.h"
#include "session.h"

namespace tfdgan {

struct Knock {
  char magic[8];
  uint32_t rank, listener, size;
  Security security;
  Digest nonce;
  Digest proof;
};

struct Challenge {
  Digest nonce;
};

struct Hello {
  SessionId session;
  uint64_t received;
  Digest proof;
};

enum class Answer : uint64_t {
  kGoOn = 1,
  kBusy = 2,     // the listener is dialling itself
  kGivenUp = 3,  // the listener has given the dialer up
};

struct Welcome {
  Answer answer;
  uint64_t received;
  Digest proof;
};

static_assert(sizeof(Knock) == 88 && sizeof(Challenge) == 32 && sizeof(Hello) == 56 && sizeof(Welcome) == 48,
              "they are sent as they lie in memory");

// What each side knows of a handshake as it goes on.
class Handshake {
 public:
  Handshake(const Crypto& crypto, const Digest& key) : crypto_(&crypto), key_(key) {}

  // The dialer's part. Throws std::system_error if the system gives no random bytes.
  const Knock& MakeKnock(int rank, int listener, int size, Security security);
  const Hello& MakeHello(const SessionId& session, uint64_t received);  // once challenge() is filled in
  bool IsWelcome() const;                                               // once welcome() is
  // The listener's part: whether what is filled in comes from a learner of the job that wants this one.
  bool IsKnock(int rank, int size) const;
  const Challenge& MakeChallenge();
  bool IsHello() const;
  const Welcome& MakeWelcome(Answer answer, uint64_t received);

  Knock& knock() { return knock_; }
  Challenge& challenge() { return challenge_; }
  Hello& hello() { return hello_; }
  Welcome& welcome() { return welcome_; }

  // For what follows, with the knock's security.
  Seal MakeSeal(bool dialed) const;

 private:
  Digest Prove(const char* what, int parts) const;

  const Crypto* crypto_;
  Digest key_;
  Knock knock_{};
  Challenge challenge_{};
  Hello hello_{};
  Welcome welcome_{};
};

Digest RandomBytes();

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_HANDSHAKE_H_
