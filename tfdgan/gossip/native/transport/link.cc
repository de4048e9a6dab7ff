#include "link.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tfdgan {
namespace {

constexpr uint32_t kLeastLaid = 16 * 1024;  // bytes: fewer go with their header
constexpr int kHeaders = 90;                // bytes a frame: TCP with timestamps, IPv4, Ethernet with preamble and gap
constexpr double kRoom = 0.99;              // so that a queue that there is anyhow becomes shorter
constexpr double kUnsent = 128 * 1024;      // bytes that wait in a socket, or
constexpr double kUnsentSeconds = 5e-3;     // what leaves meanwhile: while it does, the thread may be mixing

bool StaysHere(int socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return !getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX;
}

}  // namespace

Link::Link(int socket, int peer, Seal seal)
    : socket_(socket), peer_(peer), seal_(std::move(seal)), shares_(!seal_ && StaysHere(socket)) {}

Link::~Link() {
  if (untold_ >= 0) close(untold_);
  close(socket_);
}

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

bool Link::HasArrived() const {
  int bytes = 0;
  return ioctl(socket_, SIOCOUTQ, &bytes) == 0 && bytes == 0;
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

Link::Progress Link::Write(Session* session, std::vector<Session::Sent>* sent, std::atomic<uint64_t>* bytes) {
  for (;;) {
    if (next_ == pieces_.size() && !Load(session))
      return session->HasNothingToWrite() ? Progress::kIdle : Progress::kBroken;
    msghdr message{};
    message.msg_iov = pieces_.data() + next_;
    message.msg_iovlen = std::min(pieces_.size() - next_, kMostPieces);
    const ssize_t written = Send(&message);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Progress::kBlocked : Progress::kBroken;
    }
    *bytes += written + std::exchange(laid_, 0);
    written_ += written;
    for (size_t left = written; left;) {
      iovec& piece = pieces_[next_];
      const size_t part = std::min(left, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + part;
      piece.iov_len -= part;
      left -= part;
      if (!piece.iov_len) ++next_;
    }
    size_t frames = 0;
    for (; !ends_.empty() && ends_.front() <= written_; ends_.pop_front()) ++frames;
    session->Written(frames, sent);
  }
}

// Makes the next batch of what is to be written. False if there is nothing, or it cannot be sealed.
bool Link::Load(Session* session) {
  pieces_.clear();
  envelopes_.clear();
  next_ = 0;
  if (session->HasNothingToWrite()) return false;
  if (seal_) return seal_.encrypts() ? LoadEncrypted(session) : LoadAuthenticated(session);
  for (Session::Frame& frame : session->queue()) {
    frame.header.received = session->TellReceived();
    const uint32_t slot = LayOnShelf(frame);
    if (frame.header.kind == Kind::kData) frame.header.slot = slot;
    pieces_.push_back({&frame.header, sizeof frame.header});
    loaded_ += sizeof frame.header;
    if (!slot) {
      pieces_.insert(pieces_.end(), frame.pieces.begin(), frame.pieces.end());
      loaded_ += frame.header.bytes;
    }
    ends_.push_back(loaded_);
    if (loaded_ - written_ + laid_ >= kBatch || pieces_.size() >= kMostPieces) break;
  }
  return true;
}

// The slot where a frame's payload lies now; 0 if it is to follow the header, as all do until the peer has the shelf.
uint32_t Link::LayOnShelf(const Session::Frame& frame) {
  if (!shares_ || frame.header.kind != Kind::kData || frame.header.bytes < kLeastLaid) return 0;
  if (!std::exchange(tried_, true)) lays_ = Shelf::Make(&untold_);
  const uint32_t slot = may_lay_ && lays_ ? lays_->Take() : 0;
  if (!slot) return 0;
  char* to = lays_->At(slot);
  for (const iovec& piece : frame.pieces) {
    std::memcpy(to, piece.iov_base, piece.iov_len);
    to += piece.iov_len;
  }
  laid_ += frame.header.bytes;
  return slot;
}

// The first message since the shelf was made takes its descriptor along.
ssize_t Link::Send(msghdr* message) {
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))]{};
  if (untold_ >= 0) {
    message->msg_control = room;
    message->msg_controllen = sizeof room;
    cmsghdr* const control = CMSG_FIRSTHDR(message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &untold_, sizeof(int));
  }
  const ssize_t sent = sendmsg(socket_, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (untold_ < 0 || (sent < 0 && (errno == EAGAIN || errno == EINTR))) return sent;
  close(std::exchange(untold_, -1));
  if (sent > 0) return sent;
  message->msg_control = nullptr;  // the system may forbid it
  message->msg_controllen = 0;
  return sendmsg(socket_, message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Takes a shelf's descriptor, if there is one, off what comes, and tells the peer that it did.
ssize_t Link::Receive(msghdr* message, Session* session) {
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))];
  if (shares_) {
    message->msg_control = room;
    message->msg_controllen = sizeof room;
  }
  const ssize_t got = recvmsg(socket_, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got <= 0 || !shares_) return got;
  for (cmsghdr* control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= control->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(control) + at, sizeof descriptor);
      if (!takes_ && (takes_ = Shelf::Open(descriptor))) {
        Header pulse;
        pulse.kind = Kind::kPulse;
        pulse.slot = 1;
        session->Add(pulse, nullptr, 0);
      }
      close(descriptor);
    }
  }
  return got;
}

