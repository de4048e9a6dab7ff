#include "link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tfdgan {
namespace {

constexpr size_t kFreeBlocks = 128;
constexpr int kReadsInARow = 32;

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
    // The next header rides on the read of a payload's end.
    iovec parts[2];
    int count = 0;
    if (in_payload_) parts[count++] = {payload_.get() + payload_read_, header_.bytes - payload_read_};
    Header next;
    if (in_payload_) {
      parts[count++] = {&next, sizeof next};
    } else {
      parts[count++] = {reinterpret_cast<char*>(&header_) + header_read_, sizeof header_ - header_read_};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t got = recvmsg(socket_, &message, MSG_DONTWAIT);
    if (got == 0) return "it closed the connection";
    if (got < 0) return errno == EAGAIN || errno == EINTR ? "" : std::strerror(errno);
    *bytes += got;
    size_t wanted = 0, left = got;
    for (int p = 0; p < count; ++p) wanted += parts[p].iov_len;
    if (in_payload_) {
      const size_t part = std::min<size_t>(left, parts[0].iov_len);
      payload_read_ += part;
      left -= part;
      if (!Step(reader, pool)) return kBrokeProtocol;
      if (left) {
        std::memcpy(&header_, &next, left);
        header_read_ = left;
      }
    } else {
      header_read_ += left;
    }
    if (!Step(reader, pool)) return kBrokeProtocol;
    if (static_cast<size_t>(got) < wanted) return "";  // that was all for now
  }
  return "";
}

bool Link::Step(Reader* reader, Pool* pool) {
  if (!in_payload_ && header_read_ == sizeof header_) {
    const Verdict verdict = reader->Admit(peer_, header_);
    if (verdict == Verdict::kRefuse) return false;
    in_payload_ = true;
    discards_ = verdict == Verdict::kDiscard;
    payload_read_ = 0;
    if (header_.bytes) payload_ = pool->Get();
  }
  if (in_payload_ && payload_read_ == header_.bytes) {
    in_payload_ = false;
    header_read_ = 0;
    if (discards_) {
      pool->Give(std::move(payload_));
    } else {
      const Header header = header_;
      reader->Deliver(peer_, header, std::move(payload_));
    }
  }
  return true;
}

}  // namespace tfdgan
