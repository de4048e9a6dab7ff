// Opens connections and admits only learners of this job: listening, dialling, and the handshake on either side.
//
// A stranger costs little: whoever dials speaks first, and one read tells who is none of the job's. Those of unknown
// addresses have a rate and a waiting room of their own, so learners get in beside them; see docs/security.md.
#ifndef TFDGAN_TRANSPORT_DOORMAN_H_
#define TFDGAN_TRANSPORT_DOORMAN_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "address.h"
#include "handshake.h"

namespace tfdgan {

class Doorman {
 public:
  // Who knows the peers' sessions.
  class Host {
   public:
    virtual ~Host() = default;
    // How frames between this learner and a peer are to be sealed.
    virtual Security SecurityWith(int peer) const = 0;
    // A peer listens to a Hello. The session to go on with; any connection with the peer has ended when this returns.
    virtual const Session& BeforeHello(int peer) = 0;
    // A peer has proved itself and wants to go on with a session in which it has `received` frames. If it may, any
    // connection with it has ended when this returns, and `mine` is what this learner has received.
    virtual Answer OnHello(int peer, const SessionId& session, uint64_t received, uint64_t* mine) = 0;
    // A connection stands. The socket is non-blocking and belongs to the callee. The peer has `received` frames.
    virtual void OnConnected(int socket, int peer, Seal seal, uint64_t received) = 0;
    // Dialling a peer has come to nothing. `refused`: nobody listens there.
    virtual void OnFailed(int peer, bool refused, const std::string& why) = 0;
    // A peer says, and proves, that it has given this learner up.
    virtual void OnGivenUp(int peer) = 0;
  };

  Doorman() = default;
  ~Doorman();
  Doorman(const Doorman&) = delete;
  Doorman& operator=(const Doorman&) = delete;

  // Binds to one address; port 0: any. Returns the port. Throws std::system_error.
  int Listen(const std::string& ip, int port);
  // The same for learners of this host, on a door that has no address; returns its name, "" if the system has none.
  std::string ListenHere();
  // Where a learner is found: on the network, and on this host if it has a door here (else of length 0).
  struct Place {
    Address network, door;
  };
  // Dials from now on, by the events of `epoll`, and takes in who dials if it `serves`. A handshake may take `patience`.
  // `learners`: by rank.
  void Open(int epoll, const Crypto& crypto, const Digest& key, int rank, const std::vector<Place>& learners,
            Clock::duration patience, bool serves, Host* host);
  // Takes in who dials from now on.
  void Serve();
  // A learner is at another place from now on.
  void Expect(int peer, const Place& place);
  // Listens no more: whoever dials is refused, and so knows.
  void Close();
  void Dial(int peer);
  // Ends dialling a peer, without a word to the host.
  void Abandon(int peer);
  // Handles an event; false if the socket is none of the doorman's.
  bool OnEvent(int socket, uint32_t events);
  // Ends handshakes that take too long.
  void Expire(Clock::time_point now);
  // Connections that did not prove to be of this job. From any thread.
  uint64_t refused() const { return refused_; }

 private:
  enum class Stage { kConnecting, kKnock, kChallenge, kHello, kWelcome };  // what is awaited
  struct Visitor {
    Visitor(const Handshake& begun, Stage first) : handshake(begun), stage(first) {}
    Handshake handshake;
    Stage stage;
    int peer = -1;        // -1: not known yet
    bool dialed = false;  // by us
    bool known = false;   // comes from a learner's address
    uint64_t number = 0;  // of all that came
    Clock::time_point deadline;
    size_t read = 0;
  };

  void Accept(int listener);
  bool MayCome(Clock::time_point now);
  bool MakeRoom(bool known, size_t most);
  Visitor* Add(int socket, const Visitor& visitor, uint32_t events);
  // Each returns why the visitor is to be shown out; empty if it is not.
  std::string Greet(int socket, Visitor* visitor);
  std::string GreetAsDialer(int socket, Visitor* visitor);
  std::string GreetAsListener(int socket, Visitor* visitor);
  void ShowOut(int socket, const std::string& why, bool refused = false);
  int Release(int socket);
  void HandOver(int socket, Visitor* visitor, uint64_t received);
  void Watch(bool listens);

  int listeners_[2] = {-1, -1};  // on the network, and on this host's door
  int epoll_ = -1, rank_ = 0;
  const Crypto* crypto_ = nullptr;
  Digest key_{};
  std::vector<Place> learners_;
  std::set<std::string> addresses_;  // of learners
  Clock::duration patience_{};
  Host* host_ = nullptr;
  std::map<int, Visitor> visitors_;           // by socket
  std::map<int, int> dialled_;                // sockets, by peer
  std::map<int, std::deque<Digest>> knocks_;  // the nonces of a peer's last ones: a recording is none
  // (socket, number) of who came and may not have knocked yet, oldest first: of unknown addresses, and of learners'.
  std::deque<std::pair<int, uint64_t>> waiting_[2];
  uint64_t came_ = 0;
  double tokens_ = 0;          // strangers that may come now
  Clock::time_point counted_;  // until when tokens were given
  bool serves_ = false, listens_ = false;
  std::atomic<uint64_t> refused_{0};
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_DOORMAN_H_
