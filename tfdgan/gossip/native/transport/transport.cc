// The thread of a transport, from its start to its end: what comes, what is due, what is to be sent.
#include "transport.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

namespace tfdgan {

Doorman::Place Transport::PlaceOf(const Learner& learner) {
  return {AddressOf(learner.ip, learner.port), learner.door.empty() ? Address{} : AddressOfDoor(learner.door)};
}

int Transport::Listen(const std::string& ip, int port) { return doorman_.Listen(ip, port); }

std::string Transport::ListenHere() { return doorman_.ListenHere(); }

void Transport::Start(const Options& options) {
  options_ = options;
  interval_ = std::min(Seconds(1), Seconds(options.timeout_seconds / 8));
  Switchboard::Settings settings;
  settings.rank = options.rank;
  std::vector<Doorman::Place> places;
  bool serves = true;
  for (const Learner& learner : options.learners) {
    settings.hosts.push_back(learner.host);
    places.push_back(PlaceOf(learner));
    serves &= !learner.absent;
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
  const Learner& self = options.learners[options.rank];
  settings.place = self.ip + " port " + std::to_string(self.port);
  settings.is_found = [this](int peer) { return options_.rank < peer || lines_[peer].was_connected; };
  switchboard_ = std::make_unique<Switchboard>(std::move(settings));
  lines_.resize(options.learners.size());
  for (size_t peer = 0; peer < lines_.size(); ++peer) {
    if (options.learners[peer].absent) switchboard_->Lose(static_cast<int>(peer), Code::kGone, "is not there yet");
  }
  lost_ = switchboard_->losses();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) throw std::system_error(errno, std::generic_category(), "gossip: epoll");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
  doorman_.Open(epoll_, options_.crypto, options_.key, options_.rank, places,
                std::min(Seconds(3), Seconds(options.timeout_seconds / 2)), serves, this);
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
  doorman_.Close();
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
  if (pause > timeout) given_up_until_ = now + timeout;
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
      switchboard_->Lose(peer, Code::kLate,
                         "cannot be reached at " + learner.ip + " port " + std::to_string(learner.port) + " (" +
                             line.redial.why() + ")");
    } else if (line.link) {
      if (!line.session.HasNothingToWrite()) continue;  // what is still to be sent is a sign of life too
      Header pulse;
      pulse.kind = Kind::kPulse;
      line.session.Add(pulse, nullptr, 0);
      switchboard_->eager().insert(peer);
    }
  }
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

// Sends what is to be sent and finishes what is done, until neither brings up anything more.
void Transport::FlushAll() {
  do {
    for (int peer : std::exchange(switchboard_->eager(), {})) Flush(peer);
    // Before calls end: then their memory goes back to its owners.
    for (int peer : std::exchange(switchboard_->parted(), {})) Close(peer);
    switchboard_->Settle();
  } while (!switchboard_->eager().empty() || !switchboard_->parted().empty());
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

void Transport::Publish() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (lost_.size() == switchboard_->losses().size()) return;
  lost_ = switchboard_->losses();
  changed_.notify_all();
}

}  // namespace tfdgan
