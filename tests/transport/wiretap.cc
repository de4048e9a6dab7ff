// Somebody sits on the way between two learners, reads all that passes and changes some of it; run it under a
// sanitizer.
//
//   wiretap CALLS SECURITY SEED
//
// Every call must be right, whatever was done to its frames. Prints what was done and what was seen; ends with 1 if a
// call was wrong or a learner was lost.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <random>
#include <string>

#include "job.h"

namespace tfdgan {
namespace {

using Random = std::mt19937_64;
constexpr float kSecret = 1.2345678f;  // of which the numbers that travel are made

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  return address;
}

class Wiretap {
 public:
  // What is done to a piece of what passes.
  enum Deed { kFlip, kRepeat, kDrop, kReorder, kInject, kDeeds };

  Wiretap(int target, uint64_t seed, double bytes_between) : target_(target), random_(seed), between_(bytes_between) {
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof address;
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
    listen(listener_, 16);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~Wiretap() {
    over_ = true;
    thread_.join();
    close(listener_);
  }

  int port() const { return port_; }
  // Whether the numbers have passed as they are.
  bool has_seen_secret() const { return seen_; }
  uint64_t deeds() const { return done_; }

 private:
  void Serve() {
    while (!over_) {
      pollfd comes{listener_, POLLIN, 0};
      if (poll(&comes, 1, 20) <= 0) continue;
      int ends[2] = {accept(listener_, nullptr, nullptr), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
      const sockaddr_in address = Loopback(target_);
      if (connect(ends[1], reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) Relay(ends);
      close(ends[0]);
      close(ends[1]);
    }
  }

  // Until either end closes.
  void Relay(const int* ends) {
    std::string held[2], tail[2];
    double until = Next();
    while (!over_) {
      pollfd come[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
      poll(come, 2, 20);
      pollfd visitor{listener_, POLLIN, 0};
      if (poll(&visitor, 1, 0) > 0) return;  // a new connection: the learners have given this one up
      for (int way = 0; way < 2; ++way) {
        if (!come[way].revents) continue;
        char bytes[20000];
        const ssize_t got = recv(ends[way], bytes, 1 + random_() % sizeof bytes, 0);
        if (got <= 0) return;
        std::string piece(bytes, got);
        Look(tail[way] + piece);
        tail[way] = piece.substr(piece.size() - std::min<size_t>(piece.size(), 64));
        until -= static_cast<double>(got);
        if (until < 0) {
          until = Next();
          ++done_;
          Change(&piece, &held[way]);
        }
        for (size_t at = 0; at < piece.size();) {
          const ssize_t sent = send(ends[1 - way], piece.data() + at, piece.size() - at, MSG_NOSIGNAL);
          if (sent <= 0) return;
          at += sent;
        }
      }
    }
  }

  double Next() { return std::exponential_distribution<>(1 / between_)(random_); }

  void Look(const std::string& bytes) {
    std::string secret;
    for (int i = 0; i < 8; ++i) secret.append(reinterpret_cast<const char*>(&kSecret), sizeof kSecret);
    seen_ = seen_ || bytes.find(secret) != std::string::npos;
  }

  void Change(std::string* piece, std::string* held) {
    switch (random_() % kDeeds) {
      case kFlip: (*piece)[random_() % piece->size()] ^= static_cast<char>(1 << random_() % 8); break;
      case kRepeat: *piece += *piece; break;
      case kDrop: piece->erase(0, 1 + random_() % piece->size()); break;
      case kReorder:
        std::swap(*piece, *held);  // it comes later, or never
        break;
      case kInject: piece->insert(random_() % piece->size(), std::string(1 + random_() % 200, '\x2a')); break;
    }
  }

  const int target_;
  int listener_ = -1, port_ = 0;
  Random random_;
  const double between_;
  std::atomic<bool> over_{false}, seen_{false};
  std::atomic<uint64_t> done_{0};
  std::thread thread_;
};

std::future<bool> Mix(Transport* transport, int rank, size_t count, float value, std::vector<float>* output) {
  const auto promise = std::make_shared<std::promise<bool>>();
  const auto input = std::make_shared<std::vector<float>>(count, value);
  output->assign(count, 0);
  Request request;
  request.channel = "c";
  request.rounds.push_back({{1 - rank}, {1 - rank}, {.5}});
  request.inputs = {input->data()};
  request.inputs_kept = input;
  request.outputs = {output->data()};
  request.counts = {count};
  request.done = [promise](const Status& status) {
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.message.c_str());
    promise->set_value(status.ok());
  };
  transport->Submit(std::move(request));
  return promise->get_future();
}

int Listen(int calls, Security security, uint64_t seed) {
  Job job(2, 20, false, seed, security);
  job.options().patience_seconds = .5;  // a length that was changed makes a learner wait for what never comes
  const bool changes = security != Security::kNone;  // a plain wire is not proof against it
  // Whoever dials: after a break both learners do.
  const int ports[2] = {job.port(0), job.port(1)};
  Wiretap to_first(ports[0], seed + 1, changes ? 500e3 : 1e18), to_second(ports[1], seed, changes ? 500e3 : 1e18);
  job.Redirect(1, to_second.port());
  job.Start(0);
  job.Redirect(1, ports[1]);
  job.Redirect(0, to_first.port());
  job.Start(1);
  Random random(seed);
  int wrong = 0;
  for (int call = 0; call < calls && !wrong; ++call) {
    const size_t count = 1 + random() % 40000;
    std::vector<float> outputs[2];
    auto a = Mix(&job[0], 0, count, kSecret, &outputs[0]), b = Mix(&job[1], 1, count, 3 * kSecret, &outputs[1]);
    wrong += !a.get();
    wrong += !b.get();
    for (const auto& output : outputs) {
      for (float number : output) wrong += std::abs(number - 2 * kSecret) > 1e-6f;
    }
  }
  uint64_t returns = 0, errors = 0;
  for (int rank : {0, 1}) {
    wrong += static_cast<int>(job[rank].Lost().size());
    returns += job[rank].Count().reconnections;
    errors += job[rank].Count().protocol_errors;
  }
  std::printf("%d calls, %d wrong, %llu changes, %llu noticed, %llu came back, numbers %s\n", calls, wrong,
              static_cast<unsigned long long>(to_first.deeds() + to_second.deeds()),
              static_cast<unsigned long long>(errors), static_cast<unsigned long long>(returns),
              to_first.has_seen_secret() || to_second.has_seen_secret() ? "seen" : "hidden");
  return wrong ? 1 : 0;
}

}  // namespace
}  // namespace tfdgan

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: wiretap CALLS SECURITY SEED\n");
    return 2;
  }
  return tfdgan::Listen(std::atoi(argv[1]), static_cast<tfdgan::Security>(std::atoi(argv[2])),
                        std::strtoull(argv[3], nullptr, 10));
}
