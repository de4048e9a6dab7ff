// One connected socket that carries a session's frames both ways, never blocking.
#ifndef TFDGAN_TRANSPORT_LINK_H_
#define TFDGAN_TRANSPORT_LINK_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "block.h"
#include "seal.h"
#include "session.h"
#include "shelf.h"

namespace tfdgan {

enum class Verdict { kKeep, kDiscard, kRefuse };

// Why a connection ends on which something came that this protocol does not have.
constexpr char kBrokeProtocol[] = "it broke the protocol";
// The same where frames are sealed: anybody on the way may have changed them.
constexpr char kBrokenSeal[] = "what came was not what it sent";

class Link {
 public:
  // Who decides about frames that come.
  class Reader {
   public:
    virtual ~Reader() = default;
    // On a header, before memory is taken for its payload if frames are not sealed. kRefuse ends the connection.
    virtual Verdict Admit(int peer, const Header& header) = 0;
    virtual void Deliver(int peer, const Header& header, Block payload) = 0;
    // A frame that was to be discarded has come whole.
    virtual void Discarded(int peer, const Header& header) = 0;
    // Chunks of these streams have arrived at the peer.
    virtual void Arrived(int peer, const std::vector<Session::Sent>& sent) = 0;
  };

  // Over a socket that stays on this host, frames that are not sealed go by shared memory where they are large.
  Link(int socket, int peer, Seal seal);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int socket() const { return socket_; }
  int peer() const { return peer_; }
  uint32_t awaited = 0;  // the events that epoll watches for

  enum class Progress { kIdle, kBlocked, kBroken };
  // Sends what the socket takes of the queue. kIdle: all of it is with the kernel. `sent`: as Session::Written.
  Progress Write(Session* session, std::vector<Session::Sent>* sent, std::atomic<uint64_t>* bytes);
  // True if the other end's system has all that was sent.
  bool HasArrived() const;
  // True between frames: nothing is half sent.
  bool IsBetweenFrames() const { return next_ == pieces_.size(); }
  // Reads what is there, up to a limit that keeps other connections served. Empty if all is well, else why the
  // connection ends.
  std::string Read(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes);
  // From now on sends so that payload, headers and the other way's acknowledgements fill at most `rate` bytes/s of the
  // wire, and leaves little unsent in the kernel.
  void Pace(double rate);
  // Ends it so that what was sent still arrives.
  void CloseGently();
  // Bytes that its key has sealed.
  uint64_t sealed() const { return seal_.used(); }

 private:
  static constexpr int kReadsInARow = 16;
  static constexpr size_t kBatch = 256 * 1024;  // bytes for one system call
  static constexpr size_t kMostPieces = 1024;   // IOV_MAX
  static constexpr size_t kAhead = 64 * 1024;   // bytes read at once where frames are small

  struct Envelope {  // of a sealed frame
    uint32_t length;
    uint8_t tag[kTagBytes];
  };

  bool Load(Session* session);
  uint32_t LayOnShelf(const Session::Frame& frame);
  ssize_t Send(msghdr* message);
  ssize_t Receive(msghdr* message, Session* session);
  bool IsSlot(const Header& header) const;
  bool Acknowledge(Session* session, Reader* reader, uint64_t received);
  bool LoadAuthenticated(Session* session);
  bool LoadEncrypted(Session* session);
  std::string ReadPlain(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes);
  std::string ReadSealed(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes);
  std::string Step(Session* session, Reader* reader, Pool* pool, size_t extra);
  std::string Open(Session* session, Reader* reader, Pool* pool, const char* bytes, size_t count);
  void Take(Session* session, Reader* reader, Pool* pool, Verdict verdict, const Header& header, Block payload);

  const int socket_, peer_;
  Seal seal_;
  const bool shares_;
  std::shared_ptr<Shelf> lays_, takes_;   // where payloads go to and come from
  bool tried_ = false, may_lay_ = false;  // to make lays_; the peer has said that it has that
  int untold_ = -1;                       // the descriptor of lays_ that the peer was not sent yet

  // Going out: frames at the front of the session's queue.
  std::vector<iovec> pieces_, frame_;
  size_t next_ = 0;
  std::deque<uint64_t> ends_;                     // of each frame: bytes of this connection
  uint64_t loaded_ = 0, written_ = 0, laid_ = 0;  // laid_: on the shelf, of the batch that goes out
  std::deque<Envelope> envelopes_;
  // Of encrypted frames: what goes out next, and how far the frame at the end of it is sealed.
  std::vector<char> sealed_;
  size_t frame_piece_ = 0, frame_at_ = 0;
  bool in_frame_ = false;

  // Coming in.
  Header header_;
  size_t header_read_ = 0;
  Block payload_;
  size_t payload_read_ = 0;
  bool in_payload_ = false;
  Verdict verdict_ = Verdict::kKeep;
  std::vector<char> ahead_;  // read, and not yet looked at
  uint32_t length_ = 0;      // of the sealed frame that comes
  uint8_t tag_[kTagBytes];
  size_t record_read_ = 0;  // of its length, itself and its tag
  std::vector<Session::Sent> arrived_;
  uint64_t lent_ = 0;  // bytes that came by shared memory
  double rate_ = 0;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_LINK_H_
