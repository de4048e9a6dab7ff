// The part of the doorman that speaks with visitors: the handshake on either side.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "doorman.h"

namespace tfdgan {
namespace {

constexpr size_t kNonces = 4096;  // of each learner that are known again, 32 bytes each
constexpr char kStranger[] = "it does not belong to this job or turned this learner away";

template <typename Message>
bool SendAll(int socket, const Message& message) {  // so little that it fits the socket's buffer
  return send(socket, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof message;
}

// Reads on towards a whole message and no further. False if the connection has ended.
template <typename Message>
bool ReadOn(int socket, Message* message, size_t* read) {
  char* const to = reinterpret_cast<char*>(message);
  const ssize_t got = recv(socket, to + *read, sizeof *message - *read, MSG_DONTWAIT);
  if (got > 0) *read += got;
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace

bool Doorman::OnEvent(int socket, uint32_t events) {
  if (socket == listeners_[0] || socket == listeners_[1]) {
    Accept(socket);
    return true;
  }
  const auto found = visitors_.find(socket);
  if (found == visitors_.end()) return false;
  Visitor& visitor = found->second;
  if (visitor.stage == Stage::kConnecting) {
    if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return true;  // of an earlier socket with this number
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error || !(events & EPOLLOUT)) {
      ShowOut(socket, error ? std::strerror(error) : "no connection", error == ECONNREFUSED);
      return true;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event);
    visitor.stage = Stage::kChallenge;
    const auto& knock = visitor.handshake.MakeKnock(rank_, visitor.peer, static_cast<int>(learners_.size()),
                                                    host_->SecurityWith(visitor.peer));
    if (!SendAll(socket, knock)) ShowOut(socket, "sending failed");
    return true;
  }
  const std::string why = Greet(socket, &visitor);
  if (!why.empty()) ShowOut(socket, why);
  return true;
}

std::string Doorman::Greet(int socket, Visitor* visitor) {
  return visitor->dialed ? GreetAsDialer(socket, visitor) : GreetAsListener(socket, visitor);
}

std::string Doorman::GreetAsDialer(int socket, Visitor* visitor) {
  Handshake& handshake = visitor->handshake;
  if (visitor->stage == Stage::kChallenge) {
    if (!ReadOn(socket, &handshake.challenge(), &visitor->read)) return kStranger;
    if (visitor->read < sizeof(Challenge)) return "";
    visitor->stage = Stage::kWelcome;
    visitor->read = 0;
    const Session& session = host_->BeforeHello(visitor->peer);
    return SendAll(socket, handshake.MakeHello(session.id, session.received())) ? "" : "sending failed";
  }
  if (!ReadOn(socket, &handshake.welcome(), &visitor->read)) return kStranger;
  if (visitor->read < sizeof(Welcome)) return "";
  if (!handshake.IsWelcome()) return kStranger;
  switch (handshake.welcome().answer) {
    case Answer::kGoOn: HandOver(socket, visitor, handshake.welcome().received); return "";
    case Answer::kBusy: return "it dials this learner";
    case Answer::kGivenUp: {
      const int peer = visitor->peer;
      close(Release(socket));
      host_->OnGivenUp(peer);
      return "";
    }
  }
  return kStranger;
}

std::string Doorman::GreetAsListener(int socket, Visitor* visitor) {
  Handshake& handshake = visitor->handshake;
  if (visitor->stage == Stage::kKnock) {
    if (!ReadOn(socket, &handshake.knock(), &visitor->read)) return kStranger;
    if (visitor->read < sizeof(Knock)) return "";
    if (!handshake.IsKnock(rank_, static_cast<int>(learners_.size()))) return kStranger;
    const int peer = static_cast<int>(handshake.knock().rank);
    std::deque<Digest>& nonces = knocks_[peer];
    if (std::find(nonces.begin(), nonces.end(), handshake.knock().nonce) != nonces.end()) return kStranger;
    nonces.push_back(handshake.knock().nonce);
    if (nonces.size() > kNonces) nonces.pop_front();
    if (handshake.knock().security != host_->SecurityWith(peer)) return "it asks for another --wire_security";
    for (const auto& item : visitors_) {  // an earlier try of the same learner, or a recording
      if (item.second.stage == Stage::kHello && item.second.peer == peer) {
        ShowOut(item.first, "it knocked again");
        break;
      }
    }
    visitor->peer = peer;
    visitor->stage = Stage::kHello;
    visitor->deadline = Clock::now() + patience_;
    visitor->read = 0;
    return SendAll(socket, handshake.MakeChallenge()) ? "" : "sending failed";
  }
  if (!ReadOn(socket, &handshake.hello(), &visitor->read)) return "its connection broke";
  if (visitor->read < sizeof(Hello)) return "";
  if (!handshake.IsHello()) return kStranger;
  uint64_t mine = 0;
  const Hello& hello = handshake.hello();
  const Answer answer = host_->OnHello(visitor->peer, hello.session, hello.received, &mine);
  if (!SendAll(socket, handshake.MakeWelcome(answer, mine))) return "sending failed";
  if (answer == Answer::kGoOn) {
    HandOver(socket, visitor, hello.received);
  } else {
    close(Release(socket));
  }
  return "";
}

void Doorman::HandOver(int socket, Visitor* visitor, uint64_t received) {
  const int yes = 1, peer = visitor->peer;
  Seal seal = visitor->handshake.MakeSeal(visitor->dialed);
  Release(socket);
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  host_->OnConnected(socket, peer, std::move(seal), received);
}

void Doorman::ShowOut(int socket, const std::string& why, bool refused) {
  const Visitor& visitor = visitors_.at(socket);
  const bool dialed = visitor.dialed, proved = visitor.stage == Stage::kHello && why != kStranger;
  const int peer = visitor.peer;
  close(Release(socket));
  if (dialed) {
    host_->OnFailed(peer, refused, why);
  } else if (!proved) {
    ++refused_;
  }
}

}  // namespace tfdgan
