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

namespace tfdgan {
namespace {

constexpr int kReadsInARow = 16;
constexpr size_t kBatch = 256 * 1024;   // bytes for one system call
constexpr size_t kMostPieces = 1024;    // IOV_MAX
constexpr size_t kAhead = 64 * 1024;    // bytes read at once where frames are small
constexpr size_t kSealAtOnce = 128 * 1024;  // bytes: encrypted, sent, while they are in the nearest cache
constexpr int kHeaders = 90;         // bytes a frame: TCP with timestamps, IPv4, Ethernet with preamble and gap
constexpr double kRoom = 0.99;       // so that a queue that there is anyhow becomes shorter
constexpr double kUnsent = 128 * 1024;    // bytes that wait in a socket, or
constexpr double kUnsentSeconds = 5e-3;  // what leaves meanwhile: while it does, the thread may be mixing

}  // namespace

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
    if (next_ == pieces_.size() && !Load(session)) return session->HasNothingToWrite() ? Progress::kIdle : Progress::kBroken;
    msghdr message{};
    message.msg_iov = pieces_.data() + next_;
    message.msg_iovlen = std::min(pieces_.size() - next_, kMostPieces);
    const ssize_t written = sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Progress::kBlocked : Progress::kBroken;
    }
    *bytes += written;
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
    pieces_.push_back({&frame.header, sizeof frame.header});
    pieces_.insert(pieces_.end(), frame.pieces.begin(), frame.pieces.end());
    loaded_ += sizeof frame.header + frame.header.bytes;
    ends_.push_back(loaded_);
    if (loaded_ - written_ >= kBatch || pieces_.size() >= kMostPieces) break;
  }
  return true;
}

bool Link::LoadAuthenticated(Session* session) {
  for (Session::Frame& frame : session->queue()) {
    frame.header.received = session->TellReceived();
    const uint32_t length = static_cast<uint32_t>(sizeof frame.header) + frame.header.bytes;
    envelopes_.push_back({length, {}});
    Envelope& envelope = envelopes_.back();
    pieces_.push_back({&envelope.length, sizeof envelope.length});
    const size_t first = pieces_.size();
    pieces_.push_back({&frame.header, sizeof frame.header});
    pieces_.insert(pieces_.end(), frame.pieces.begin(), frame.pieces.end());
    if (!seal_.BeginOut(length)) return false;
    for (size_t i = first; i < pieces_.size(); ++i) {
      if (!seal_.GoOnOut(pieces_[i].iov_base, nullptr, pieces_[i].iov_len)) return false;
    }
    if (!seal_.EndOut(envelope.tag)) return false;
    pieces_.push_back({envelope.tag, kTagBytes});
    loaded_ += sizeof(Envelope) + length;
    ends_.push_back(loaded_);
    if (loaded_ - written_ >= kBatch || pieces_.size() >= kMostPieces) break;
  }
  return true;
}

bool Link::LoadEncrypted(Session* session) {
  sealed_.resize(kSealAtOnce + sizeof(Envelope));
  char *to = sealed_.data(), *const end = to + kSealAtOnce;
  while (to < end) {
    if (!in_frame_) {
      if (ends_.size() == session->queue().size()) break;
      Session::Frame& frame = session->queue()[ends_.size()];
      frame.header.received = session->TellReceived();
      const uint32_t length = static_cast<uint32_t>(sizeof frame.header) + frame.header.bytes;
      if (!seal_.BeginOut(length)) return false;
      std::memcpy(to, &length, sizeof length);
      to += sizeof length;
      frame_.assign(1, {&frame.header, sizeof frame.header});
      frame_.insert(frame_.end(), frame.pieces.begin(), frame.pieces.end());
      frame_piece_ = frame_at_ = 0;
      in_frame_ = true;
      loaded_ += sizeof(Envelope) + length;
    }
    while (frame_piece_ < frame_.size() && to < end) {
      const iovec& piece = frame_[frame_piece_];
      const size_t part = std::min<size_t>(piece.iov_len - frame_at_, end - to);
      if (!seal_.GoOnOut(static_cast<char*>(piece.iov_base) + frame_at_, to, part)) return false;
      to += part, frame_at_ += part;
      if (frame_at_ == piece.iov_len) ++frame_piece_, frame_at_ = 0;
    }
    if (frame_piece_ < frame_.size()) break;
    if (!seal_.EndOut(reinterpret_cast<uint8_t*>(to))) return false;
    to += kTagBytes;
    in_frame_ = false;
    ends_.push_back(loaded_);
  }
  pieces_.push_back({sealed_.data(), static_cast<size_t>(to - sealed_.data())});
  return true;
}

std::string Link::Read(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  return seal_ ? ReadSealed(session, reader, pool, bytes) : ReadPlain(session, reader, pool, bytes);
}

