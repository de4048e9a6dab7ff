// The part of the transport that looks after connections: who dials when, what a new one takes up, when one is dead.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "transport.h"

namespace tfdgan {

const Session& Transport::BeforeHello(int peer) {
  if (lines_[peer].link) Disconnect(peer);
  return lines_[peer].session;
}

Answer Transport::OnHello(int peer, const SessionId& session, uint64_t received, uint64_t* mine) {
  Line& line = lines_[peer];
  if (switchboard_->IsLost(peer)) return Answer::kGivenUp;
  if (line.redial.dials()) {  // both dial: the lower rank's connection is taken
    if (options_.rank < peer) return Answer::kBusy;
    doorman_.Abandon(peer);
    line.redial.Failed(Clock::now(), false, "it dials this learner");
  }
  // Another process than the one that this learner has spoken to knows no session, or another.
  const bool begins = line.session.id == SessionId{} && options_.rank > peer;
  if (session == SessionId{} || (!begins && session != line.session.id) || !line.session.CanHave(received)) {
    return Answer::kGivenUp;
  }
  line.session.id = session;
  if (line.link) Disconnect(peer);  // that the peer has noticed to be broken
  *mine = line.session.received();
  return Answer::kGoOn;
}

void Transport::OnConnected(int socket, int peer, Seal seal, uint64_t received) {
  Line& line = lines_[peer];
  line.redial.Succeeded(Clock::now());
  sent_.clear();
  if (switchboard_->IsLost(peer) || !line.session.Resume(received, &sent_)) {
    close(socket);
    return switchboard_->Lose(peer, Code::kUnheard, std::string("is gone (") + kBrokeProtocol + ")");
  }
  switchboard_->Arrived(peer, sent_);
  line.link = std::make_unique<Link>(socket, peer, std::move(seal));
  if (IsPaced(peer)) line.link->Pace(options_.rate);
  peer_of_[socket] = peer;
  epoll_event event{};
  event.events = line.link->awaited = EPOLLIN;
  event.data.fd = socket;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  switchboard_->eager().insert(peer);
  if (std::exchange(line.was_connected, true)) ++reconnections_;
  TakeSign(peer);
}

void Transport::OnFailed(int peer, bool refused, const std::string& why) {
  Line& line = lines_[peer];
  line.redial.Failed(Clock::now(), refused, why);
  if (!line.redial.IsRefused()) return;
  const Learner& learner = options_.learners[peer];
  // From another machine a refusal may be a firewall's: it proves nothing about the process. Nor does the end of those
  // who went on without this learner: it shall not take their place.
  switchboard_->Lose(peer, learner.is_here && Clock::now() > given_up_until_ ? Code::kGone : Code::kUnheard,
                     line.was_connected ? "is gone (its host refuses connections)"
                                        : "cannot be reached at " + learner.ip + " port " +
                                              std::to_string(learner.port) + " (" + why + ")");
}

void Transport::OnGivenUp(int peer) {
  // Where learners go on without each other, it may be the way alone that is given up: the others decide.
  if (options_.degrade) return switchboard_->Lose(peer, Code::kLate, "has given up the way to this learner");
  switchboard_->WasGivenUp(peer);
}

void Transport::TakeSign(int peer) {
  const auto now = Clock::now();
  Line& line = lines_[peer];
  line.heard = now;
  if (line.link && line.redial.IsOn() && !IsStuck(line, now)) {  // the connection lives after all
    doorman_.Abandon(peer);
    line.redial.End();
  }
  std::lock_guard<std::mutex> lock(mutex_);
  signs_[peer] = now;
}

void Transport::OnLink(int socket, uint32_t events) {
  const auto found = peer_of_.find(socket);
  if (found == peer_of_.end()) return;  // closed since
  const int peer = found->second;
  Line& line = lines_[peer];
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    const uint64_t before = bytes_received_;
    const std::string why = line.link->Read(&line.session, switchboard_.get(), &switchboard_->pool(), &bytes_received_);
    if (!line.session.HasNothingToWrite()) switchboard_->eager().insert(peer);
    // A part of a frame is a sign too: large ones take long.
    if (why.empty() && bytes_received_ != before) TakeSign(peer);
    if (!why.empty() && !switchboard_->IsLost(peer)) {
      if (why == kBrokeProtocol || why == kBrokenSeal) ++protocol_errors_;
      if (why == kBrokeProtocol) {
        return switchboard_->Lose(peer, Code::kUnheard, std::string("is gone (") + kBrokeProtocol + ")");
      }
      return Disconnect(peer);
    }
  }
  // Who is sent much and says that nothing came would have this learner keep it all.
  if (line.session.frames() + switchboard_->WordsFor(peer) > kMostFrames) {
    return switchboard_->GiveUp(peer, "does not take what it is sent");
  }
  // Between messages, when the peer has everything: to end a connection costs what is on its way.
  if (line.link->sealed() > options_.most_sealed && line.session.IsQuiet()) return Disconnect(peer);
  if (events & EPOLLOUT) switchboard_->eager().insert(peer);
}

