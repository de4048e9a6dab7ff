#include "transport.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace tfdgan {
namespace {

Clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

int Transport::Listen(const std::string& ip) { return doorman_.Listen(ip); }

void Transport::Start(const Options& options) {
  options_ = options;
  Switchboard::Settings settings;
  settings.rank = options.rank;
  for (const Learner& learner : options.learners) settings.hosts.push_back(learner.host);
  settings.timeout = Seconds(options.timeout_seconds);
  settings.degrade = options.degrade;
  settings.on_letter = [this](int peer, uint64_t number, std::string letter) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto first = letters_.lower_bound({peer, 0}), end = letters_.lower_bound({peer + 1, 0});
    if (std::distance(first, end) >= kMostLetters) {
      lock.unlock();
      switchboard_->GiveUp(peer, "has sent letters that nobody takes");
      return;
    }
    letters_[{peer, number}] = std::move(letter);
    changed_.notify_all();
  };
  settings.on_sign = [this](int peer) {
    std::lock_guard<std::mutex> lock(mutex_);
    signs_[peer] = Clock::now();
  };
  switchboard_ = std::make_unique<Switchboard>(std::move(settings));
  links_.resize(options.learners.size());
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) throw std::system_error(errno, std::generic_category(), "gossip: epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  doorman_.Open(
      epoll_, options.key, options.rank, static_cast<int>(options.learners.size()),
      std::min(Seconds(10), Seconds(options.timeout_seconds / 4)),
      [this](int socket, int peer) {
        if (links_[peer] || switchboard_->IsLost(peer)) return false;
        links_[peer] = std::make_unique<Link>(socket, peer);
        if (IsPaced(peer)) links_[peer]->Pace(options_.rate);
        peer_of_[socket] = peer;
        epoll_event event{};
        event.events = links_[peer]->awaited = EPOLLIN;
        event.data.fd = socket;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
        switchboard_->eager().insert(peer);
        std::lock_guard<std::mutex> lock(mutex_);
        signs_[peer] = Clock::now();
        return true;
      },
      [this](int peer, bool refused, const std::string& why) {
        Dialling& dialling = dialled_.at(peer);
        dialling.fails = true;
        if (refused || Clock::now() - dialling.since > Seconds(options_.timeout_seconds)) {
          switchboard_->Lose(peer, Code::kGone, "cannot be reached (" + why + ")");
        }
      });
  thread_ = std::thread([this] { Run(); });
}

void Transport::Stop() {
  if (!thread_.joinable()) return;
  Do([this] {
    switchboard_->FailAll({Code::kCancelled, "gossip: the exchange was stopped"});
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  });
  thread_.join();
  close(epoll_);
  close(wake_);
}

uint64_t Transport::Submit(Request request) {
  const uint64_t channel = HashOf(request.channel);
  const auto shared = std::make_shared<Request>(std::move(request));
  ++calls_;
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t id = ++last_id_, sequence = sequences_[channel]++;
  if (closed_) {
    lock.unlock();
    shared->done({Code::kCancelled, "gossip: the exchange was stopped"});
    return id;
  }
  if (commands_.empty()) eventfd_write(wake_, 1);
  commands_.push_back([=] { switchboard_->Begin(id, channel, sequence, std::move(*shared)); });
  return id;
}

void Transport::Cancel(uint64_t id) {
  Do([=] { switchboard_->Cancel(id); });
}

Transport::Counters Transport::Count() const {
  return {sent_, received_, doorman_.refused(), protocol_errors_, calls_};
}

std::vector<std::pair<int, std::string>> Transport::Lost() const {
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
  Do([=] { switchboard_->Pulse(peer); });
}

void Transport::GiveUp(int peer, const std::string& why) {
  Do([=] { switchboard_->GiveUp(peer, why); });
}

void Transport::Do(std::function<void()> command) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  commands_.push_back(std::move(command));
  eventfd_write(wake_, 1);
}

void Transport::RunCommands() {
  std::vector<std::function<void()>> commands;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    commands.swap(commands_);
  }
  for (const auto& command : commands) command();
}

