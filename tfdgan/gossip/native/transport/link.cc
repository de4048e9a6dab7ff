#include "link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tfdgan {
namespace {

constexpr size_t kFreeBlocks = 128;
constexpr int kReadsInARow = 32;
constexpr int kHeaders = 90;         // bytes a frame: TCP with timestamps, IPv4, Ethernet with preamble and gap
constexpr double kRoom = 0.99;       // so that a queue that there is anyhow becomes shorter
constexpr double kUnsent = 128 * 1024;    // bytes that wait in a socket, or
constexpr double kUnsentSeconds = 5e-3;  // what leaves meanwhile: while it does, the thread may be mixing

}  // namespace

Block Pool::Get() {
  if (free_.empty()) return Block(new char[kChunkBytes]);
  Block block = std::move(free_.back());
  free_.pop_back();
  return block;
}

void Pool::Give(Block block) {
  if (block && free_.size() < kFreeBlocks) free_.push_back(std::move(block));
}

void Outbox::AddControl(const Header& header, std::shared_ptr<const std::string> body, size_t offset) {
  headers_.push_back(header);
  pieces_.push_back({&headers_.back(), sizeof header});
  if (header.bytes) pieces_.push_back({const_cast<char*>(body->data()) + offset, header.bytes});  // only read
  bodies_.push_back(std::move(body));
  bytes_ += sizeof header + header.bytes;
}

void Outbox::AddData(const Header& header, const std::vector<iovec>& pieces, Sent sent) {
  headers_.push_back(header);
  pieces_.push_back({&headers_.back(), sizeof header});
  pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  sent_.push_back(sent);
  bytes_ += sizeof header + header.bytes;
}

ssize_t Outbox::Write(int socket) {
  msghdr message{};
  message.msg_iov = pieces_.data() + next_;
  message.msg_iovlen = std::min<size_t>(pieces_.size() - next_, 1024);  // IOV_MAX
  const ssize_t written = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  for (size_t left = written > 0 ? written : 0; left;) {
    iovec& piece = pieces_[next_];
    const size_t part = std::min(left, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + part;
    piece.iov_len -= part;
    left -= part;
    if (!piece.iov_len) ++next_;
  }
  return written;
}

void Outbox::Clear() {
  headers_.clear();
  bodies_.clear();
  pieces_.clear();
  sent_.clear();
  next_ = bytes_ = 0;
}

Link::~Link() { close(socket_); }

void Link::Pace(double rate) {
  if (rate == rate_) return;
  rate_ = rate;
  int segment = 0;
  socklen_t size = sizeof segment;
  if (getsockopt(socket_, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) || segment <= 0) return;
  // Every second frame that comes is acknowledged.
  const double payload = segment / (segment + 1.5 * kHeaders);
  const unsigned long pace = static_cast<unsigned long>(std::max(1.0, rate * payload * kRoom));
  setsockopt(socket_, SOL_SOCKET, SO_MAX_PACING_RATE, &pace, sizeof pace);
  // The kernel would take megabytes from one connection, which then leave beside what another is given later.
  const int unsent = static_cast<int>(std::min(std::max(kUnsent, rate * kUnsentSeconds), 1e9));
  setsockopt(socket_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

void Link::CloseGently() {
  // A socket closed with unread bytes resets the connection, which may cost the peer what it has not read yet.
  char rest[4096];
  while (recv(socket_, rest, sizeof rest, MSG_DONTWAIT) > 0) {
  }
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) & ~O_NONBLOCK);
  const linger wait{1, 1};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &wait, sizeof wait);
}

std::string Link::Read(Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  for (int i = 0; i < kReadsInARow; ++i) {
    if (!ahead_) ahead_ = pool->Get();
    // What is left of the frame, and whatever comes after it: small frames are read whole, with one call.
    const iovec rest = in_payload_ ? iovec{payload_.get() + payload_read_, header_.bytes - payload_read_}
                                   : iovec{reinterpret_cast<char*>(&header_) + header_read_, sizeof header_ - header_read_};
    iovec parts[2] = {rest, {ahead_.get(), in_payload_ ? sizeof header_ : kChunkBytes}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t got = recvmsg(socket_, &message, MSG_DONTWAIT);
    if (got == 0) return "it closed the connection";
    if (got < 0) return errno == EAGAIN || errno == EINTR ? "" : std::strerror(errno);
    *bytes += got;
    const size_t part = std::min<size_t>(got, rest.iov_len);
    (in_payload_ ? payload_read_ : header_read_) += part;
    size_t extra = got - part, at = 0;
    if (!Step(reader, pool, &at, &extra)) return kBrokeProtocol;
    if (static_cast<size_t>(got) < rest.iov_len + parts[1].iov_len) return "";  // that was all for now
  }
  return "";
}

// Takes what was read of the header or the payload, then `extra` bytes that were read ahead, from `at` on.
bool Link::Step(Reader* reader, Pool* pool, size_t* at, size_t* extra) {
  for (;;) {
    if (!in_payload_) {
      const size_t part = std::min(*extra, sizeof header_ - header_read_);
      if (part) std::memcpy(reinterpret_cast<char*>(&header_) + header_read_, ahead_.get() + *at, part);
      header_read_ += part, *at += part, *extra -= part;
      if (header_read_ < sizeof header_) return true;
      const Verdict verdict = reader->Admit(peer_, header_);
      if (verdict == Verdict::kRefuse) return false;
      in_payload_ = true;
      discards_ = verdict == Verdict::kDiscard;
      payload_read_ = 0;
      if (header_.bytes && *at == 0 && *extra && *extra <= header_.bytes) {
        payload_ = std::move(ahead_);  // it lies where it belongs
        payload_read_ = *extra;
        *extra = 0;
      } else if (header_.bytes) {
        payload_ = pool->Get();
      }
    }
    if (*extra) {
      const size_t part = std::min<size_t>(*extra, header_.bytes - payload_read_);
      if (part) std::memcpy(payload_.get() + payload_read_, ahead_.get() + *at, part);
      payload_read_ += part, *at += part, *extra -= part;
    }
    if (payload_read_ < header_.bytes) return true;
    in_payload_ = false;
    header_read_ = 0;
    if (discards_) {
      pool->Give(std::move(payload_));
    } else {
      const Header header = header_;
      reader->Deliver(peer_, header, std::move(payload_));
    }
    if (!*extra) return true;
  }
}

}  // namespace tfdgan
