// Neighbour averaging between processes, by TCP and, on one host, by shared memory: the library behind the TensorFlow
// op, free of TensorFlow itself.
//
// One thread does all socket work and all arithmetic, but that a caller sends small messages itself if that thread
// rests; callers only hand over and are called back. A connection that breaks is dialled again and takes up where it
// was, so that no call notices. Memory, for calls under way: what neighbours may send ahead (Options::memory;
// kEagerChunks of each stream before the call has begun here), a copy of the numbers in the wire type for each round
// but the first, and for the first if that is not the tensors' own; several rounds on 16-bit tensors keep a float32
// copy besides. Inputs and copies are held until the neighbours have them.
#ifndef TFDGAN_TRANSPORT_TRANSPORT_H_
#define TFDGAN_TRANSPORT_TRANSPORT_H_

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "doorman.h"
#include "exchange.h"
#include "link.h"
#include "redial.h"
#include "switchboard.h"

namespace tfdgan {

class Transport : private Doorman::Host {
 public:
  struct Learner {
    std::string host, ip;  // its host's name, for errors; its address in digits
    int port = 0;
    bool is_here = true;                  // on this learner's own host
    Security security = Security::kNone;  // of frames between it and this learner; the same on both sides
    std::string door;  // its door on this host, for a connection that shares memory; "": by the network
    bool absent = false;  // lost from the start, until `Readmit`
  };
  struct Options {
    int rank = 0;
    std::vector<Learner> learners;
    Digest key{};  // the job's
    Crypto crypto;
    double timeout_seconds = 60;
    double patience_seconds = 5;  // without a sign on a connection, after which another is tried
    double rate = 0;              // bytes/s at which to send to other hosts, in all; 0: as fast as TCP does
    bool degrade = false;
    uint64_t memory = 256ull << 20;  // bytes that may have come and wait to be mixed
    // A connection makes way for a new one, with new keys, when it has sealed so many bytes: RFC 8446, section 5.5,
    // sees AES-GCM's margin used up at 2^38.5.
    uint64_t most_sealed = 1ull << 38;
  };
  struct Counters {
    uint64_t bytes_sent = 0, bytes_received = 0, connections_refused = 0, protocol_errors = 0, calls = 0;
    uint64_t reconnections = 0;  // connections that took up a session whose last one had broken
  };

