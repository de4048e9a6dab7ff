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

constexpr size_t kSmall = 64 * 1024;  // bytes of a call

}  // namespace

int Transport::Listen(const std::string& ip, int port) { return doorman_.Listen(ip, port); }

void Transport::Start(const Options& options) {
  options_ = options;
  interval_ = std::min(Seconds(1), Seconds(options.timeout_seconds / 8));
  Switchboard::Settings settings;
  settings.rank = options.rank;
  std::vector<Address> addresses;
  for (const Learner& learner : options.learners) {
    settings.hosts.push_back(learner.host);
    addresses.push_back(AddressOf(learner.ip, learner.port));
  }
  settings.timeout = Seconds(options.timeout_seconds);
  settings.degrade = options.degrade;
  settings.memory = options.memory;
  settings.on_letter = [this](int peer, uint64_t number, std::string letter) {
    KeepLetter(peer, number, std::move(letter));
  };
  settings.on_sign = [this](int peer) {
    lines_[peer].told = Clock::now();
    TakeSign(peer);
  };
  switchboard_ = std::make_unique<Switchboard>(std::move(settings));
  lines_.resize(options.learners.size());
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) throw std::system_error(errno, std::generic_category(), "gossip: epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  doorman_.Open(epoll_, options_.crypto, options_.key, options_.rank, addresses,
                std::min(Seconds(3), Seconds(options.timeout_seconds / 4)), this);
  thread_ = std::thread([this] { Run(); });
}

void Transport::Stop() {
  if (!thread_.joinable()) return;
  Do([this] {
    switchboard_->FailAll({Code::kCancelled, "gossip: the exchange was stopped"});
    for (size_t peer = 0; peer < lines_.size(); ++peer) {
      if (lines_[peer].was_connected) switchboard_->SayEnd(static_cast<int>(peer));
    }
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  });
  thread_.join();
  close(epoll_);
  close(wake_);
}

uint64_t Transport::Submit(Request request) {
  const uint64_t channel = HashOf(request.channel);
  size_t bytes = 0;
  for (size_t count : request.counts) bytes += count * SizeOf(request.type);
  const auto shared = std::make_shared<Request>(std::move(request));
  ++calls_;
  std::unique_lock<std::mutex> lock(mutex_);
  const uint64_t id = ++last_id_, sequence = sequences_[channel]++;
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
  looked_ = Clock::now();
  Clock::time_point until = Clock::time_point::max();  // when stopping: how long to wait for peers
  epoll_event events[64];
  for (;;) {
    const auto begun = Clock::now();
    {
      std::lock_guard<std::mutex> work(work_);
      wakes_ = Due();
    }
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(wakes_ - begun).count() + 1;
    const int count = epoll_wait(epoll_, events, 64, wakes_ > begun ? static_cast<int>(wait) : 0);
    std::lock_guard<std::mutex> work(work_);
    worker_ = std::this_thread::get_id();
    for (int i = 0; i < count; ++i) {
      const int socket = events[i].data.fd;
      if (socket == wake_) {
        eventfd_t value;
        eventfd_read(wake_, &value);
      } else if (!doorman_.OnEvent(socket, events[i].events)) {
        OnLink(socket, events[i].events);
      }
    }
    const auto now = Clock::now();
    if (now - looked_ > interval_) LookAtTheClock(now);
    Work(now);
    worker_ = std::thread::id{};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!stopping_) continue;
    }
    if (until == Clock::time_point::max()) until = now + std::min(Seconds(10), Seconds(options_.timeout_seconds / 2));
    if (IsQuiet() || now > until) break;
  }
  std::lock_guard<std::mutex> work(work_);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  RunCommands();  // the last; calls among them fail at once
  switchboard_->Settle();
  for (Line& line : lines_) {
    if (line.link) line.link->CloseGently();
    line.link.reset();
    line.session.Clear();
  }
  changed_.notify_all();
}

// Does what callers have asked for, and all that follows from that or is due.
void Transport::Work(Clock::time_point now) {
  RunCommands();
  FlushAll();
  DialWhoIsDue(now);
  AcknowledgeWhatIsDue(now);
  FlushAll();
  ShareRate();
  Publish();
}

// When there is something to do, whatever comes.
Clock::time_point Transport::Due() const {
  Clock::time_point due = looked_ + interval_;
  for (const Line& line : lines_) {
    due = std::min(due, line.redial.next());
    // What is written next tells it too.
    if (line.link && line.session.HasNothingToWrite()) due = std::min(due, line.session.told_by());
  }
  return due;
}

