// The part of the switchboard that looks at peers: what to send to them, when they are late or lost, how calls end.
#include <algorithm>
#include <sstream>

#include "one_line.h"
#include "switchboard.h"

namespace tfdgan {

void Switchboard::SendLetter(int peer, uint64_t number, std::shared_ptr<const std::string> letter) {
  if (peers_[peer].lost) return;
  size_t offset = 0;
  do {
    Header header;
    header.kind = Kind::kLetter;
    header.sequence = number;
    header.elements = letter->size();
    header.bytes = static_cast<uint32_t>(std::min<size_t>(kChunkBytes, letter->size() - offset));
    Tell(peer, header, letter, offset);
    offset += header.bytes;
  } while (offset < letter->size());
}

void Switchboard::SayEnd(int peer) {
  Header end;
  end.kind = Kind::kEnd;
  Tell(peer, end);
}

void Switchboard::Tell(int p, const Header& header, std::shared_ptr<const std::string> body, size_t offset) {
  Peer& peer = peers_[p];
  if (peer.lost) return;
  peer.control.push_back({header, std::move(body), offset});
  eager_.insert(p);
}

Exchange* Switchboard::FindExchange(uint64_t id) {
  const auto call = calls_.find(id);
  if (call != calls_.end()) return &call->second.exchange;
  const auto kept = kept_.find(id);
  return kept == kept_.end() ? nullptr : &kept->second;
}

void Switchboard::Fill(int p, Session* session) {
  Peer& peer = peers_[p];
  for (; !peer.control.empty() && !session->full(); peer.control.pop_front()) {
    Control& control = peer.control.front();
    session->Add(control.header, std::move(control.body), control.offset);
  }
  for (auto item = peer.sending.begin(); item != peer.sending.end() && !session->full();) {
    const auto found = calls_.find(item->first);
    if (found == calls_.end() || found->second.ended) {
      item = peer.sending.erase(item);
      continue;
    }
    Call& call = found->second;
    const int round = item->second;
    Outgoing* const out = call.exchange.To(round, p);
    Flow& flow = peer.flows[call.channel];
    if (!out->open && call.exchange.CanTake(round, *out) && flow.opened - flow.reported < kOpenStreams) {
      out->open = true;
      ++flow.opened;
    }
    while (out->open && call.exchange.CanTake(round, *out) && !session->full()) {
      Header header = call.exchange.Describe(round);
      header.chunk = out->taken;
      std::vector<iovec> pieces;
      header.bytes = call.exchange.Take(round, out, &pieces);
      header.starves = out->taken == out->limit && out->taken < call.exchange.chunks();
      session->AddData(header, std::move(pieces), {found->first, round});
    }
    item = out->taken == call.exchange.chunks() ? peer.sending.erase(item) : std::next(item);
  }
}

void Switchboard::Written(int peer, const std::vector<Session::Sent>& sent) {
  const auto now = Clock::now();
  for (const Session::Sent& one : sent) {
    Exchange* const exchange = FindExchange(one.exchange);
    if (!exchange) continue;
    Outgoing* const out = exchange->To(one.round, peer);
    ++out->written;
    out->moved = now;
    if (exchange->Finished()) ended_.insert(one.exchange);
  }
}

void Switchboard::Arrived(int peer, const std::vector<Session::Sent>& sent) {
  for (const Session::Sent& one : sent) {
    Exchange* const exchange = FindExchange(one.exchange);
    if (!exchange) continue;  // of a peer that is lost
    ++exchange->To(one.round, peer)->arrived;
    if (!exchange->IsUnderWay()) kept_.erase(one.exchange);
  }
}

void Switchboard::Lose(int p, Code code, const std::string& why) {
  Peer& peer = peers_[p];
  if (peer.lost) return;
  peer.lost = true;
  peer.why = {code, why};
  losses_[p] = peer.why;
  parted_.insert(p);
  peer.control.clear();
  peer.sending.clear();
  for (auto& item : kept_) {
    for (int round = 0; round < item.second.rounds(); ++round) {
      if (Outgoing* const out = item.second.To(round, p)) out->arrived = out->taken;
    }
  }
  for (auto& item : calls_) {
    Call& call = item.second;
    bool concerned = false;
    for (int round = 0; round < call.exchange.rounds(); ++round) {
      if (Outgoing* const out = call.exchange.To(round, p)) out->arrived = out->taken;
    }
    for (int round = 0; round < call.exchange.rounds() && !call.ended; ++round) {
      Incoming* const in = call.exchange.From(round, p);
      Outgoing* const out = call.exchange.To(round, p);
      if (in && in->received < call.exchange.chunks()) concerned = in->lost = true;
      if (out && out->written < call.exchange.chunks()) concerned = out->lost = true;
    }
    if (!concerned) continue;
    if (settings_.degrade) {
      Pump(item.first, &call);
    } else {
      Fail(&call, Explain(call, p, code, why), {code, Who(p) + " " + why});
    }
  }
}

void Switchboard::GiveUp(int peer, const std::string& why) {
  if (peers_[peer].lost) return;
  Lose(peer, Code::kLate, why);
  Header drop;
  drop.kind = Kind::kDrop;
  if (settings_.degrade) peers_[peer].control.push_back({drop, nullptr, 0});  // a last word
}

void Switchboard::WasGivenUp(int peer) {
  static const std::string kGivenUp = "has given this learner up as late";
  FailAll({Code::kGone, "gossip: " + Who(peer) + " " + kGivenUp});
  Lose(peer, Code::kGivenUp, kGivenUp);
}

void Switchboard::HasEnded(int peer, const std::string& why) {
  Lose(peer, Code::kGone, why);
  losses_[peer] = peers_[peer].why = {Code::kGone, why};
}

void Switchboard::Readmit(int peer, const std::string& host) {
  settings_.hosts[peer] = host;
  for (auto& item : peers_[peer].early) {
    for (Block& block : item.second.waiting) pool_.Give(std::move(block));
  }
  peers_[peer] = Peer();
  losses_.erase(peer);
  parted_.erase(peer);
}

void Switchboard::CheckTime(Clock::time_point now) {
  std::map<int, std::string> late;
  std::set<int> awaited;
  bool waits = false;
  std::ostringstream seconds;
  seconds << std::chrono::duration<double>(settings_.timeout).count();
  for (auto& item : calls_) {
    Call& call = item.second;
    if (call.ended) continue;
    waits |= now - call.begun > settings_.timeout / 4;
    const uint32_t chunks = call.exchange.chunks();
    for (int round = 0; round < call.exchange.rounds(); ++round) {
      for (Incoming& in : call.exchange.incoming(round)) {
        if (!call.exchange.Awaits(round, in)) {
          in.heard = now;
          continue;
        }
        awaited.insert(in.peer);
        if (now - in.heard > settings_.timeout) {
          late[in.peer] = "is late: nothing came for " + seconds.str() + " s, " + std::to_string(in.received) + " of " +
                          std::to_string(chunks) + " chunks are here";
        }
      }
      for (Outgoing& out : call.exchange.outgoing(round)) {
        if (!call.exchange.WaitsForPeer(round, out)) {
          out.moved = now;
        } else if (now - out.moved > settings_.timeout) {
          late[out.peer] = "is late: it took nothing for " + seconds.str() + " s, " + std::to_string(out.written) +
                           " of " + std::to_string(chunks) + " chunks were sent";
        }
      }
    }
  }
  for (const auto& item : late) {
    const bool found = settings_.is_found(item.first);
    // The peer is not told: the learners have yet to agree on who goes on.
    Lose(item.first, Code::kLate,
         found ? item.second : "has not connected to " + settings_.place + " for " + seconds.str() + " s");
  }
  if (waits && now - last_hold_ > settings_.timeout / 4) {
    last_hold_ = now;
    Header hold;
    hold.kind = Kind::kHold;
    for (size_t p = 0; p < peers_.size(); ++p) {
      Peer& peer = peers_[p];
      const bool known = !peer.flows.empty() || !peer.early.empty();
      if (peer.lost || !known || awaited.count(static_cast<int>(p))) continue;
      if (!peer.control.empty() && peer.control.back().header.kind == Kind::kHold) continue;  // it does not read
      Tell(static_cast<int>(p), hold);
    }
  }
}

void Switchboard::Excuse(Clock::duration pause, Clock::time_point now) {
  for (auto& item : calls_) {
    Call& call = item.second;
    call.begun = std::min(now, call.begun + pause);
    for (int round = 0; round < call.exchange.rounds(); ++round) {
      for (Incoming& in : call.exchange.incoming(round)) in.heard = std::min(now, in.heard + pause);
      for (Outgoing& out : call.exchange.outgoing(round)) out.moved = std::min(now, out.moved + pause);
    }
  }
}

void Switchboard::Settle() {
  while (!ended_.empty()) {
    const uint64_t id = *ended_.begin();
    ended_.erase(ended_.begin());
    const auto found = calls_.find(id);
    if (found == calls_.end() || !(found->second.ended || found->second.exchange.Finished())) continue;
    Call call = std::move(found->second);
    calls_.erase(found);
    ids_.erase({call.channel, call.sequence});
    if (call.ended) Forget(call.channel, call.sequence);
    call.exchange.Finish(call.status);
    if (call.exchange.IsUnderWay()) kept_.emplace(id, std::move(call.exchange));
  }
  for (auto item = kept_.begin(); item != kept_.end();) {
    item = item->second.IsUnderWay() ? std::next(item) : kept_.erase(item);
  }
}

// What came early for a call that has failed as it began.
void Switchboard::Forget(uint64_t channel, uint64_t sequence) {
  const Key first{channel, sequence, 0}, end{channel, sequence + 1, 0};
  for (size_t p = 0; p < peers_.size(); ++p) {
    auto& early = peers_[p].early;
    const auto until = early.lower_bound(end);
    for (auto item = early.lower_bound(first); item != until; item = early.erase(item)) {
      for (Block& block : item->second.waiting) pool_.Give(std::move(block));
      CountFinished(static_cast<int>(p), channel, sequence);
    }
    auto& credit = peers_[p].early_credit;
    credit.erase(credit.lower_bound(first), credit.lower_bound(end));
    peers_[p].early_failures.erase({channel, sequence});
  }
}

void Switchboard::FailAll(const Status& status) {
  if (failed_.ok()) failed_ = status;
  for (auto& item : calls_) End(&item.second, status);
}

void Switchboard::End(Call* call, const Status& status) {
  if (call->ended) return;
  call->ended = true;
  call->status = status;
  for (int round = 0; round < call->exchange.rounds(); ++round) {
    for (Incoming& in : call->exchange.incoming(round)) {
      if (in.received && !in.closed) CountFinished(in.peer, call->channel, call->sequence);
      in.closed = true;
    }
  }
  ended_.insert(ids_.at({call->channel, call->sequence}));
}

void Switchboard::Fail(Call* call, const Status& status, const Status& cause) {
  if (call->ended) return;
  End(call, status);
  std::set<int> others;
  for (int round = 0; round < call->exchange.rounds(); ++round) {
    for (const Incoming& in : call->exchange.incoming(round)) others.insert(in.peer);
    for (const Outgoing& out : call->exchange.outgoing(round)) others.insert(out.peer);
  }
  const auto why = std::make_shared<const std::string>(OneLine(cause.message, kLongestReason));
  Header header;
  header.kind = Kind::kFailed;
  header.type = static_cast<uint8_t>(cause.code);
  header.bytes = static_cast<uint32_t>(why->size());
  header.channel = call->channel;
  header.sequence = call->sequence;
  for (int p : others) Tell(p, header, why);
}

// What a peer's failed call means for this learner's: nothing if all that it owed is here.
void Switchboard::PeerFailed(Call* call, int p, const Status& cause) {
  if (call->ended) return;
  bool owed = false;
  for (int round = 0; round < call->exchange.rounds(); ++round) {
    const Incoming* const in = call->exchange.From(round, p);
    Outgoing* const out = call->exchange.To(round, p);
    owed |= in && in->received < call->exchange.chunks();
    if (!out || out->written == call->exchange.chunks()) continue;
    if (out->taken > out->written) {
      owed = true;
    } else {  // nobody wants it any more
      out->lost = true;
    }
  }
  if (owed) {
    Fail(call, Explain(*call, p, cause.code, "has failed in this call: " + cause.message), cause);
  } else {
    Pump(ids_.at({call->channel, call->sequence}), call);
  }
}

// A stream of a call that has failed is over too, or its sender could open no more in the end.
void Switchboard::CountFinished(int peer, uint64_t channel, uint64_t sequence) {
  Flow& flow = peers_[peer].flows[channel];
  if (++flow.finished - flow.told < kOpenStreams / 2 || peers_[peer].lost) return;
  flow.told = flow.finished;
  Header credit;
  credit.kind = Kind::kCredit;
  credit.channel = channel;
  credit.sequence = sequence;
  credit.elements = flow.finished;
  Tell(peer, credit);
}

std::string Switchboard::Who(int peer) const {
  return "learner " + std::to_string(peer) + " on " + settings_.hosts[peer];
}

Status Switchboard::Explain(const Call& call, int peer, Code code, const std::string& why) const {
  return {code, "gossip: " + Who(peer) + " " + why + "; at step " + std::to_string(call.exchange.step()) +
                    " on channel " + call.exchange.channel_name() + " " + Who(settings_.rank) + " expected " +
                    call.exchange.Expected()};
}

}  // namespace tfdgan
