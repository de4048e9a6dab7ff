// The part of a connection that seals what goes out and opens what comes in.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "link.h"

namespace tfdgan {
namespace {

constexpr size_t kSealAtOnce = 128 * 1024;  // bytes: encrypted, sent, while they are in the nearest cache

}  // namespace

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
        if (header.bytes != length_ - sizeof header || !Acknowledge(session, reader, header.received))
          return kBrokeProtocol;
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