  Transport() = default;
  ~Transport() override { Stop(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Binds to one address; port 0: any. Returns the port. Throws std::system_error.
  int Listen(const std::string& ip, int port = 0);
  // Opens a door for learners of this host, too; returns its name, "" if the system has none.
  std::string ListenHere();
  void Start(const Options& options);
  // Fails what is under way, waits until the peers have what they were sent (at most ten seconds), closes.
  void Stop();

  // The calls below may come from any thread, between Start and Stop.

  // x_i + sum_j W_ij (Q(x_j) - Q(x_i)), `rounds` times, or what each neighbour has sent. Calls on one channel are
  // numbered in the order they come, the same on every learner. `done` may be called before this returns. Returns an id
  // for Cancel.
  uint64_t Submit(Request request);
  void Cancel(uint64_t id);
  Counters Count() const;
  // (rank, why) of learners lost so far. kGone: its process has ended; else only the way to it may be broken.
  std::vector<std::pair<int, Status>> Lost() const;

  // Letters: messages outside of calls, each with a number of the sender's choice, at most kMostLetters of a peer and
  // kMostLetterBytes untaken. Throws std::length_error if one is longer than kLongestLetter.
  void SendLetter(int peer, uint64_t number, std::string letter);
  // Waits for a letter. False if it has not come in time or the peer is lost.
  bool TakeLetter(int peer, uint64_t number, double seconds, std::string* letter);
  // Seconds since a peer gave a sign of life, or since it was connected; -1 before that. Every learner gives one at
  // least four times in a timeout, whatever its program does.
  double SilentFor(int peer) const;
  // Gives a peer a sign of life now, for which it is connected if need be.
  void Pulse(int peer);
  // Treats a peer as lost from now on, and tells it so.
  void GiveUp(int peer, const std::string& why);
  // A peer's process has ended, as somebody knows who is to be believed.
  void HasEnded(int peer, const std::string& why);
  // A lost peer, or an absent one, is there again, as another process at a place of its own. All learners call this
  // between the same calls; on every channel the next call has the number `first`, which is above all numbers so far.
  void Readmit(int peer, const Learner& learner, uint64_t first);
  // Takes in who dials, from now on if this learner started with absent peers, which would be turned away before.
  void Serve();

 private:
  struct Line {  // to one peer
    Session session;
    std::unique_ptr<Link> link;     // null: no connection at the moment
    Redial redial;                  // also while the connection seems to be dead
    Clock::time_point heard, told;  // when bytes came on this connection; and the last header, which acknowledges
    bool was_connected = false;
  };

  Security SecurityWith(int peer) const override { return options_.learners[peer].security; }
  const Session& BeforeHello(int peer) override;
  Answer OnHello(int peer, const SessionId& session, uint64_t received, uint64_t* mine) override;
  void OnConnected(int socket, int peer, Seal seal, uint64_t received) override;
  void OnFailed(int peer, bool refused, const std::string& why) override;
  void OnGivenUp(int peer) override;

  static Doorman::Place PlaceOf(const Learner& learner);

  void Run();
  void Do(std::function<void()> command);
  void RunCommands();
  void Work(Clock::time_point now);
  bool IsClosed() const;
  void Wake();
  Clock::time_point Due() const;
  void LookAtTheClock(Clock::time_point now);
  void OnLink(int socket, uint32_t events);
  bool IsPaced(int peer) const;
  void ShareRate();
  void Flush(int peer);
  void FlushAll();
  Clock::duration WaitToDial(int peer) const;
  Clock::duration Patience() const;
  bool IsStuck(const Line& line, Clock::time_point now) const;
  void DialWhoIsDue(Clock::time_point now);
  void AcknowledgeWhatIsDue(Clock::time_point now);
  void Disconnect(int peer);
  void Excuse(Clock::duration pause, Clock::time_point now);
  void Await(Link* link, uint32_t events);
  void Close(int peer);
  bool IsQuiet() const;
  void Publish();
  void TakeSign(int peer);
  void KeepLetter(int peer, uint64_t number, std::string letter);

  Options options_;
  Clock::duration interval_{};  // between looks at the clock
  Clock::time_point looked_;
  Clock::time_point given_up_until_;  // by the others, maybe: after this process stood still for longer than the timeout
  Doorman doorman_;
  std::unique_ptr<Switchboard> switchboard_;
  std::vector<Line> lines_;     // by peer
  std::map<int, int> peer_of_;  // by socket
  std::vector<Session::Sent> sent_;
  int epoll_ = -1, wake_ = -1;
  std::thread thread_;
  std::atomic<uint64_t> calls_{0}, bytes_received_{0}, bytes_sent_{0}, protocol_errors_{0}, reconnections_{0};

  // Held by who works on all of the above: the thread while it does not wait, or a caller.
  std::mutex work_;
  std::atomic<std::thread::id> worker_{};
  Clock::time_point wakes_;  // when the thread looks for what is due

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::function<void()>> commands_;
  std::unordered_map<uint64_t, uint64_t> sequences_;
  uint64_t first_ = 0;  // number of a channel's first call
  uint64_t last_id_ = 0;
  bool stopping_ = false, closed_ = false;
  int readmitting_ = -1;  // a peer; -1: none
  std::map<int, Status> lost_;
  std::map<int, Clock::time_point> signs_;  // of life
  std::map<std::pair<int, uint64_t>, std::string> letters_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_TRANSPORT_H_
