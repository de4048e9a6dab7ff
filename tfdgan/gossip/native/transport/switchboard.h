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

// All methods belong to the transport's thread.
class Switchboard : public Link::Reader {
 public:
  struct Settings {
    int rank = 0;
    std::vector<std::string> hosts;  // of each learner, for errors
    Clock::duration timeout = std::chrono::seconds(60);
    bool degrade = false;  // give a lost peer's weight back to self and go on
    std::function<void(int peer, uint64_t number, std::string letter)> on_letter;
    std::function<void(int peer)> on_sign;  // of life: anything from a peer
  };

  explicit Switchboard(Settings settings);

  // Starts a call. Its `done` comes from Settle.
  void Begin(uint64_t id, uint64_t channel, uint64_t sequence, Request request);
  void Cancel(uint64_t id);
  void SendLetter(int peer, uint64_t number, std::shared_ptr<const std::string> letter);

  Verdict Admit(int peer, const Header& header) override;
  void Deliver(int peer, const Header& header, Block payload) override;

  // Adds frames for a peer to an outbox that is empty; none if there is nothing to send.
  void Fill(int peer, Outbox* outbox);
  // All of the outbox is with the kernel.
  void Written(const Outbox& outbox, int peer);

  // The connection to a peer has ended, or it is given up.
  void Lose(int peer, Code code, const std::string& why);
  // The same, and the peer is told so.
  void GiveUp(int peer, const std::string& why);
  bool IsLost(int peer) const { return peers_[peer].lost; }
  const std::map<int, std::string>& losses() const { return losses_; }
  // A sign of life to a peer.
  void Pulse(int peer);
  // Gives up peers that are late; tells peers if this learner itself waits for others.
  void CheckTime(Clock::time_point now);
  // Moves all limits of time: for so long, up to now, nobody could be heard.
  void Excuse(Clock::duration pause, Clock::time_point now);
  // Finishes what is complete or has failed.
  void Settle();
  // Fails every call, present and future.
  void FailAll(const Status& status);

  // Peers that have something to send.
  std::set<int>& eager() { return eager_; }
  // Lost peers whose connection must end before anything more is sent to them.
  std::set<int>& parted() { return parted_; }
  Pool& pool() { return pool_; }

 private:
  using Key = std::tuple<uint64_t, uint64_t, uint32_t>;  // channel, sequence, round
  struct Control {
    Header header;
    std::shared_ptr<const std::string> body;
    size_t offset;
  };
  struct Flow {  // of one channel
    uint64_t opened = 0, reported = 0;  // streams to the peer; those it says it has finished
    uint64_t finished = 0, told = 0;    // streams from the peer; those it was told of
  };
  struct Peer {
    bool lost = false;
    Status why;
    std::deque<Control> control;
    std::deque<std::pair<uint64_t, int>> sending;  // (exchange, round), oldest first
    std::map<Key, Incoming> early;            // streams of calls not begun here
    std::map<Key, uint32_t> early_credit;     // and credit for what they will send
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
  Verdict DiscardData(int peer, const Header& header);
  bool Adopt(Call* call, int round, Incoming* in);
  bool HasBegun(uint64_t channel, uint64_t sequence) const;
  void Pump(uint64_t id, Call* call);
  void Grant(Call* call, int round, Incoming* in);
  void End(Call* call, const Status& status);
  // The same, and the peers of the call are told of `cause`.
  void Fail(Call* call, const Status& status, const Status& cause);
  void Fail(Call* call, const Status& status) { Fail(call, status, status); }
  void PeerFailed(Call* call, int peer, const Status& cause);
  void Forget(uint64_t channel, uint64_t sequence);
  void CountFinished(int peer, uint64_t channel, uint64_t sequence);
  std::string Who(int peer) const;
  Status Explain(const Call& call, int peer, Code code, const std::string& why) const;

  const Settings settings_;
  std::vector<Peer> peers_;
  std::map<uint64_t, Call> calls_;  // by id, oldest first
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> ids_;
  std::unordered_map<uint64_t, uint64_t> next_;  // of each channel: the first call not begun
  std::set<int> eager_, parted_;
  std::map<int, std::string> losses_;
  std::set<uint64_t> ended_;
  std::vector<Block> freed_;
  std::vector<iovec> pieces_;
  Clock::time_point last_hold_ = Clock::now();
  Status failed_;  // not ok: so does every call
  Pool pool_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SWITCHBOARD_H_