void Transport::Run() {
  const auto interval = std::min(Seconds(1), Seconds(options_.timeout_seconds / 8));
  auto checked = Clock::now();
  Clock::time_point until = Clock::time_point::max();  // when stopping: how long to go on sending
  epoll_event events[64];
  for (;;) {
    const int wait = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(interval).count()) + 1;
    const int count = epoll_wait(epoll_, events, 64, until == Clock::time_point::max() ? wait : 10);
    for (int i = 0; i < count; ++i) {
      const int socket = events[i].data.fd;
      if (socket == wake_) {
        eventfd_t value;
        eventfd_read(wake_, &value);
      } else if (!doorman_.OnEvent(socket, events[i].events)) {
        OnLink(socket, events[i].events);
      }
    }
    RunCommands();
    const auto now = Clock::now();
    if (now - checked > interval) {
      // This process stood still, as when a machine sleeps: who kept silent meanwhile has not been heard yet.
      if (now - checked > Seconds(options_.timeout_seconds / 2)) Excuse(now - checked, now);
      checked = now;
      doorman_.Expire(now);
      for (auto& item : dialled_) {
        if (std::exchange(item.second.fails, false)) Dial(item.first);
      }
      switchboard_->CheckTime(now);
      for (size_t peer = 0; peer < links_.size(); ++peer) {
        if (links_[peer]) switchboard_->Pulse(static_cast<int>(peer));
      }
    }
    FlushAll();
    ShareRate();
    Publish();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!stopping_) continue;
    }
    if (until == Clock::time_point::max()) until = now + std::chrono::seconds(1);
    const bool idle = std::all_of(links_.begin(), links_.end(),
                                  [](const auto& link) { return !link || link->outbox().empty(); });
    if (idle || now > until) break;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  RunCommands();  // the last; calls among them fail at once
  switchboard_->Settle();
  for (auto& link : links_) {
    if (link) link->CloseGently();
    link.reset();
  }
  changed_.notify_all();
}

void Transport::OnLink(int socket, uint32_t events) {
  const auto found = peer_of_.find(socket);
  if (found == peer_of_.end()) return;  // closed since
  const int peer = found->second;
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    const std::string why = links_[peer]->Read(switchboard_.get(), &switchboard_->pool(), &received_);
    if (!why.empty()) {
      if (why == kBrokeProtocol && !switchboard_->IsLost(peer)) ++protocol_errors_;
      switchboard_->Lose(peer, Code::kGone, "is gone (" + why + ")");
      return;
    }
  }
  if (events & EPOLLOUT) switchboard_->eager().insert(peer);
}

// Sends what is to be sent and finishes what is done, until neither brings up anything more.
void Transport::FlushAll() {
  do {
    for (int peer : std::exchange(switchboard_->eager(), {})) Flush(peer);
    // Before calls end: then memory that a half-sent frame lies in goes back to its owner.
    for (int peer : std::exchange(switchboard_->parted(), {})) Close(peer);
    switchboard_->Settle();
  } while (!switchboard_->eager().empty() || !switchboard_->parted().empty());
}

bool Transport::IsPaced(int peer) const {
  return options_.rate > 0 && options_.learners[peer].host != options_.learners[options_.rank].host;
}

// The connections that have more to send than their sockets take have equal shares of the rate.
void Transport::ShareRate() {
  if (!(options_.rate > 0)) return;
  std::vector<Link*> busy;
  for (const auto& link : links_) {
    if (link && !link->outbox().empty() && IsPaced(link->peer())) busy.push_back(link.get());
  }
  for (Link* link : busy) link->Pace(options_.rate / static_cast<double>(busy.size()));
}

void Transport::Flush(int peer) {
  if (switchboard_->IsLost(peer)) return;
  Link* const link = links_[peer].get();
  if (!link) {
    // The lower rank dials, on first use.
    if (options_.rank < peer && dialled_.insert({peer, {Clock::now()}}).second) Dial(peer);
    return;
  }
  Outbox& outbox = link->outbox();
  for (;;) {
    if (outbox.empty()) {
      outbox.Clear();
      switchboard_->Fill(peer, &outbox);
      if (outbox.empty()) return Await(link, EPOLLIN);
    }
    const ssize_t written = outbox.Write(link->socket());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Await(link, EPOLLIN | EPOLLOUT);
      return switchboard_->Lose(peer, Code::kGone, std::string("is gone (") + std::strerror(errno) + ")");
    }
    sent_ += written;
    if (outbox.empty()) switchboard_->Written(outbox, peer);
  }
}

void Transport::Dial(int peer) {
  if (!switchboard_->IsLost(peer)) doorman_.Dial(peer, options_.learners[peer].ip, options_.learners[peer].port);
}

void Transport::Excuse(Clock::duration pause, Clock::time_point now) {
  switchboard_->Excuse(pause, now);
  for (auto& item : dialled_) item.second.since += pause;
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& item : signs_) item.second = std::min(now, item.second + pause);
}

void Transport::Await(Link* link, uint32_t events) {
  if (link->awaited == events) return;
  epoll_event event{};
  event.events = link->awaited = events;
  event.data.fd = link->socket();
  epoll_ctl(epoll_, EPOLL_CTL_MOD, link->socket(), &event);
}

// Ends the connection to a lost peer.
void Transport::Close(int peer) {
  if (!links_[peer]) return;
  Outbox& outbox = links_[peer]->outbox();
  if (outbox.empty()) {  // between frames: a last word may pass
    outbox.Clear();
    switchboard_->Fill(peer, &outbox);
    if (!outbox.empty()) outbox.Write(links_[peer]->socket());
  }
  peer_of_.erase(links_[peer]->socket());
  links_[peer].reset();
}

void Transport::Publish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_.size() == switchboard_->losses().size()) return;
  lost_ = switchboard_->losses();
  changed_.notify_all();
}

}  // namespace tfdgan
