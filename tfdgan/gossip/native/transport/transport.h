// Neighbour averaging between processes over TCP: the library behind the TensorFlow op, free of TensorFlow itself.
//
// One thread does all socket work and all arithmetic; callers only hand over and are called back. Memory, for calls
// under way: each stream's credit (kWindowChunks chunks a neighbour and round, kEagerChunks before the call has
// begun here), and a copy of the numbers in the wire type if that is not the tensors' own; several rounds on 16-bit
// tensors keep a float32 copy besides.
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
#include "switchboard.h"

namespace tfdgan {

class Transport {
 public:
  struct Learner {
    std::string host, ip;
    int port = 0;
  };
  struct Options {
    int rank = 0;
    std::vector<Learner> learners;
    Digest key{};  // the job's
    double timeout_seconds = 60;
    double rate = 0;  // bytes/s at which to send to other hosts, in all; 0: as fast as TCP does
    bool degrade = false;
  };
  struct Counters {
    uint64_t bytes_sent = 0, bytes_received = 0, connections_refused = 0, protocol_errors = 0, calls = 0;
  };

  Transport() = default;
  ~Transport() { Stop(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Binds to one address; returns the port that others are to be told. Throws std::system_error.
  int Listen(const std::string& ip);
  void Start(const Options& options);
  // Fails what is under way, sends what is still to be sent (at most a second), closes.
  void Stop();

  // The calls below may come from any thread, between Start and Stop.

  // x_i + sum_j W_ij (Q(x_j) - Q(x_i)), `rounds` times, or what each neighbour has sent. Calls on one channel are
  // numbered in the order they come, the same on every learner. Returns an id for Cancel.
  uint64_t Submit(Request request);
  void Cancel(uint64_t id);
  Counters Count() const;
  // (rank, why) of learners lost so far.
  std::vector<std::pair<int, std::string>> Lost() const;

  // Letters: messages outside of calls, each with a number of the sender's choice, at most kMostLetters of a peer
  // untaken. Throws std::length_error if one is longer than kLongestLetter.
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

 private:
  void Run();
  void Do(std::function<void()> command);
  void RunCommands();
  void OnLink(int socket, uint32_t events);
  bool IsPaced(int peer) const;
  void ShareRate();
  void Flush(int peer);
  void Dial(int peer);
  void Excuse(Clock::duration pause, Clock::time_point now);
  void FlushAll();
  void Await(Link* link, uint32_t events);
  void Close(int peer);
  void Publish();

  Options options_;
  Doorman doorman_;
  std::unique_ptr<Switchboard> switchboard_;
  std::vector<std::unique_ptr<Link>> links_;  // by peer
  struct Dialling {
    Clock::time_point since;
    bool fails = false;  // the last try has come to nothing
  };
  std::map<int, Dialling> dialled_;
  std::map<int, int> peer_of_;  // by socket
  int epoll_ = -1, wake_ = -1;
  std::thread thread_;
  std::atomic<uint64_t> calls_{0}, received_{0}, sent_{0}, protocol_errors_{0};

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::function<void()>> commands_;
  std::unordered_map<uint64_t, uint64_t> sequences_;
  uint64_t last_id_ = 0;
  bool stopping_ = false, closed_ = false;
  std::map<int, std::string> lost_;
  std::map<int, Clock::time_point> signs_;  // of life
  std::map<std::pair<int, uint64_t>, std::string> letters_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_TRANSPORT_H_
