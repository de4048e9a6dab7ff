// Which bytes belong to which call: matches streams, gives credit, notices who is late. Knows peers, not sockets.
#ifndef TFDGAN_TRANSPORT_SWITCHBOARD_H_
#define TFDGAN_TRANSPORT_SWITCHBOARD_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "exchange.h"
#include "link.h"

namespace tfdgan {

// One thread at a time may work with it.
class Switchboard : public Link::Reader {
 public:
  struct Settings {
    int rank = 0;
    std::vector<std::string> hosts;  // of each learner, for errors
    Clock::duration timeout = std::chrono::seconds(60);
    bool degrade = false;            // give a lost peer's weight back to self and go on
    uint64_t memory = 256ull << 20;  // bytes of chunks that peers may send before they are mixed, all streams together
    std::function<void(int peer, uint64_t number, std::string letter)> on_letter;
    std::function<void(int peer)> on_sign;   // of life: anything from a peer
    std::string place;                       // this learner's address, which errors name if a peer has never connected
    std::function<bool(int peer)> is_found;  // whether a peer has been connected, or it is this learner that dials
  };

  explicit Switchboard(Settings settings);

  // Starts a call. Its `done` comes from Settle.
  void Begin(uint64_t id, uint64_t channel, uint64_t sequence, Request request);
  void Cancel(uint64_t id);
  void SendLetter(int peer, uint64_t number, std::shared_ptr<const std::string> letter);

  Verdict Admit(int peer, const Header& header) override;
  void Deliver(int peer, const Header& header, Block payload) override;

  void Discarded(int peer, const Header& header) override;
  void Arrived(int peer, const std::vector<Session::Sent>& sent) override;

  // Adds frames for a peer to its session, as many as one system call takes; none if there is nothing to send.
  void Fill(int peer, Session* session);
  // Chunks of these streams are with the kernel for the first time.
  void Written(int peer, const std::vector<Session::Sent>& sent);

  // How many frames there are for a peer, besides data, that its session has not taken yet.
  size_t WordsFor(int peer) const { return peers_[peer].control.size(); }
  // Nothing is expected of a peer any more.
  void Lose(int peer, Code code, const std::string& why);
  // The same; where learners go on without each other the peer is told so.
  void GiveUp(int peer, const std::string& why);
  // A peer has given this learner up.
  void WasGivenUp(int peer);
  // A peer's process has ended, whatever was known of it.
  void HasEnded(int peer, const std::string& why);
  // A lost peer is there again, on a host of that name. What is under way goes on without it.
  void Readmit(int peer, const std::string& host);
  bool IsLost(int peer) const { return peers_[peer].lost; }
  const std::map<int, Status>& losses() const { return losses_; }
  // Gives up peers that are late; tells peers if this learner itself waits for others.
  void CheckTime(Clock::time_point now);
  // Moves all limits of time: for so long, up to now, nobody could be heard.
  void Excuse(Clock::duration pause, Clock::time_point now);
  // Finishes what is complete or has failed.
  void Settle();
  // Fails every call, present and future.
  void FailAll(const Status& status);
  // Tells a peer, after all else, that this learner ends.
  void SayEnd(int peer);

  // Peers that have something to send.
  std::set<int>& eager() { return eager_; }
  // Lost peers whose connection and session must end before calls do.
  std::set<int>& parted() { return parted_; }
  Pool& pool() { return pool_; }

 private:
  using Key = std::tuple<uint64_t, uint64_t, uint32_t>;  // channel, sequence, round
  struct Control {
    Header header;
    std::shared_ptr<const std::string> body;
    size_t offset;
  };
  struct Flow {                         // of one channel
    uint64_t opened = 0, reported = 0;  // streams to the peer; those it says it has finished
    uint64_t finished = 0, told = 0;    // streams from the peer; those it was told of
  };
  struct Peer {
    bool lost = false;
    Status why;
    uint32_t window = kWindowChunks;  // of each of its streams: grows while the way to it could hold more
    std::deque<Control> control;
    std::deque<std::pair<uint64_t, int>> sending;                    // (exchange, round), oldest first
    std::map<Key, Incoming> early;                                   // streams of calls not begun here
    std::map<Key, uint32_t> early_credit;                            // and credit for what they will send
    std::map<std::pair<uint64_t, uint64_t>, Status> early_failures;  // (channel, sequence) that failed there
    std::unordered_map<uint64_t, Flow> flows;
    std::string letter;  // what has come of one
    uint64_t letter_number = 0;
  };
  struct Call {
    uint64_t channel, sequence;
    Exchange exchange;
    Clock::time_point begun;
    bool ended = false;
    Status status;
  };

  Call* Find(uint64_t channel, uint64_t sequence);
  Verdict AdmitData(int peer, const Header& header);
  bool Adopt(Call* call, int round, Incoming* in);
  bool HasBegun(uint64_t channel, uint64_t sequence) const;
  void Pump(uint64_t id, Call* call);
  void Grant(Call* call, int round, Incoming* in);
  uint64_t ChunksGranted() const;
  void End(Call* call, const Status& status);
  // The same, and the peers of the call are told of `cause`.
  void Fail(Call* call, const Status& status, const Status& cause);
  void Fail(Call* call, const Status& status) { Fail(call, status, status); }
  void PeerFailed(Call* call, int peer, const Status& cause);
  void Forget(uint64_t channel, uint64_t sequence);
  void CountFinished(int peer, uint64_t channel, uint64_t sequence);
  void Tell(int peer, const Header& header, std::shared_ptr<const std::string> body = nullptr, size_t offset = 0);
  Exchange* FindExchange(uint64_t id);
  std::string Who(int peer) const;
  Status Explain(const Call& call, int peer, Code code, const std::string& why) const;

  Settings settings_;
  std::vector<Peer> peers_;
  std::map<uint64_t, Call> calls_;     // by id, oldest first
  std::map<uint64_t, Exchange> kept_;  // by id: ended, with chunks that a peer may ask for again
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> ids_;
  std::unordered_map<uint64_t, uint64_t> next_;  // of each channel: the first call not begun
  std::set<int> eager_, parted_;
  std::map<int, Status> losses_;
  std::set<uint64_t> ended_;
  std::vector<Block> freed_;
  Clock::time_point last_hold_ = Clock::now();
  Status failed_;  // not ok: so does every call
  Pool pool_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SWITCHBOARD_H_
