#include "doorman.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace tfdgan {
namespace {

constexpr size_t kMostVisitors = 64;

sockaddr_in AddressOf(const std::string& ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, ip.c_str(), &address.sin_addr) != 1) {
    throw std::system_error(EINVAL, std::generic_category(), "gossip: no IPv4 address: " + ip);
  }
  return address;
}

bool SendAll(int socket, const void* bytes, size_t count) {  // so little that it fits the socket's buffer
  return send(socket, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(count);
}

// Reads on towards `count` bytes and no further. False if the connection has ended.
bool ReadOn(int socket, void* to, size_t count, size_t* read) {
  const ssize_t got = recv(socket, static_cast<char*>(to) + *read, count - *read, MSG_DONTWAIT);
  if (got > 0) *read += got;
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

Doorman::~Doorman() {
  for (const auto& item : visitors_) close(item.first);
  if (listener_ >= 0) close(listener_);
}

int Doorman::Listen(const std::string& ip) {
  sockaddr_in address = AddressOf(ip, 0);
  socklen_t length = sizeof address;
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), length) || listen(listener_, 256) ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length)) {
    throw std::system_error(errno, std::generic_category(), "gossip: cannot listen on " + ip);
  }
  return ntohs(address.sin_port);
}

void Doorman::Open(int epoll, const Digest& key, int rank, int size, Clock::duration patience, Admitted admitted,
                   Failed failed) {
  epoll_ = epoll, key_ = key, rank_ = rank, size_ = size, patience_ = patience;
  admitted_ = std::move(admitted), failed_ = std::move(failed);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

void Doorman::Dial(int peer, const std::string& ip, int port) {
  const sockaddr_in address = AddressOf(ip, port);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return failed_(peer, false, std::strerror(errno));
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) && errno != EINPROGRESS) {
    const int error = errno;
    close(socket);
    return failed_(peer, error == ECONNREFUSED, std::strerror(error));
  }
  Visitor visitor;
  visitor.peer = peer;
  Add(socket, visitor, EPOLLOUT);
}

void Doorman::Add(int socket, Visitor visitor, uint32_t events) {
  const int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  visitor.deadline = Clock::now() + patience_;
  visitors_[socket] = visitor;
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
}

void Doorman::Accept() {
  for (int socket; (socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    if (visitors_.size() >= kMostVisitors) {  // the one who has kept us waiting longest goes
      const auto oldest = std::min_element(visitors_.begin(), visitors_.end(), [](const auto& a, const auto& b) {
        return std::make_pair(a.second.peer >= 0, a.second.deadline) <
               std::make_pair(b.second.peer >= 0, b.second.deadline);
      });
      ShowOut(oldest->first, "too many connections");
    }
    Visitor visitor;
    visitor.challenge = MakeChallenge();
    visitor.connected = true;
    Add(socket, visitor, EPOLLIN);
    if (!SendAll(socket, &visitor.challenge, sizeof visitor.challenge)) ShowOut(socket, "sending failed");
  }
}

bool Doorman::OnEvent(int socket, uint32_t events) {
  if (socket == listener_) {
    Accept();
    return true;
  }
  const auto found = visitors_.find(socket);
  if (found == visitors_.end()) return false;
  Visitor& visitor = found->second;
  if (!visitor.connected) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error || !(events & EPOLLOUT)) {
      ShowOut(socket, std::strerror(error), error == ECONNREFUSED);
      return true;
    }
    visitor.connected = true;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event);
    return true;
  }
  if (!Greet(socket, &visitor)) ShowOut(socket, "it does not belong to this job or turned this learner away");
  return true;
}

bool Doorman::Greet(int socket, Visitor* visitor) {
  return visitor->peer >= 0 ? GreetAsDialer(socket, visitor) : GreetAsListener(socket, visitor);
}

bool Doorman::GreetAsDialer(int socket, Visitor* visitor) {
  if (!visitor->welcomed) {
    if (!ReadOn(socket, &visitor->challenge, sizeof visitor->challenge, &visitor->read)) return false;
    if (visitor->read < sizeof visitor->challenge) return true;
    if (!IsChallenge(visitor->challenge)) return false;
    visitor->hello = MakeHello(key_, visitor->challenge, rank_, visitor->peer, size_);
    visitor->welcomed = true;
    visitor->read = 0;
    return SendAll(socket, &visitor->hello, sizeof visitor->hello);
  }
  if (!ReadOn(socket, &visitor->welcome, sizeof visitor->welcome, &visitor->read)) return false;
  if (visitor->read < sizeof visitor->welcome) return true;
  if (!IsGenuine(key_, visitor->challenge, visitor->hello, visitor->welcome, visitor->peer)) return false;
  HandOver(socket, visitor->peer);
  return true;
}

bool Doorman::GreetAsListener(int socket, Visitor* visitor) {
  if (!ReadOn(socket, &visitor->hello, sizeof visitor->hello, &visitor->read)) return false;
  if (visitor->read < sizeof visitor->hello) return true;
  if (!IsGenuine(key_, visitor->challenge, visitor->hello, rank_, size_)) return false;
  const Welcome welcome = MakeWelcome(key_, visitor->challenge, visitor->hello, rank_);
  if (!SendAll(socket, &welcome, sizeof welcome)) return false;
  HandOver(socket, static_cast<int>(visitor->hello.rank));
  return true;
}

void Doorman::HandOver(int socket, int peer) {
  Release(socket);
  if (!admitted_(socket, peer)) {
    ++refused_;
    close(socket);
  }
}

void Doorman::Release(int socket) {
  visitors_.erase(socket);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
}

void Doorman::ShowOut(int socket, const std::string& why, bool refused) {
  const int peer = visitors_.at(socket).peer;
  Release(socket);
  close(socket);
  if (peer >= 0) {
    failed_(peer, refused, why);
  } else {
    ++refused_;
  }
}

void Doorman::Expire(Clock::time_point now) {
  for (auto item = visitors_.begin(); item != visitors_.end();) {
    const int socket = item->first;
    const bool late = now > item->second.deadline;
    ++item;
    if (late) ShowOut(socket, "no answer");
  }
}

}  // namespace tfdgan
