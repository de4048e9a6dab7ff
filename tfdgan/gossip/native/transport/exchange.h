// One call of mix: what it sends, what it waits for, what it has computed. Knows nothing of sockets.
#ifndef TFDGAN_TRANSPORT_EXCHANGE_H_
#define TFDGAN_TRANSPORT_EXCHANGE_H_

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "block.h"
#include "mixing.h"
#include "session.h"

namespace tfdgan {

// kGone: a process has ended, or cannot be heard in this call. Of losses only: kUnheard, it may live all the same;
// kGivenUp, it lives and does without this learner.
enum class Code { kOk, kLate, kGone, kMismatch, kCancelled, kUnheard, kGivenUp };

struct Status {
  Code code = Code::kOk;
  std::string message;
  bool ok() const { return code == Code::kOk; }
};

struct Round {
  std::vector<int> send_to;       // ranks
  std::vector<int> receive_from;  // ranks, ascending
  std::vector<double> weights;    // in the order of receive_from
};

// What a caller asks for. Outputs must live until `done` is called, once, by who works for the transport; inputs as
// long as `inputs_kept` is held, since a peer may ask for them again when its connection breaks.
struct Request {
  std::string channel;
  int64_t step = 0;
  Type type = Type::kFloat32;  // of the tensors
  Type wire = Type::kFloat32;
  bool gathers = false;  // gives out what each neighbour has sent instead of a mix: kByte, one round
  std::string shapes;    // in words; all learners must give the same
  std::vector<Round> rounds;
  std::vector<const void*> inputs;
  std::shared_ptr<const void> inputs_kept;
  std::vector<void*> outputs;  // as large as the inputs; of a gather for each neighbour received from
  std::vector<size_t> counts;  // numbers in each tensor
  std::function<void(const Status&)> done;
};

// What one peer sends for one round. Exists before the call has begun if the peer is ahead.
struct Incoming {
  int peer = 0;
  double weight = 0;
  Header first;               // of its first chunk, which says what the peer is sending
  std::deque<Block> waiting;  // received and not yet mixed
  uint32_t received = 0, mixed = 0;
  uint32_t limit = kEagerChunks;  // chunks that the peer may send
  bool lost = false;              // nothing is expected of it any more
  bool closed = false;            // all is mixed, and counted as finished
  bool starves = false;           // the peer has used up its credit
  Clock::time_point heard;        // when the peer last gave a sign of life
};

struct Outgoing {
  int peer = 0;
  uint32_t taken = 0, written = 0, arrived = 0;  // chunks given to the session; that the kernel has had; the peer has
  uint32_t limit = kEagerChunks;
  bool open = false, lost = false;
  Clock::time_point moved;  // when the peer last let something through
};

class Exchange {
 public:
  Exchange(Request request, uint64_t channel, uint64_t sequence);

  // The header of a chunk that this exchange sends, without kind, bytes and chunk. Peers must send the same.
  Header Describe(int round) const;
  uint32_t chunks() const { return chunks_; }
  int64_t step() const { return request_.step; }
  const std::string& channel_name() const { return request_.channel; }
  int rounds() const { return static_cast<int>(rounds_.size()); }
  Incoming* From(int round, int peer);  // nullptr if nothing is expected
  Outgoing* To(int round, int peer);
  std::deque<Incoming>& incoming(int round) { return rounds_[round].in; }
  std::vector<Outgoing>& outgoing(int round) { return rounds_[round].out; }

  // True if the next chunk to a peer is computed and within the peer's credit.
  bool CanTake(int round, const Outgoing& out) const;
  // True if the next chunk to mix is missing from this peer. What a peer holds back for want of our credit is not.
  bool Awaits(int round, const Incoming& in) const;
  // True if something computed has not gone to the peer because the peer does not let it.
  bool WaitsForPeer(int round, const Outgoing& out) const;
  // Chunks that peers may send and that are not mixed.
  uint64_t Granted() const;
  // Appends where the chunk lies to `pieces`; returns its bytes. The memory stays as it is as long as this exchange.
  uint32_t Take(int round, Outgoing* out, std::vector<iovec>* pieces);
  // Mixes all that can be mixed; blocks no longer needed go to `freed`.
  void Advance(std::vector<Block>* freed);
  // All is mixed, and all that peers need has been with the kernel.
  bool Finished() const;
  // Peers may still ask for chunks that they were sent.
  bool IsUnderWay() const;
  void Finish(const Status& status) {
    request_.done(status);
    request_.done = nullptr;
  }
  // For errors: "1,000 numbers of float32 in 3 tensors as float32".
  std::string Expected() const;

 private:
  struct RoundState {
    std::deque<Incoming> in;
    std::vector<Outgoing> out;
    uint32_t mixed = 0;       // chunks
    std::vector<char> sends;  // Q(x), flat, of the wire type; empty in a first round that sends the inputs themselves
  };
  // Calls f(tensor, first number in it, numbers) for the parts of a chunk.
  template <typename F>
  void EachPart(uint32_t chunk, F f) const;
  size_t CountOf(uint32_t chunk) const;
  uint32_t Computed(int round) const { return round ? rounds_[round - 1].mixed : chunks_; }
  bool CanMix(int round) const;
  template <typename A>
  void MixChunk(int round, std::vector<Block>* freed);
  void GatherChunk(std::vector<Block>* freed);
  void Free(RoundState* state, std::vector<Block>* freed);
  template <typename A>
  void EncodeFirstRound(uint32_t until);

  Request request_;
  uint64_t channel_, sequence_, shapes_;
  size_t elements_ = 0, per_chunk_;
  uint32_t chunks_;
  std::vector<size_t> begins_;  // of each tensor in the flat vector
  std::vector<RoundState> rounds_;
  Type sum_type_;                // float64 for float64 tensors, else float32
  uint32_t encoded_chunks_ = 0;  // of the first round
  std::vector<char> between_;    // flat, of sum_type_: x between rounds where the outputs are narrower
  std::vector<Term> terms_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_EXCHANGE_H_
