// A crowd of strangers at a learner's door, and a learner far away who wants in.
//
//   crowd CONNECTS_A_SECOND ADDRESS FILES
//
// The crowd connects from ADDRESS, such as 127.0.0.2; from 127.0.0.1 it looks like the learners themselves. FILES: how
// many this process may have open; 0: as many as it may now. Learner 0 is 50 ms away from learner 1. Learners 1 and 2,
// who are near, exchange small messages all the while. Prints how long learner 0 waited, and the messages a second
// before the crowd came and since. Ends with 1 if learner 0 did not get in, or a call failed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <string>

#include "job.h"

namespace tfdgan {
namespace {

constexpr double kDelay = .025;  // seconds, each way

sockaddr_in AddressAt(const char* ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

double Now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

// Passes every connection on, each way kDelay later.
class Distance {
 public:
  explicit Distance(int target) : target_(target) {
    sockaddr_in address = AddressAt("127.0.0.1", 0);
    socklen_t length = sizeof address;
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    listen(listener_, 16);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Distance() {
    over_ = true;
    thread_.join();
    close(listener_);
  }
  int port() const { return port_; }

 private:
  void Serve() {
    while (!over_) {
      pollfd comes{listener_, POLLIN, 0};
      if (poll(&comes, 1, 20) <= 0) continue;
      // There it stands when the handshake's third packet comes, and what the dialer says comes with that.
      usleep(static_cast<useconds_t>(3e6 * kDelay));
      const int near = accept(listener_, nullptr, nullptr), far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = AddressAt("127.0.0.1", target_);
      const int ends[2] = {near, far};
      if (near >= 0 && far >= 0 && !connect(far, reinterpret_cast<const sockaddr*>(&address), sizeof address))
        Relay(ends);
      close(near);
      close(far);
    }
  }

  void Relay(const int* ends) {
    std::deque<std::pair<double, std::string>> held[2];
    bool first = true;
    while (!over_) {
      pollfd come[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
      poll(come, 2, 1);
      for (int way = 0; way < 2; ++way) {
        char bytes[4096];
        const ssize_t got = come[way].revents ? recv(ends[way], bytes, sizeof bytes, 0) : -1;
        if (got == 0) return;
        if (got > 0) held[way].emplace_back(Now() + (first ? 0 : kDelay), std::string(bytes, got)), first = false;
        for (; !held[way].empty() && held[way].front().first < Now(); held[way].pop_front()) {
          const std::string& piece = held[way].front().second;
          if (send(ends[1 - way], piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
        }
      }
    }
  }

  const int target_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// A process that connects so many times a second, says nothing, and leaves after a tenth of a second; from `begin` on,
// until it is killed. Counts its visits.
pid_t Throng(int port, const char* ip, double rate, double begin, std::atomic<uint64_t>* visits) {
  const pid_t child = fork();
  if (child) return child;
  const sockaddr_in from = AddressAt(ip, 0), to = AddressAt("127.0.0.1", port);
  std::deque<std::pair<double, int>> inside;
  for (double next = begin;;) {
    const double now = Now();
    for (; !inside.empty() && inside.front().first < now; inside.pop_front()) close(inside.front().second);
    if (now < next) {
      usleep(200);
      continue;
    }
    next += 1 / rate;
    const int visitor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const linger reset{1, 0};  // leaves nothing behind, so that ports do not run out
    setsockopt(visitor, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    bind(visitor, reinterpret_cast<const sockaddr*>(&from), sizeof from);
    connect(visitor, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    inside.emplace_back(now + .1, visitor);
    ++*visits;
  }
}

// One call between two learners; false if it failed.
bool Call(Job* job, int a, int b, const std::string& channel) {
  std::vector<float> input(100, 1), outputs[2] = {input, input};
  std::promise<bool> done[2];
  for (int side : {0, 1}) {
    Request request;
    request.channel = channel;
    const int other = side ? a : b;
    request.rounds.push_back({{other}, {other}, {.5}});
    request.inputs_kept = std::make_shared<std::vector<float>>(input);
    request.inputs = {static_cast<const std::vector<float>*>(request.inputs_kept.get())->data()};
    request.outputs = {outputs[side].data()};
    request.counts = {input.size()};
    request.done = [&done, side](const Status& status) { done[side].set_value(status.ok()); };
    (*job)[side ? b : a].Submit(std::move(request));
  }
  const bool first = done[0].get_future().get();
  return done[1].get_future().get() && first;
}

int Watch(double rate, const char* ip, int files) {
  Job job(3, 30);
  void* const shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& visits = *new (shared) std::atomic<uint64_t>(0);
  const pid_t throng = Throng(job.port(1), ip, rate, Now() + 2, &visits);
  if (files) {
    const rlimit limit{static_cast<rlim_t>(files), static_cast<rlim_t>(files)};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  const Distance distance(job.port(1));
  const int port = job.port(1);
  job.Redirect(1, distance.port());
  job.Start(0);
  job.Redirect(1, port);
  job.Start(1);
  job.Start(2);
  std::atomic<bool> over{false}, failed{false};
  std::atomic<uint64_t> calls{0};
  std::thread near([&] {
    while (!over) {
      failed = failed || !Call(&job, 1, 2, "near");
      ++calls;
    }
  });
  sleep(2);
  const double before = static_cast<double>(calls.exchange(0)) / 2;
  sleep(1);
  calls = 0;
  visits = 0;
  const double begun = Now();
  failed = failed || !Call(&job, 0, 1, "far");
  const double waited = Now() - begun;
  sleep(3);
  const double seconds = Now() - begun, since = static_cast<double>(calls) / seconds;
  over = true;
  near.join();
  kill(throng, SIGKILL);
  waitpid(throng, nullptr, 0);
  std::printf("%.0f connects a second, waited %.2f s, %.0f messages a second before and %.0f since\n",
              static_cast<double>(visits) / seconds, waited, before, since);
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace tfdgan

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: crowd CONNECTS_A_SECOND ADDRESS FILES\n");
    return 2;
  }
  return tfdgan::Watch(std::atof(argv[1]), argv[2], std::atoi(argv[3]));
}
