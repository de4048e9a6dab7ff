// What callers of a transport ask for, from any thread: calls, letters, who is lost and who is there again.
#include <sys/eventfd.h>

#include <cstddef>
#include <stdexcept>

#include "transport.h"

namespace tfdgan {
namespace {

constexpr size_t kSmall = 64 * 1024;  // bytes of a call

}  // namespace

uint64_t Transport::Submit(Request request) {
  const uint64_t channel = HashOf(request.channel);
  size_t bytes = 0;
  for (size_t count : request.counts) bytes += count * SizeOf(request.type);
  const auto shared = std::make_shared<Request>(std::move(request));
  ++calls_;
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t id = ++last_id_, sequence = sequences_.try_emplace(channel, first_).first->second++;
  if (closed_) {
    lock.unlock();
    shared->done({Code::kCancelled, "gossip: the exchange was stopped"});
    return id;
  }
  const bool first = commands_.empty();
  commands_.push_back([=] { switchboard_->Begin(id, channel, sequence, std::move(*shared)); });
  lock.unlock();
  // A small message is sent from here: to wake the thread would take longer. Not from within its own work, though.
  if (first && bytes <= kSmall && worker_ != std::this_thread::get_id()) {
    std::unique_lock<std::mutex> work(work_, std::try_to_lock);
    if (work.owns_lock() && !IsClosed()) {
      worker_ = std::this_thread::get_id();
      Work(Clock::now());
      if (Due() < wakes_) Wake();
      worker_ = std::thread::id{};
      return id;
    }
  }
  if (first) Wake();
  return id;
}

bool Transport::IsClosed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return closed_;
}

void Transport::Wake() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!closed_) eventfd_write(wake_, 1);
}

void Transport::Cancel(uint64_t id) {
  Do([=] { switchboard_->Cancel(id); });
}

Transport::Counters Transport::Count() const {
  return {bytes_sent_, bytes_received_, doorman_.refused(), protocol_errors_, calls_, reconnections_};
}

std::vector<std::pair<int, Status>> Transport::Lost() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {lost_.begin(), lost_.end()};
}

void Transport::SendLetter(int peer, uint64_t number, std::string letter) {
  if (letter.size() > kLongestLetter) {
    throw std::length_error("gossip: a letter of " + std::to_string(letter.size()) + " bytes is too long");
  }
  const auto shared = std::make_shared<const std::string>(std::move(letter));
  Do([=] { switchboard_->SendLetter(peer, number, shared); });
}

bool Transport::TakeLetter(int peer, uint64_t number, double seconds, std::string* letter) {
  std::unique_lock<std::mutex> lock(mutex_);
  const std::pair<int, uint64_t> key{peer, number};
  changed_.wait_for(lock, Seconds(seconds), [&] { return letters_.count(key) || lost_.count(peer) || stopping_; });
  const auto found = letters_.find(key);
  if (found == letters_.end()) return false;
  *letter = std::move(found->second);
  letters_.erase(found);
  return true;
}

double Transport::SilentFor(int peer) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto sign = signs_.find(peer);
  return sign == signs_.end() ? -1 : std::chrono::duration<double>(Clock::now() - sign->second).count();
}

void Transport::Pulse(int peer) {
  Do([=] { switchboard_->eager().insert(peer); });  // a connection is a sign of life, and brings more
}

void Transport::GiveUp(int peer, const std::string& why) {
  Do([=] { switchboard_->GiveUp(peer, why); });
}

void Transport::HasEnded(int peer, const std::string& why) {
  Do([=] {
    switchboard_->HasEnded(peer, why);
    std::lock_guard<std::mutex> lock(mutex_);
    lost_ = switchboard_->losses();
    changed_.notify_all();
  });
}

void Transport::Readmit(int peer, const Learner& learner, uint64_t first) {
  const Doorman::Place place = PlaceOf(learner);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    sequences_.clear();
    first_ = first;
    readmitting_ = peer;
  }
  Do([=] {
    switchboard_->Lose(peer, Code::kGone, "has been started anew");  // if nobody has noticed yet
    Close(peer);
    lines_[peer] = Line();
    options_.learners[peer] = learner;
    doorman_.Expect(peer, place);
    switchboard_->Readmit(peer, learner.host);
    switchboard_->eager().insert(peer);
    std::lock_guard<std::mutex> lock(mutex_);
    lost_.erase(peer);
    signs_.erase(peer);
    letters_.erase(letters_.lower_bound({peer, 0}), letters_.lower_bound({peer + 1, 0}));
    readmitting_ = -1;
    changed_.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return readmitting_ < 0 || closed_; });
}

void Transport::Serve() {
  Do([this] { doorman_.Serve(); });
}

void Transport::Do(std::function<void()> command) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  commands_.push_back(std::move(command));
  eventfd_write(wake_, 1);
}

}  // namespace tfdgan
