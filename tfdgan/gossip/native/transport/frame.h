// What travels between two learners that have proved themselves: frames, a header and a payload each.
#ifndef TFDGAN_TRANSPORT_FRAME_H_
#define TFDGAN_TRANSPORT_FRAME_H_

#include <cstdint>
#include <string>

#include "number_types.h"

namespace tfdgan {

constexpr uint32_t kMagic = 0x67646674;           // "tfdg"
constexpr uint32_t kChunkBytes = 256 * 1024;      // payload of every DATA frame but a stream's last
constexpr uint32_t kEagerChunks = 1;              // may be sent before the receiver's call has begun
constexpr uint32_t kWindowChunks = 16;            // may be unmixed at the receiver once it has, to begin with
constexpr uint32_t kOpenStreams = 8;              // a channel's streams to a peer beyond those it reported as finished
constexpr uint64_t kLongestLetter = 64ull << 20;  // bytes
constexpr int kMostLetters = 8;                   // of a peer, untaken
constexpr uint64_t kMostLetterBytes = 2 * kLongestLetter;  // in these
constexpr size_t kMostFrames = 1 << 16;                    // to a peer that it has not acknowledged
constexpr uint32_t kLongestReason = 400;                   // bytes of a call's error that its peers are told

enum class Kind : uint8_t {
  kData = 1,    // a chunk of a stream
  kCredit = 2,  // `chunk`: the stream may be sent up to this chunk; `elements`: the channel's finished streams
  kHold = 3,    // the sender is alive and itself waits for others
  kDrop = 4,    // the sender has given the receiver up
  kLetter = 5,  // a piece of a letter: `sequence` its number, `elements` its bytes in all
  kPulse = 6,   // the sender's process runs; the one kind that is not counted, kept and sent again
  kFailed = 7,  // a call of the sender has failed; `type`: the code, payload: why
  kEnd = 8,     // the sender ends in good order
};

// In the byte order of the hosts, which must be little-endian. A stream is what one peer sends for one gossip round
// of one call: (channel, sequence, round).
struct Header {
  uint32_t magic = kMagic;
  Kind kind = Kind::kData;
  uint8_t type = 0, wire = 0;
  uint8_t starves = 0;  // 1: the last chunk that the receiver's credit allows, and there are more
  uint32_t bytes = 0;   // of payload
  uint32_t chunk = 0;
  uint16_t round = 0, rounds = 0;
  // Of DATA: 0: the payload follows; else where it lies on the sender's shelf, counted from 1. Of PULSE: 1: the
  // receiver's shelf has come.
  uint32_t slot = 0;
  uint64_t channel = 0;   // hash of the channel's name
  uint64_t sequence = 0;  // the call's number on its channel
  int64_t step = 0;
  uint64_t elements = 0;  // of the whole stream
  uint64_t shapes = 0;    // hash of the tensors' shapes
  uint64_t received = 0;  // counted frames of the other way that are here, all in order
};
static_assert(sizeof(Header) == 72, "the header is sent as it lies in memory");
#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian");
#endif

inline uint64_t HashOf(const std::string& text) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

inline uint32_t ElementsPerChunk(Type wire) { return kChunkBytes / static_cast<uint32_t>(SizeOf(wire)); }

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_FRAME_H_