// Ends a connection whose session goes on.
void Transport::Disconnect(int peer) {
  Line& line = lines_[peer];
  peer_of_.erase(line.link->socket());
  line.link.reset();
  switchboard_->eager().insert(peer);
}

bool Transport::IsPaced(int peer) const { return options_.rate > 0 && !options_.learners[peer].is_here; }

// The connections that have more to send than their sockets take have equal shares of the rate.
void Transport::ShareRate() {
  if (!(options_.rate > 0)) return;
  std::vector<Link*> busy;
  for (const Line& line : lines_) {
    if (line.link && !line.session.HasNothingToWrite() && IsPaced(line.link->peer())) busy.push_back(line.link.get());
  }
  for (Link* link : busy) link->Pace(options_.rate / static_cast<double>(busy.size()));
}

void Transport::Flush(int peer) {
  if (switchboard_->IsLost(peer)) return;
  Line& line = lines_[peer];
  if (!line.link) {
    // The lower rank dials, on first use.
    if (options_.rank < peer || line.was_connected) line.redial.Begin(Clock::now(), WaitToDial(peer));
    return;
  }
  for (;;) {
    sent_.clear();
    const Link::Progress progress = line.link->Write(&line.session, &sent_, &bytes_sent_);
    switchboard_->Written(peer, sent_);
    if (progress == Link::Progress::kBroken) {
      OnLink(line.link->socket(), EPOLLIN);  // what the peer has said before it closed
      if (line.link) Disconnect(peer);
      return;
    }
    if (progress == Link::Progress::kBlocked) return Await(line.link.get(), EPOLLIN | EPOLLOUT);
    switchboard_->Fill(peer, &line.session);
    if (line.session.HasNothingToWrite()) return Await(line.link.get(), EPOLLIN);
  }
}

// When a connection breaks both dial, the higher rank a little later: else it would not hear that the other's process
// is gone.
Clock::duration Transport::WaitToDial(int peer) const { return Seconds(options_.rank < peer ? 0 : .2); }

Clock::duration Transport::Patience() const {
  return Seconds(std::min(options_.patience_seconds, options_.timeout_seconds / 2));
}

// The peer's system has everything, and the peer, whose frames come, says that it lacks some: somebody has changed what
// passed. (While a large frame of its own comes slowly, it cannot say anything.)
bool Transport::IsStuck(const Line& line, Clock::time_point now) const {
  const auto since = line.session.waits_since();
  return since < now - Patience() && line.told > since + Patience() / 2 && line.link->HasArrived();
}

void Transport::DialWhoIsDue(Clock::time_point now) {
  for (size_t p = 0; p < lines_.size(); ++p) {
    const int peer = static_cast<int>(p);
    Line& line = lines_[p];
    if (line.redial.next() > now || switchboard_->IsLost(peer)) continue;
    if (line.session.id == SessionId{}) {
      const Digest random = RandomBytes();
      std::copy(random.begin(), random.begin() + line.session.id.size(), line.session.id.begin());
    }
    line.redial.Try();
    doorman_.Dial(peer);
  }
}

void Transport::AcknowledgeWhatIsDue(Clock::time_point now) {
  for (size_t p = 0; p < lines_.size(); ++p) {
    Line& line = lines_[p];
    if (!line.link || line.session.told_by() > now || !line.session.HasNothingToWrite()) continue;
    Header pulse;
    pulse.kind = Kind::kPulse;
    line.session.Add(pulse, nullptr, 0);
    switchboard_->eager().insert(static_cast<int>(p));
  }
}

// All peers that are left have what they were sent.
bool Transport::IsQuiet() const {
  for (size_t p = 0; p < lines_.size(); ++p) {
    const int peer = static_cast<int>(p);
    if (!lines_[p].was_connected || switchboard_->IsLost(peer)) continue;
    if (!lines_[p].session.IsQuiet() || switchboard_->WordsFor(peer)) return false;
  }
  return true;
}

void Transport::Await(Link* link, uint32_t events) {
  if (link->awaited == events) return;
  epoll_event event{};
  event.events = link->awaited = events;
  event.data.fd = link->socket();
  epoll_ctl(epoll_, EPOLL_CTL_MOD, link->socket(), &event);
}

// Ends the connection to a lost peer, and the session.
void Transport::Close(int peer) {
  Line& line = lines_[peer];
  const bool may_speak = line.link && line.link->IsBetweenFrames();
  line.session.Clear();
  if (may_speak) {  // a last word may pass
    switchboard_->Fill(peer, &line.session);
    sent_.clear();
    line.link->Write(&line.session, &sent_, &bytes_sent_);
    line.session.Clear();
  }
  doorman_.Abandon(peer);
  line.redial.End();
  if (!line.link) return;
  peer_of_.erase(line.link->socket());
  line.link.reset();
}

}  // namespace tfdgan
