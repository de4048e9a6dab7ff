// What two learners have sent each other, whatever connections carry it: frames in order, each exactly once.
//
// Frames are counted, those that come and those that go. A frame stays here until the peer says that it has it; when a
// connection has broken, the next one begins with the frames that the peer lacks.
#ifndef TFDGAN_TRANSPORT_SESSION_H_
#define TFDGAN_TRANSPORT_SESSION_H_

#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "frame.h"

namespace tfdgan {

using Clock = std::chrono::steady_clock;

inline Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

using SessionId = std::array<uint8_t, 16>;  // drawn by the learner of lower rank; zeros: none yet

class Session {
 public:
  // The stream that a DATA frame belongs to.
  struct Sent {
    uint64_t exchange;
    int round;
  };
  struct Frame {
    Header header;
    std::shared_ptr<const std::string> body;  // of control frames: keeps the payload
    std::vector<iovec> pieces;                // the payload, in memory that stays until the peer has the frame
    Sent sent{0, -1};
    bool was_written = false;
    bool counts() const { return header.kind != Kind::kPulse; }
  };

  void Add(const Header& header, std::shared_ptr<const std::string> body, size_t offset);
  void AddData(const Header& header, std::vector<iovec> pieces, Sent sent);

  // Frames to be written, oldest first. The first ones may be under way.
  std::deque<Frame>& queue() { return queue_; }
  bool HasNothingToWrite() const { return queue_.empty(); }
  // Enough is waiting for one system call.
  bool full() const { return waiting_ >= kChunkBytes || queue_.size() >= 256; }
  // The first `count` frames of the queue are with the kernel. Streams that this had not been said of before go to
  // `sent`.
  void Written(size_t count, std::vector<Sent>* sent);
  // Whether the peer may say that it has `received` frames.
  bool CanHave(uint64_t received) const {
    return received >= acknowledged_ && received - acknowledged_ <= kept_.size();
  }
  // The peer has `received` frames. Streams of those it did not have before go to `arrived`. False if that cannot be.
  bool Acknowledge(uint64_t received, std::vector<Sent>* arrived);
  // There is a new connection: what the peer has not got is to be written again. Else as Acknowledge.
  bool Resume(uint64_t received, std::vector<Sent>* arrived);
  // The peer is lost: nothing is to be written any more.
  void Clear();

  // A frame that counts has come.
  void Received(uint32_t bytes);
  uint64_t received() const { return received_; }
  // The same, which is now told to the peer.
  uint64_t TellReceived() {
    untold_bytes_ = 0;
    return told_ = received_;
  }
  // When the peer has to be told of what has come at the latest: soon, or it keeps memory for long.
  Clock::time_point told_by() const;
  // Since when the peer owes an acknowledgement; the far future if it owes none.
  Clock::time_point waits_since() const { return kept_.empty() ? Clock::time_point::max() : waits_since_; }
  size_t frames() const { return queue_.size() + kept_.size(); }    // that the peer has not acknowledged
  bool IsQuiet() const { return queue_.empty() && kept_.empty(); }  // the peer has everything

  SessionId id{};

 private:
  std::deque<Frame> queue_;
  std::deque<Frame> kept_;  // written, not acknowledged
  size_t waiting_ = 0;      // bytes in queue_
  uint64_t acknowledged_ = 0, received_ = 0, told_ = 0, untold_bytes_ = 0;
  Clock::time_point untold_since_, waits_since_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SESSION_H_