std::string Link::Read(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  return seal_ ? ReadSealed(session, reader, pool, bytes) : ReadPlain(session, reader, pool, bytes);
}

std::string Link::ReadPlain(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  ahead_.resize(kAhead);
  for (int i = 0; i < kReadsInARow; ++i) {
    // What is left of the frame, and what comes after it: in a row of large frames the next header, so that payloads
    // are read to where they stay; else whatever is there, since small frames are then read whole, with one call.
    const iovec rest = in_payload_
                           ? iovec{payload_.get() + payload_read_, header_.bytes - payload_read_}
                           : iovec{reinterpret_cast<char*>(&header_) + header_read_, sizeof header_ - header_read_};
    iovec parts[2] = {rest, {ahead_.data(), in_payload_ && header_.bytes > kAhead ? sizeof header_ : kAhead}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t got = Receive(&message, session);
    if (got == 0) return "it closed the connection";
    if (got < 0) return errno == EAGAIN || errno == EINTR ? "" : std::strerror(errno);
    const size_t part = std::min<size_t>(got, rest.iov_len);
    (in_payload_ ? payload_read_ : header_read_) += part;
    const std::string why = Step(session, reader, pool, got - part);
    *bytes += got + std::exchange(lent_, 0);
    if (!why.empty()) return why;
    if (static_cast<size_t>(got) < rest.iov_len + parts[1].iov_len) return "";  // that was all for now
  }
  return "";
}

// Takes what was read of the header or the payload, then `extra` bytes that were read ahead. Returns as Read.
std::string Link::Step(Session* session, Reader* reader, Pool* pool, size_t extra) {
  size_t at = 0;
  const auto take = [&](char* to, size_t want, size_t* have) {
    const size_t part = std::min(extra, want - *have);
    if (part) std::memcpy(to + *have, ahead_.data() + at, part);
    *have += part, at += part, extra -= part;
    return *have == want;
  };
  for (;;) {
    if (!in_payload_) {
      if (!take(reinterpret_cast<char*>(&header_), sizeof header_, &header_read_)) return "";
      if (header_.slot && !IsSlot(header_)) return kBrokeProtocol;
      if (!Acknowledge(session, reader, header_.received)) return kBrokeProtocol;
      verdict_ = reader->Admit(peer_, header_);
      if (verdict_ == Verdict::kRefuse) return kBrokeProtocol;
      in_payload_ = true;
      payload_read_ = 0;
      may_lay_ |= header_.slot && header_.kind == Kind::kPulse;
      if (header_.slot && header_.kind == Kind::kData) {
        payload_ = takes_->Lend(header_.slot);
        payload_read_ = header_.bytes;
        lent_ += header_.bytes;
      } else if (header_.bytes) {
        payload_ = pool->Get(header_.bytes);
      }
    }
    if (!take(payload_.get(), header_.bytes, &payload_read_)) return "";
    in_payload_ = false;
    header_read_ = 0;
    Take(session, reader, pool, verdict_, header_, std::move(payload_));
    if (!extra) return "";
  }
}

// A chunk may lie on the peer's shelf; a pulse says that this learner's has come.
bool Link::IsSlot(const Header& header) const {
  if (header.kind == Kind::kPulse) return lays_ && header.slot == 1;
  return header.kind == Kind::kData && takes_ && header.slot <= Shelf::kSlots;
}

bool Link::Acknowledge(Session* session, Reader* reader, uint64_t received) {
  arrived_.clear();
  if (!session->Acknowledge(received, &arrived_)) return false;
  if (!arrived_.empty()) reader->Arrived(peer_, arrived_);
  return true;
}

void Link::Take(Session* session, Reader* reader, Pool* pool, Verdict verdict, const Header& header, Block payload) {
  if (header.kind != Kind::kPulse) session->Received(header.bytes);
  if (verdict == Verdict::kDiscard) {
    pool->Give(std::move(payload));
    reader->Discarded(peer_, header);
  } else {
    const Header copy = header;
    reader->Deliver(peer_, copy, std::move(payload));
  }
}

}  // namespace tfdgan
