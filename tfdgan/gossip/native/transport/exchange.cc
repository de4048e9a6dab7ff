#include "exchange.h"

#include <algorithm>
#include <cstring>

namespace tfdgan {
namespace {

constexpr size_t kMostOfShapes = 100;  // characters in an error

template <typename List>
auto* Find(List& list, int peer) {
  const auto found = std::find_if(list.begin(), list.end(), [peer](const auto& item) { return item.peer == peer; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

Exchange::Exchange(Request request, uint64_t channel, uint64_t sequence)
    : request_(std::move(request)),
      channel_(channel),
      sequence_(sequence),
      shapes_(HashOf(request_.shapes)),
      per_chunk_(ElementsPerChunk(request_.wire)),
      rounds_(request_.rounds.size()),
      sum_type_(request_.type == Type::kFloat64 ? Type::kFloat64 : Type::kFloat32) {
  for (size_t count : request_.counts) {
    begins_.push_back(elements_);
    elements_ += count;
  }
  chunks_ = static_cast<uint32_t>((elements_ + per_chunk_ - 1) / per_chunk_);
  if (rounds_.size() > 1 && request_.type != sum_type_) between_.resize(elements_ * SizeOf(sum_type_));
  for (size_t r = 0; r < rounds_.size(); ++r) {
    const Round& round = request_.rounds[r];
    if (r || request_.wire != request_.type) rounds_[r].sends.resize(elements_ * SizeOf(request_.wire));
    for (int peer : round.send_to) {
      rounds_[r].out.emplace_back();
      rounds_[r].out.back().peer = peer;
    }
    for (size_t i = 0; i < round.receive_from.size(); ++i) {
      rounds_[r].in.emplace_back();
      rounds_[r].in.back().peer = round.receive_from[i];
      rounds_[r].in.back().weight = round.weights[i];
    }
  }
}

Header Exchange::Describe(int round) const {
  Header header;
  header.type = static_cast<uint8_t>(request_.type);
  header.wire = static_cast<uint8_t>(request_.wire);
  header.round = static_cast<uint16_t>(round);
  header.rounds = static_cast<uint16_t>(rounds_.size());
  header.channel = channel_;
  header.sequence = sequence_;
  header.step = request_.step;
  header.elements = elements_;
  header.shapes = shapes_;
  return header;
}

std::string Exchange::Expected() const {
  return std::to_string(elements_) + " numbers of " + NameOf(request_.type) + " in " +
         std::to_string(request_.counts.size()) + " tensors" +
         (request_.shapes.empty() ? "" : " of shapes " + request_.shapes.substr(0, kMostOfShapes)) + ", sent as " +
         NameOf(request_.wire);
}

Incoming* Exchange::From(int round, int peer) { return Find(rounds_[round].in, peer); }
Outgoing* Exchange::To(int round, int peer) { return Find(rounds_[round].out, peer); }

template <typename F>
void Exchange::EachPart(uint32_t chunk, F f) const {
  size_t at = chunk * per_chunk_;
  const size_t end = at + CountOf(chunk);
  size_t tensor = std::upper_bound(begins_.begin(), begins_.end(), at) - begins_.begin() - 1;
  for (; at < end; ++tensor) {
    const size_t first = at - begins_[tensor], count = std::min(request_.counts[tensor] - first, end - at);
    if (count) f(tensor, first, count);
    at += count;
  }
}

size_t Exchange::CountOf(uint32_t chunk) const { return std::min(per_chunk_, elements_ - chunk * per_chunk_); }

bool Exchange::CanTake(int round, const Outgoing& out) const {
  return !out.lost && out.taken < std::min(out.limit, Computed(round));
}

bool Exchange::Awaits(int round, const Incoming& in) const {
  return !in.lost && in.received < chunks_ && in.waiting.empty() && Computed(round) > rounds_[round].mixed;
}

bool Exchange::WaitsForPeer(int round, const Outgoing& out) const {
  return !out.lost && (out.taken > out.written || out.taken < Computed(round));
}

uint32_t Exchange::Take(int round, Outgoing* out, std::vector<iovec>* pieces) {
  const uint32_t chunk = out->taken++;
  const size_t width = SizeOf(request_.wire);
  if (!rounds_[round].sends.empty()) {
    if (!round) sum_type_ == Type::kFloat64 ? EncodeFirstRound<double>(chunk + 1) : EncodeFirstRound<float>(chunk + 1);
    pieces->push_back({rounds_[round].sends.data() + chunk * per_chunk_ * width, CountOf(chunk) * width});
  } else {
    EachPart(chunk, [&](size_t tensor, size_t first, size_t count) {
      char* const begin =
          const_cast<char*>(static_cast<const char*>(request_.inputs[tensor])) + first * width;  // only read
      if (!pieces->empty() && static_cast<char*>(pieces->back().iov_base) + pieces->back().iov_len == begin) {
        pieces->back().iov_len += count * width;
      } else {
        pieces->push_back({begin, count * width});
      }
    });
  }
  return static_cast<uint32_t>(CountOf(chunk) * width);
}

template <typename A>
void Exchange::EncodeFirstRound(uint32_t until) {
  A room[512];
  for (; encoded_chunks_ < until; ++encoded_chunks_) {
    char* to = rounds_[0].sends.data() + encoded_chunks_ * per_chunk_ * SizeOf(request_.wire);
    EachPart(encoded_chunks_, [&](size_t tensor, size_t first, size_t count) {
      const char* from = static_cast<const char*>(request_.inputs[tensor]) + first * SizeOf(request_.type);
      for (size_t n; count; count -= n) {
        n = std::min(count, sizeof room / sizeof *room);
        Widen(from, request_.type, room, n);
        Narrow(room, request_.wire, to, n);
        from += n * SizeOf(request_.type);
        to += n * SizeOf(request_.wire);
      }
    });
  }
}

bool Exchange::CanMix(int round) const {
  const RoundState& state = rounds_[round];
  const uint32_t chunk = state.mixed;
  if (chunk == chunks_ || Computed(round) <= chunk) return false;
  for (const Incoming& in : state.in) {
    if (!in.lost && in.waiting.empty()) return false;
  }
  return true;
}

template <typename A>
void Exchange::MixChunk(int round, std::vector<Block>* freed) {
  RoundState& state = rounds_[round];
  const uint32_t chunk = state.mixed;
  const size_t base = chunk * per_chunk_, width = SizeOf(request_.wire);
  const bool last = round + 1 == rounds(), narrow_outputs = request_.type != sum_type_;
  if (!round && !state.sends.empty()) EncodeFirstRound<A>(chunk + 1);
  EachPart(chunk, [&](size_t tensor, size_t first, size_t count) {
    const size_t flat = begins_[tensor] + first;
    char* const output = static_cast<char*>(request_.outputs[tensor]) + first * SizeOf(request_.type);
    char* const between = between_.empty() ? nullptr : between_.data() + flat * sizeof(A);
    const void* x = static_cast<const char*>(request_.inputs[tensor]) + first * SizeOf(request_.type);
    if (round) x = narrow_outputs ? between : output;
    const void* const own = state.sends.empty() ? x : state.sends.data() + flat * width;
    const bool to_between = !last && narrow_outputs;
    void* const out = to_between ? between : output;
    terms_.clear();
    for (const Incoming& in : state.in) {
      if (!in.waiting.empty()) terms_.push_back({in.waiting.front().get() + (flat - base) * width, in.weight});
    }
    Mix<A>(x, round ? sum_type_ : request_.type, own, terms_, request_.wire, out,
           to_between ? sum_type_ : request_.type, count);
    if (!last) Narrow(static_cast<const A*>(out), request_.wire, rounds_[round + 1].sends.data() + flat * width, count);
  });
  Free(&state, freed);
}

void Exchange::GatherChunk(std::vector<Block>* freed) {
  RoundState& state = rounds_[0];
  const size_t base = state.mixed * per_chunk_;
  EachPart(state.mixed, [&](size_t tensor, size_t first, size_t count) {
    if (state.in.empty()) return;
    char* to = static_cast<char*>(request_.outputs[tensor]) + first;
    for (const Incoming& in : state.in) {
      if (in.waiting.empty()) {
        std::memset(to, 0, count);  // lost
      } else {
        std::memcpy(to, in.waiting.front().get() + (begins_[tensor] + first - base), count);
      }
      to += request_.counts[tensor];
    }
  });
  Free(&state, freed);
}

// The present chunk is done with.
void Exchange::Free(RoundState* state, std::vector<Block>* freed) {
  for (Incoming& in : state->in) {
    if (in.waiting.empty()) continue;
    freed->push_back(std::move(in.waiting.front()));
    in.waiting.pop_front();
    ++in.mixed;
  }
  ++state->mixed;
}

void Exchange::Advance(std::vector<Block>* freed) {
  for (int round = 0; round < rounds(); ++round) {
    while (CanMix(round)) {
      if (request_.gathers) {
        GatherChunk(freed);
        continue;
      }
      sum_type_ == Type::kFloat64 ? MixChunk<double>(round, freed) : MixChunk<float>(round, freed);
    }
  }
}

bool Exchange::Finished() const {
  return std::all_of(rounds_.begin(), rounds_.end(), [this](const RoundState& state) {
    return state.mixed == chunks_ && std::all_of(state.out.begin(), state.out.end(), [this](const Outgoing& out) {
             return out.lost || out.written == chunks_;
           });
  });
}

uint64_t Exchange::Granted() const {
  uint64_t granted = 0;
  for (const RoundState& state : rounds_) {
    for (const Incoming& in : state.in) granted += in.lost || in.limit < in.mixed ? 0 : in.limit - in.mixed;
  }
  return granted;
}

bool Exchange::IsUnderWay() const {
  return std::any_of(rounds_.begin(), rounds_.end(), [](const RoundState& state) {
    return std::any_of(state.out.begin(), state.out.end(), [](const Outgoing& out) { return out.arrived < out.taken; });
  });
}

}  // namespace tfdgan
