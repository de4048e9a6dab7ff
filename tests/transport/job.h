// The learners of one job, in one process and connected over loopback.
#ifndef TFDGAN_TESTS_JOB_H_
#define TFDGAN_TESTS_JOB_H_

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "transport.h"

extern "C" const tfdgan::Crypto* tfdgan_crypto();

namespace tfdgan {

class Job {
 public:
  explicit Job(int learners, double timeout_seconds = 60, bool degrade = false, uint64_t seed = 0,
               Security security = Security::kNone, const std::string& ip = "127.0.0.1", bool shares = false) {
    options_.crypto = *tfdgan_crypto();
    std::mt19937_64 random(seed);
    for (uint8_t& byte : options_.key) byte = static_cast<uint8_t>(random());
    options_.timeout_seconds = timeout_seconds;
    options_.degrade = degrade;
    for (int rank = 0; rank < learners; ++rank) {
      transports_.push_back(std::make_unique<Transport>());
      const int port = transports_.back()->Listen(ip);
      options_.learners.push_back({"here", ip, port, true, security, shares ? transports_.back()->ListenHere() : ""});
    }
  }

  int size() const { return static_cast<int>(transports_.size()); }
  int port(int rank) const { return options_.learners[rank].port; }
  Transport& operator[](int rank) { return *transports_[rank]; }

  void Start(int rank) {
    options_.rank = rank;
    transports_[rank]->Start(options_);
  }
  void StartAll() {
    for (int rank = 0; rank < size(); ++rank) Start(rank);
  }
  // Of learners that are not started yet.
  Transport::Options& options() { return options_; }
  // Others find a learner elsewhere from now on; before it is started.
  void Redirect(int rank, int port) { options_.learners[rank].port = port; }
  // As if its process had ended: nobody listens there any more.
  void Remove(int rank) { transports_[rank].reset(); }
  bool IsThere(int rank) const { return transports_[rank] != nullptr; }
  // Another process in a learner's place, for which all others are absent. Returns the former one.
  std::unique_ptr<Transport> Replace(int rank, bool shares) {
    auto former = std::exchange(transports_[rank], std::make_unique<Transport>());
    Transport::Learner& self = options_.learners[rank];
    self.port = transports_[rank]->Listen(self.ip);
    self.door = shares ? transports_[rank]->ListenHere() : "";
    Transport::Options options = options_;
    options.rank = rank;
    for (int other = 0; other < size(); ++other) options.learners[other].absent = other != rank;
    transports_[rank]->Start(options);
    return former;
  }

 private:
  Transport::Options options_;
  std::vector<std::unique_ptr<Transport>> transports_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_JOB_H_