std::string Link::ReadPlain(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  ahead_.resize(kAhead);
  for (int i = 0; i < kReadsInARow; ++i) {
    // What is left of the frame, and what comes after it: in a row of large frames the next header, so that payloads are
    // read to where they stay; else whatever is there, since small frames are then read whole, with one call.
    const iovec rest = in_payload_ ? iovec{payload_.get() + payload_read_, header_.bytes - payload_read_}
                                   : iovec{reinterpret_cast<char*>(&header_) + header_read_, sizeof header_ - header_read_};
    iovec parts[2] = {rest, {ahead_.data(), in_payload_ && header_.bytes > kAhead ? sizeof header_ : kAhead}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t got = recvmsg(socket_, &message, MSG_DONTWAIT);
    if (got == 0) return "it closed the connection";
    if (got < 0) return errno == EAGAIN || errno == EINTR ? "" : std::strerror(errno);
    *bytes += got;
    const size_t part = std::min<size_t>(got, rest.iov_len);
    (in_payload_ ? payload_read_ : header_read_) += part;
    if (!Step(session, reader, pool, 0, got - part)) return kBrokeProtocol;
    if (static_cast<size_t>(got) < rest.iov_len + parts[1].iov_len) return "";  // that was all for now
  }
  return "";
}

// Takes what was read of the header or the payload, then `extra` bytes that were read ahead, from `at` on.
bool Link::Step(Session* session, Reader* reader, Pool* pool, size_t at, size_t extra) {
  const auto take = [&](char* to, size_t want, size_t* have) {
    const size_t part = std::min(extra, want - *have);
    if (part) std::memcpy(to + *have, ahead_.data() + at, part);
    *have += part, at += part, extra -= part;
    return *have == want;
  };
  for (;;) {
    if (!in_payload_) {
      if (!take(reinterpret_cast<char*>(&header_), sizeof header_, &header_read_)) return true;
      if (!Acknowledge(session, reader, header_.received)) return false;
      verdict_ = reader->Admit(peer_, header_);
      if (verdict_ == Verdict::kRefuse) return false;
      in_payload_ = true;
      payload_read_ = 0;
      if (header_.bytes) payload_ = pool->Get(header_.bytes);
    }
    if (!take(payload_.get(), header_.bytes, &payload_read_)) return true;
    in_payload_ = false;
    header_read_ = 0;
    Take(session, reader, pool, verdict_, header_, std::move(payload_));
    if (!extra) return true;
  }
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

std::string Link::ReadSealed(Session* session, Reader* reader, Pool* pool, std::atomic<uint64_t>* bytes) {
  ahead_.resize(kAhead);
  for (size_t i = 0; i < kReadsInARow * kBatch / kAhead; ++i) {
    const ssize_t got = recv(socket_, ahead_.data(), kAhead, MSG_DONTWAIT);
    if (got == 0) return "it closed the connection";
    if (got < 0) return errno == EAGAIN || errno == EINTR ? "" : std::strerror(errno);
    *bytes += got;
    const std::string why = Open(session, reader, pool, ahead_.data(), got);
    if (!why.empty() || static_cast<size_t>(got) < kAhead) return why;
  }
  return "";
}

// Takes what was read of records. Nothing of a record is believed before its tag is right.
std::string Link::Open(Session* session, Reader* reader, Pool* pool, const char* bytes, size_t count) {
  while (count) {
    size_t part = 0;
    const size_t body = record_read_ - sizeof length_;  // of the frame, if its length is known
    if (record_read_ < sizeof length_) {
      part = std::min(count, sizeof length_ - record_read_);
      std::memcpy(reinterpret_cast<char*>(&length_) + record_read_, bytes, part);
      if (record_read_ + part == sizeof length_) {
        if (length_ < sizeof header_ || length_ > sizeof header_ + kChunkBytes) return kBrokenSeal;
        if (!seal_.BeginIn(length_)) return kBrokenSeal;
        if (length_ > sizeof header_) payload_ = pool->Get(length_ - sizeof header_);
      }
    } else if (body < length_) {
      const bool in_header = body < sizeof header_;
      char* const to = in_header ? reinterpret_cast<char*>(&header_) + body : payload_.get() + body - sizeof header_;
      part = std::min(count, (in_header ? sizeof header_ : length_) - body);
      if (!seal_.GoOnIn(bytes, to, part)) return kBrokenSeal;
    } else {
      part = std::min(count, length_ + kTagBytes - body);
      std::memcpy(tag_ + (body - length_), bytes, part);
      if (body + part == length_ + kTagBytes) {
        if (!seal_.EndIn(tag_)) return kBrokenSeal;
        const Header header = header_;
        if (header.bytes != length_ - sizeof header || !Acknowledge(session, reader, header.received)) return kBrokeProtocol;
        const Verdict verdict = reader->Admit(peer_, header);
        if (verdict == Verdict::kRefuse) return kBrokeProtocol;
        Take(session, reader, pool, verdict, header, std::move(payload_));
        record_read_ = 0;
        bytes += part, count -= part;
        continue;
      }
    }
    record_read_ += part, bytes += part, count -= part;
  }
  return "";
}

}  // namespace tfdgan