void Transport::LookAtTheClock(Clock::time_point now) {
  const Clock::duration timeout = Seconds(options_.timeout_seconds), pause = now - looked_;
  // This process stood still, as when a machine sleeps: who kept silent meanwhile has not been heard yet.
  if (pause > timeout / 2) Excuse(pause, now);
  looked_ = now;
  doorman_.Expire(now);
  switchboard_->CheckTime(now);
  for (size_t p = 0; p < lines_.size(); ++p) {
    const int peer = static_cast<int>(p);
    Line& line = lines_[p];
    if (switchboard_->IsLost(peer)) continue;
    // This way may be dead; another may not be.
    if (line.link && (now - line.heard > Patience() || IsStuck(line, now))) line.redial.Begin(now, WaitToDial(peer));
    if (line.redial.IsOn() && now - line.redial.since() > timeout) {
      const Learner& learner = options_.learners[p];
      switchboard_->Lose(peer, Code::kLate, "cannot be reached at " + learner.ip + " port " +
                                                std::to_string(learner.port) + " (" + line.redial.why() + ")");
    } else if (line.link) {
      if (!line.session.HasNothingToWrite()) continue;  // what is still to be sent is a sign of life too
      Header pulse;
      pulse.kind = Kind::kPulse;
      line.session.Add(pulse, nullptr, 0);
      switchboard_->eager().insert(peer);
    }
  }
}

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
  if (line.session.id == SessionId{} && options_.rank > peer) line.session.id = session;
  // Another process than the one that this learner has spoken to knows no session, or another.
  if (session == SessionId{} || session != line.session.id || !line.session.CanHave(received)) return Answer::kGivenUp;
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
    return switchboard_->Lose(peer, Code::kGone, std::string("is gone (") + kBrokeProtocol + ")");
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
  switchboard_->Lose(peer, Code::kGone, line.was_connected
                                            ? "is gone (its host refuses connections)"
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

void Transport::KeepLetter(int peer, uint64_t number, std::string letter) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto first = letters_.lower_bound({peer, 0}), end = letters_.lower_bound({peer + 1, 0});
  uint64_t bytes = letter.size();
  for (auto item = first; item != end; ++item) bytes += item->second.size();
  if (std::distance(first, end) >= kMostLetters || bytes > kMostLetterBytes) {
    lock.unlock();
    return switchboard_->GiveUp(peer, "has sent letters that nobody takes");
  }
  letters_[{peer, number}] = std::move(letter);
  changed_.notify_all();
}

void Transport::OnLink(int socket, uint32_t events) {
  const auto found = peer_of_.find(socket);
  if (found == peer_of_.end()) return;  // closed since
  const int peer = found->second;
  Line& line = lines_[peer];
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    const std::string why =
        line.link->Read(&line.session, switchboard_.get(), &switchboard_->pool(), &bytes_received_);
    if (why.empty()) TakeSign(peer);  // a part of a frame is a sign too: large ones take long
    if (!why.empty() && !switchboard_->IsLost(peer)) {
      if (why == kBrokeProtocol || why == kBrokenSeal) ++protocol_errors_;
      if (why == kBrokeProtocol) {
        return switchboard_->Lose(peer, Code::kGone, std::string("is gone (") + kBrokeProtocol + ")");
      }
      return Disconnect(peer);
    }
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

// Sends what is to be sent and finishes what is done, until neither brings up anything more.
void Transport::FlushAll() {
  do {
    for (int peer : std::exchange(switchboard_->eager(), {})) Flush(peer);
    // Before calls end: then their memory goes back to its owners.
    for (int peer : std::exchange(switchboard_->parted(), {})) Close(peer);
    switchboard_->Settle();
  } while (!switchboard_->eager().empty() || !switchboard_->parted().empty());
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
    if (progress == Link::Progress::kBroken) return Disconnect(peer);
    if (progress == Link::Progress::kBlocked) return Await(line.link.get(), EPOLLIN | EPOLLOUT);
    switchboard_->Fill(peer, &line.session);
    if (line.session.HasNothingToWrite()) return Await(line.link.get(), EPOLLIN);
  }
}

// When a connection breaks both dial, the higher rank a little later: else it would not hear that the other's process is
// gone.
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
    if (!lines_[p].session.IsQuiet() || switchboard_->HasWordsFor(peer)) return false;
  }
  return true;
}

void Transport::Excuse(Clock::duration pause, Clock::time_point now) {
  switchboard_->Excuse(pause, now);
  for (Line& line : lines_) {
    line.heard = std::min(now, line.heard + pause);
    line.redial.Excuse(pause);
  }
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

void Transport::Publish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_.size() == switchboard_->losses().size()) return;
  lost_ = switchboard_->losses();
  changed_.notify_all();
}

}  // namespace tfdgan
