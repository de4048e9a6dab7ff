#include "doorman.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tfdgan {
namespace {

constexpr int kAcceptsInARow = 64, kRoomAtOnce = 16;
// Who may wait inside without having knocked: of unknown addresses, and of learners' own, of which a crowd may come
// too.
constexpr size_t kMostWaiting[2] = {64, 1024};
constexpr double kStrangersASecond = 1000, kStrangersAtOnce = 200;  // of unknown addresses; others are cut off at once
constexpr auto kKnockWithin = std::chrono::seconds(2);
constexpr int kBacklog = 4096;

bool IsOfThisUser(int socket) {
  ucred other{};
  socklen_t size = sizeof other;
  return !getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &other, &size) && other.uid == geteuid();
}

}  // namespace

Doorman::~Doorman() { Close(); }

void Doorman::Close() {
  for (const auto& item : visitors_) close(item.first);
  visitors_.clear();
  for (int& listener : listeners_) {
    if (listener >= 0) close(listener);
    listener = -1;
  }
}

int Doorman::Listen(const std::string& ip, int port) {
  Address address = AddressOf(ip, port);
  int& listener = listeners_[0] = socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int yes = 1;
  // A fixed port is free again as soon as the process that had it has ended.
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
      bind(listener, address.get(), address.length) || listen(listener, kBacklog) ||
      getsockname(listener, address.get(), &address.length)) {
    throw std::system_error(errno, std::generic_category(),
                            "gossip: cannot listen on " + ip + (port ? " port " + std::to_string(port) : ""));
  }
  return address.port();
}

std::string Doorman::ListenHere() {
  std::string name = "tfdgan-";
  for (uint8_t byte : RandomBytes()) name += "0123456789abcdef"[byte % 16];
  const Address address = AddressOfDoor(name);
  int& listener = listeners_[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener >= 0 && !bind(listener, address.get(), address.length) && !listen(listener, kBacklog)) return name;
  if (listener >= 0) close(listener);
  listener = -1;
  return "";
}

void Doorman::Open(int epoll, const Crypto& crypto, const Digest& key, int rank, const std::vector<Place>& learners,
                   Clock::duration patience, bool serves, Host* host) {
  epoll_ = epoll, crypto_ = &crypto, key_ = key, rank_ = rank, learners_ = learners, patience_ = patience, host_ = host;
  for (const Place& learner : learners) addresses_.insert(learner.network.host());
  tokens_ = kStrangersAtOnce;
  counted_ = Clock::now();
  serves_ = serves;
  Watch(serves);
}

void Doorman::Expect(int peer, const Place& place) {
  learners_[peer] = place;
  addresses_.insert(place.network.host());
}

void Doorman::Serve() {
  serves_ = true;
  Watch(true);
}

void Doorman::Watch(bool listens) {
  if (listens == listens_) return;
  listens_ = listens;
  epoll_event event{};
  event.events = EPOLLIN;
  for (int listener : listeners_) {
    event.data.fd = listener;
    if (listener >= 0) epoll_ctl(epoll_, listens ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener, &event);
  }
}

void Doorman::Dial(int peer) {
  Place& place = learners_[peer];
  const Address& address = place.door.length ? place.door : place.network;
  const int socket = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return host_->OnFailed(peer, false, std::strerror(errno));
  if (connect(socket, address.get(), address.length) && errno != EINPROGRESS) {
    const int error = errno;
    close(socket);
    if (place.door.length && error != EAGAIN) {  // nobody is there, or the system forbids it: by the network, then
      place.door.length = 0;
      return Dial(peer);
    }
    return host_->OnFailed(peer, error == ECONNREFUSED, std::strerror(error));
  }
  Visitor visitor(Handshake(*crypto_, key_), Stage::kConnecting);
  visitor.peer = peer;
  visitor.dialed = true;
  visitor.deadline = Clock::now() + patience_;
  dialled_[peer] = socket;
  Add(socket, visitor, EPOLLOUT);
}

void Doorman::Abandon(int peer) {
  const auto found = dialled_.find(peer);
  if (found != dialled_.end()) close(Release(found->second));
}

Doorman::Visitor* Doorman::Add(int socket, const Visitor& visitor, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  return &visitors_.emplace(socket, visitor).first->second;
}

void Doorman::Accept(int listener) {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    Address from;
    from.length = sizeof from.storage;
    const int socket = accept4(listener, from.get(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      const bool full = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (!full) return;
      bool found = false;
      for (int room = 0; room < kRoomAtOnce && (MakeRoom(false, 0) || MakeRoom(true, 0)); ++room) found = true;
      if (found) continue;
      return Watch(false);  // until the next look at the clock
    }
    const auto now = Clock::now();
    const bool known = from.family() == AF_UNIX ? IsOfThisUser(socket) : addresses_.count(from.host()) != 0;
    if (!known && !MayCome(now)) {
      ++refused_;
      close(socket);
      continue;
    }
    Visitor visitor(Handshake(*crypto_, key_), Stage::kKnock);
    visitor.known = known;
    visitor.number = ++came_;
    MakeRoom(known, kMostWaiting[known] - 1);
    waiting_[known].emplace_back(socket, visitor.number);
    visitor.deadline = now + std::min<Clock::duration>(patience_, kKnockWithin);
    // Who dials knocks at once, so most knocks are here already.
    const std::string why = Greet(socket, Add(socket, visitor, EPOLLIN));
    if (!why.empty()) ShowOut(socket, why);
  }
}

// Whether one more of unknown address may come in.
bool Doorman::MayCome(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - counted_).count();
  tokens_ = std::min(kStrangersAtOnce, tokens_ + kStrangersASecond * seconds);
  counted_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

// Shows out who has waited longest without knocking if more than `most` wait. False if nobody had to go.
bool Doorman::MakeRoom(bool known, size_t most) {
  auto& waiting = waiting_[known];
  const auto waits = [this](const std::pair<int, uint64_t>& one) {
    const auto found = visitors_.find(one.first);
    return found != visitors_.end() && found->second.number == one.second && found->second.stage == Stage::kKnock;
  };
  while (!waiting.empty() && !waits(waiting.front())) waiting.pop_front();  // who has left or come further
  if (waiting.size() <= most) return false;
  const int socket = waiting.front().first;
  waiting.pop_front();
  ShowOut(socket, "too many connections");
  return true;
}

// Forgets a visitor; returns the socket.
int Doorman::Release(int socket) {
  const Visitor& visitor = visitors_.at(socket);
  if (visitor.dialed) dialled_.erase(visitor.peer);
  visitors_.erase(socket);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
  return socket;
}

void Doorman::Expire(Clock::time_point now) {
  Watch(serves_);
  std::vector<int> late;
  for (const auto& item : visitors_) {
    if (now > item.second.deadline) late.push_back(item.first);
  }
  for (int socket : late) {
    if (visitors_.count(socket)) ShowOut(socket, "no answer");
  }
}

}  // namespace tfdgan
