// One connected socket that carries frames both ways, never blocking.
#ifndef TFDGAN_TRANSPORT_LINK_H_
#define TFDGAN_TRANSPORT_LINK_H_

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "frame.h"

namespace tfdgan {

// Blocks that are used again, the last returned first, while it is still in the cache.
class Pool {
 public:
  Block Get();
  void Give(Block block);

 private:
  std::vector<Block> free_;
};

// Frames under way to a socket. Pieces point at headers here and at memory that lives until they are written.
class Outbox {
 public:
  struct Sent {
    uint64_t exchange;
    int round;
  };

  bool empty() const { return next_ == pieces_.size(); }
  // Enough for one system call.
  bool full() const { return bytes_ >= 256 * 1024 || pieces_.size() >= 512; }
  void AddControl(const Header& header, std::shared_ptr<const std::string> body, size_t offset);
  // `pieces` holds the payload, header.bytes of it.
  void AddData(const Header& header, const std::vector<iovec>& pieces, Sent sent);
  // Sends what the socket takes. Returns the bytes it took, or -1 with errno.
  ssize_t Write(int socket);
  const std::vector<Sent>& sent() const { return sent_; }
  void Clear();

 private:
  std::deque<Header> headers_;
  std::vector<std::shared_ptr<const std::string>> bodies_;
  std::vector<iovec> pieces_;
  std::vector<Sent> sent_;
  size_t next_ = 0, bytes_ = 0;
};

enum class Verdict { kKeep, kDiscard, kRefuse };

// Why a connection ends on which something came that this protocol does not have.
constexpr char kBrokeProtocol[] = "it broke the protocol";

class Link {
 public:
  // Who decides about frames that come.
  class Reader {
   public:
    virtual ~Reader() = default;
    // On a header, before memory is taken for its payload. kRefuse ends the connection.
    virtual Verdict Admit(int peer, const Header& header) = 0;
    virtual void Deliver(int peer, const Header& header, Block payload) = 0;
  };

  Link(int socket, int peer) : socket_(socket), peer_(peer) {}
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int socket() const { return socket_; }
  int peer() const { return peer_; }
  Outbox& outbox() { return outbox_; }
  uint32_t awaited = 0;  // the events that epoll watches for

  // Reads what is there, up to a limit that keeps other connections served. Empty if all is well, else why the
  // connection ends.
  std::string Read(Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes);
  // From now on sends so that payload, headers and the other way's acknowledgements fill at most `rate` bytes/s of the
  // wire, and leaves little unsent in the kernel.
  void Pace(double rate);
  // Ends it so that what was sent still arrives.
  void CloseGently();

 private:
  bool Step(Reader* reader, Pool* pool, size_t* at, size_t* extra);

  const int socket_, peer_;
  Outbox outbox_;
  Header header_;
  size_t header_read_ = 0;
  Block payload_, ahead_;
  size_t payload_read_ = 0;
  bool in_payload_ = false, discards_ = false;
  double rate_ = 0;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_LINK_H_
