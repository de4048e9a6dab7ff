#include "switchboard.h"

#include <algorithm>
#include <cstring>

#include "one_line.h"

namespace tfdgan {
namespace {

constexpr size_t kEarlyStreams = 256;  // of one peer
constexpr uint32_t kMostRounds = 1024;
constexpr char kNoEdge[] = "sent where this learner's schedule has no such edge";
constexpr int kPatience = 4;  // timeouts for which a peer may say that it waits itself

bool Alike(const Header& a, const Header& b) {
  return a.type == b.type && a.wire == b.wire && a.rounds == b.rounds && a.step == b.step && a.elements == b.elements &&
         a.shapes == b.shapes;
}

std::string Described(const Header& header, const Header& expected) {
  const bool differ = header.elements == expected.elements && header.shapes != expected.shapes;
  return std::to_string(header.elements) + " numbers of " + NameOf(static_cast<Type>(header.type)) +
         (differ ? " in tensors of other shapes" : "") + ", sent as " + NameOf(static_cast<Type>(header.wire)) +
         ", in " + std::to_string(header.rounds) + " rounds at step " + std::to_string(header.step);
}

// What any chunk must satisfy by itself. Sizes are bounded here, before memory is taken.
bool IsSound(const Header& header) {
  if (!IsType(header.type) || !IsType(header.wire) || header.round >= header.rounds || header.rounds > kMostRounds ||
      !header.elements) {
    return false;
  }
  const Type wire = static_cast<Type>(header.wire);
  const uint64_t before = uint64_t{header.chunk} * ElementsPerChunk(wire);
  return before < header.elements &&
         header.bytes == std::min<uint64_t>(ElementsPerChunk(wire), header.elements - before) * SizeOf(wire);
}

}  // namespace

Switchboard::Switchboard(Settings settings) : settings_(std::move(settings)), peers_(settings_.hosts.size()) {}

void Switchboard::Begin(uint64_t id, uint64_t channel, uint64_t sequence, Request request) {
  const auto now = Clock::now();
  Call* const call =
      &calls_.emplace(id, Call{channel, sequence, Exchange(std::move(request), channel, sequence), now, false, {}})
           .first->second;
  ids_[{channel, sequence}] = id;
  next_[channel] = sequence + 1;
  ended_.insert(id);  // Settle looks at it, even if there is nobody to hear from
  if (!failed_.ok()) return End(call, failed_);
  for (int round = 0; round < call->exchange.rounds(); ++round) {
    for (Incoming& in : call->exchange.incoming(round)) {
      in.heard = now;
      eager_.insert(in.peer);  // who only receives may be the one who has to dial
      if (!Adopt(call, round, &in)) return;
    }
    for (Outgoing& out : call->exchange.outgoing(round)) {
      out.moved = now;
      Peer& peer = peers_[out.peer];
      if (peer.lost) {
        if (!settings_.degrade) return Fail(call, Explain(*call, out.peer, peer.why.code, peer.why.message));
        out.lost = true;
        continue;
      }
      const auto credit = peer.early_credit.find({channel, sequence, round});
      if (credit != peer.early_credit.end()) {
        out.limit = std::max(out.limit, credit->second);
        peer.early_credit.erase(credit);
      }
      peer.sending.emplace_back(id, round);
      eager_.insert(out.peer);
    }
  }
  for (size_t p = 0; p < peers_.size(); ++p) {
    if (peers_[p].lost) continue;
    const auto stray = peers_[p].early.lower_bound({channel, sequence, 0});
    if (stray != peers_[p].early.end() && std::get<0>(stray->first) == channel &&
        std::get<1>(stray->first) == sequence) {
      return Fail(call, Explain(*call, static_cast<int>(p), Code::kMismatch, kNoEdge));
    }
  }
  for (size_t p = 0; p < peers_.size(); ++p) {
    const auto failure = peers_[p].early_failures.find({channel, sequence});
    if (failure == peers_[p].early_failures.end()) continue;
    const Status cause = failure->second;
    peers_[p].early_failures.erase(failure);
    PeerFailed(call, static_cast<int>(p), cause);
  }
  Pump(id, call);
}

// Takes over what a peer sent before the call began. False if the call has failed.
bool Switchboard::Adopt(Call* call, int round, Incoming* in) {
  Peer& peer = peers_[in->peer];
  const auto early = peer.early.find({call->channel, call->sequence, round});
  if (early != peer.early.end()) {
    const Header first = early->second.first;
    in->waiting = std::move(early->second.waiting);
    in->received = early->second.received;
    peer.early.erase(early);
    if (!Alike(first, call->exchange.Describe(round))) {
      Fail(call, Explain(*call, in->peer, Code::kMismatch, "sent " + Described(first, call->exchange.Describe(round))));
      return false;
    }
  }
  if (peer.lost && in->received < call->exchange.chunks()) {
    if (!settings_.degrade) {
      Fail(call, Explain(*call, in->peer, peer.why.code, peer.why.message));
      return false;
    }
    in->lost = true;
  }
  return true;
}

void Switchboard::Cancel(uint64_t id) {
  const auto found = calls_.find(id);
  if (found != calls_.end()) Fail(&found->second, {Code::kCancelled, "gossip: the call was cancelled"});
}

Verdict Switchboard::Admit(int peer, const Header& header) {
  settings_.on_sign(peer);
  if (header.magic != kMagic || header.bytes > kChunkBytes || peers_[peer].lost) return Verdict::kRefuse;
  switch (header.kind) {
    case Kind::kData: return AdmitData(peer, header);
    case Kind::kCredit: {
      const bool waits = !HasBegun(header.channel, header.sequence);
      const bool fits = header.round < kMostRounds && (!waits || peers_[peer].early_credit.size() < kEarlyStreams);
      return header.bytes || !fits ? Verdict::kRefuse : Verdict::kKeep;
    }
    case Kind::kHold:
    case Kind::kPulse:
    case Kind::kEnd:
    case Kind::kDrop: return header.bytes ? Verdict::kRefuse : Verdict::kKeep;
    case Kind::kFailed: {
      const bool fits = peers_[peer].early_failures.size() < kEarlyStreams;
      const bool waits = !HasBegun(header.channel, header.sequence);
      if (header.bytes > kLongestReason) return Verdict::kRefuse;
      return waits && !fits ? Verdict::kDiscard : Verdict::kKeep;
    }
    case Kind::kLetter: {
      const Peer& from = peers_[peer];
      const bool continues = from.letter.empty() || header.sequence == from.letter_number;
      const bool fits = header.elements <= kLongestLetter && from.letter.size() + header.bytes <= header.elements;
      return continues && fits ? Verdict::kKeep : Verdict::kRefuse;
    }
  }
  return Verdict::kRefuse;
}

Verdict Switchboard::AdmitData(int peer, const Header& header) {
  if (!IsSound(header)) return Verdict::kRefuse;
  Call* const call = Find(header.channel, header.sequence);
  if (!call) {
    if (HasBegun(header.channel, header.sequence)) return Verdict::kDiscard;  // of a call that failed
    auto& early = peers_[peer].early;
    const auto found = early.find({header.channel, header.sequence, header.round});
    if (found == early.end()) {
      return early.size() < kEarlyStreams && !header.chunk ? Verdict::kKeep : Verdict::kRefuse;
    }
    const bool in_order = header.chunk == found->second.received && header.chunk < kEagerChunks;
    return in_order && Alike(header, found->second.first) ? Verdict::kKeep : Verdict::kRefuse;
  }
  if (call->ended) return Verdict::kDiscard;
  Incoming* const in =
      static_cast<int>(header.round) < call->exchange.rounds() ? call->exchange.From(header.round, peer) : nullptr;
  if (!Alike(header, call->exchange.Describe(header.round))) {
    const Header mine = call->exchange.Describe(header.round);
    Fail(call, Explain(*call, peer, Code::kMismatch, "sent " + Described(header, mine)));
    return Verdict::kDiscard;
  }
  if (!in) {
    Fail(call, Explain(*call, peer, Code::kMismatch, kNoEdge));
    return Verdict::kDiscard;
  }
  if (in->lost) return Verdict::kDiscard;
  return header.chunk == in->received && header.chunk < in->limit ? Verdict::kKeep : Verdict::kRefuse;
}

void Switchboard::Discarded(int peer, const Header& header) {
  if (header.kind != Kind::kData || header.chunk) return;
  const Call* const call = Find(header.channel, header.sequence);
  if (!call || call->ended) CountFinished(peer, header.channel, header.sequence);
}

void Switchboard::Deliver(int peer, const Header& header, Block payload) {
  Peer& from = peers_[peer];
  if (header.kind == Kind::kData) {
    // The call may have begun or ended since the header was admitted.
    Call* const call = Find(header.channel, header.sequence);
    Incoming* in = nullptr;
    if (call && !call->ended) {
      if (!Alike(header, call->exchange.Describe(header.round))) {
        const Header mine = call->exchange.Describe(header.round);
        Fail(call, Explain(*call, peer, Code::kMismatch, "sent " + Described(header, mine)));
      } else if (!(in = call->exchange.From(header.round, peer))) {
        Fail(call, Explain(*call, peer, Code::kMismatch, kNoEdge));
      }
    } else if (!HasBegun(header.channel, header.sequence)) {
      in = &from.early[{header.channel, header.sequence, header.round}];
      if (!in->received) in->first = header;
      if (payload.is_lent()) {  // whoever waits for a call of its own shall not hold a peer's memory
        Block own = pool_.Get(header.bytes);
        std::memcpy(own.get(), payload.get(), header.bytes);
        payload = std::move(own);
      }
    }
    if (!in) {
      if (!header.chunk) CountFinished(peer, header.channel, header.sequence);
      return pool_.Give(std::move(payload));
    }
    in->waiting.push_back(std::move(payload));
    ++in->received;
    in->heard = Clock::now();
    in->starves |= header.starves && header.chunk >= kEagerChunks;
    if (call) Pump(ids_[{header.channel, header.sequence}], call);
  } else if (header.kind == Kind::kCredit) {
    Flow& flow = from.flows[header.channel];
    flow.reported = std::max(flow.reported, std::min(header.elements, flow.opened));
    Call* const call = Find(header.channel, header.sequence);
    if (!HasBegun(header.channel, header.sequence)) {
      uint32_t& limit = from.early_credit[{header.channel, header.sequence, header.round}];
      limit = std::max(limit, header.chunk);
    } else if (call && static_cast<int>(header.round) < call->exchange.rounds()) {
      if (Outgoing* const out = call->exchange.To(header.round, peer)) {
        out->limit = std::max(out->limit, std::min(header.chunk, call->exchange.chunks()));
        out->moved = Clock::now();
      }
    }
    eager_.insert(peer);
  } else if (header.kind == Kind::kHold) {
    const auto now = Clock::now();
    for (auto& item : calls_) {
      if (now - item.second.begun > kPatience * settings_.timeout) continue;
      for (int round = 0; round < item.second.exchange.rounds(); ++round) {
        if (Incoming* const in = item.second.exchange.From(round, peer)) in->heard = now;
        if (Outgoing* const out = item.second.exchange.To(round, peer)) out->moved = now;
      }
    }
  } else if (header.kind == Kind::kDrop) {
    WasGivenUp(peer);
  } else if (header.kind == Kind::kEnd) {
    Lose(peer, Code::kGone, "is gone (it has ended)");
  } else if (header.kind == Kind::kFailed) {
    const Code code = header.type == static_cast<uint8_t>(Code::kMismatch) ? Code::kMismatch
                      : header.type == static_cast<uint8_t>(Code::kLate)   ? Code::kLate
                                                                           : Code::kGone;
    const Status cause{code, OneLine(std::string(payload.get(), header.bytes))};
    if (payload) pool_.Give(std::move(payload));
    if (Call* const call = Find(header.channel, header.sequence)) {
      PeerFailed(call, peer, cause);
    } else if (!HasBegun(header.channel, header.sequence)) {
      from.early_failures[{header.channel, header.sequence}] = cause;
    }
  } else if (header.kind == Kind::kLetter) {
    from.letter_number = header.sequence;
    if (header.bytes) from.letter.append(payload.get(), header.bytes);
    if (payload) pool_.Give(std::move(payload));
    if (from.letter.size() == header.elements) {
      settings_.on_letter(peer, header.sequence, std::move(from.letter));
      from.letter.clear();
    }
  }
}

bool Switchboard::HasBegun(uint64_t channel, uint64_t sequence) const {
  const auto next = next_.find(channel);
  return next != next_.end() && sequence < next->second;
}

Switchboard::Call* Switchboard::Find(uint64_t channel, uint64_t sequence) {
  const auto id = ids_.find({channel, sequence});
  return id == ids_.end() ? nullptr : &calls_.at(id->second);
}

// Mixes what can be mixed, and tells peers of the room that made.
void Switchboard::Pump(uint64_t id, Call* call) {
  if (call->ended) return;
  Exchange& exchange = call->exchange;
  exchange.Advance(&freed_);
  for (Block& block : freed_) pool_.Give(std::move(block));
  freed_.clear();
  for (int round = 0; round < exchange.rounds(); ++round) {
    for (Incoming& in : exchange.incoming(round)) Grant(call, round, &in);
    for (Outgoing& out : exchange.outgoing(round)) {
      if (exchange.CanTake(round, out)) eager_.insert(out.peer);
    }
  }
  if (exchange.Finished()) ended_.insert(id);
}

void Switchboard::Grant(Call* call, int round, Incoming* in) {
  if (in->lost || in->closed) return;
  const uint32_t chunks = call->exchange.chunks();
  uint32_t& window = peers_[in->peer].window;
  // The peer has waited for credit though all that is here is mixed: the way holds more than the window.
  if (in->starves && in->mixed == in->received) {
    in->starves = false;
    if ((ChunksGranted() + window) * kChunkBytes <= settings_.memory) window *= 2;
  }
  const uint64_t most = settings_.memory / kChunkBytes, granted = ChunksGranted();
  const bool has_none = in->limit == in->mixed;  // each stream may have one chunk, or calls might wait for each other
  const uint32_t room = static_cast<uint32_t>(std::max<uint64_t>(most > granted ? most - granted : 0, has_none));
  const uint32_t limit = std::min({chunks, in->mixed + window, in->limit + room});
  Flow& flow = peers_[in->peer].flows[call->channel];
  if (in->mixed == chunks) {
    in->closed = true;
    ++flow.finished;
  }
  const bool more = limit > in->limit && (has_none || limit - in->limit >= std::min(window / 2, chunks - in->limit));
  if (!more && flow.finished - flow.told < kOpenStreams / 2) return;
  if (more) in->limit = limit;
  flow.told = flow.finished;
  Header credit = call->exchange.Describe(round);
  credit.kind = Kind::kCredit;
  credit.chunk = in->limit;
  credit.elements = flow.finished;
  Tell(in->peer, credit);
}

// Chunks that peers have been told they may send, and that are not mixed yet.
uint64_t Switchboard::ChunksGranted() const {
  uint64_t granted = 0;
  for (const auto& item : calls_) {
    if (!item.second.ended) granted += item.second.exchange.Granted();
  }
  return granted;
}

}  // namespace tfdgan
