#include "session.h"

#include <utility>

namespace tfdgan {
namespace {

constexpr auto kTellWithin = std::chrono::milliseconds(20);
constexpr uint64_t kTellBytes = 4 * kChunkBytes;

size_t SizeOf(const Header& header) { return sizeof header + header.bytes; }

}  // namespace

void Session::Add(const Header& header, std::shared_ptr<const std::string> body, size_t offset) {
  queue_.emplace_back();
  Frame& frame = queue_.back();
  frame.header = header;
  if (header.bytes) frame.pieces.push_back({const_cast<char*>(body->data()) + offset, header.bytes});  // only read
  frame.body = std::move(body);
  waiting_ += SizeOf(header);
}

void Session::AddData(const Header& header, std::vector<iovec> pieces, Sent sent) {
  queue_.emplace_back();
  Frame& frame = queue_.back();
  frame.header = header;
  frame.pieces = std::move(pieces);
  frame.sent = sent;
  waiting_ += SizeOf(header);
}

void Session::Written(size_t count, std::vector<Sent>* sent) {
  for (; count; --count) {
    Frame frame = std::move(queue_.front());
    queue_.pop_front();
    waiting_ -= SizeOf(frame.header);
    if (!frame.was_written && frame.sent.round >= 0) sent->push_back(frame.sent);
    frame.was_written = true;
    if (!frame.counts()) continue;
    if (kept_.empty()) waits_since_ = Clock::now();
    kept_.push_back(std::move(frame));
  }
}

bool Session::Acknowledge(uint64_t received, std::vector<Sent>* arrived) {
  if (!CanHave(received)) return false;
  if (received > acknowledged_) waits_since_ = Clock::now();
  for (; acknowledged_ < received; ++acknowledged_) {
    if (kept_.front().sent.round >= 0) arrived->push_back(kept_.front().sent);
    kept_.pop_front();
  }
  return true;
}

bool Session::Resume(uint64_t received, std::vector<Sent>* arrived) {
  if (!Acknowledge(received, arrived)) return false;
  std::deque<Frame> again;
  for (std::deque<Frame>* part : {&kept_, &queue_}) {
    for (Frame& frame : *part) {
      if (frame.counts()) again.push_back(std::move(frame));
    }
  }
  kept_.clear();
  queue_ = std::move(again);
  waiting_ = 0;
  for (const Frame& frame : queue_) waiting_ += SizeOf(frame.header);
  return true;
}

void Session::Clear() {
  queue_.clear();
  kept_.clear();
  waiting_ = 0;
}

void Session::Received(uint32_t bytes) {
  if (received_ == told_) untold_since_ = Clock::now();
  ++received_;
  untold_bytes_ += bytes;
}

Clock::time_point Session::told_by() const {
  if (received_ == told_) return Clock::time_point::max();
  return untold_bytes_ >= kTellBytes ? Clock::time_point::min() : untold_since_ + kTellWithin;
}

}  // namespace tfdgan
