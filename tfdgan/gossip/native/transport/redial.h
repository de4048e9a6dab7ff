// When to dial a peer again, and when its host's refusals say that its process is gone.
#ifndef TFDGAN_TRANSPORT_REDIAL_H_
#define TFDGAN_TRANSPORT_REDIAL_H_

#include <algorithm>
#include <random>
#include <string>

#include "session.h"

namespace tfdgan {

class Redial {
 public:
  // There is no connection: dial as soon as `first_wait` is over, then after growing pauses.
  void Begin(Clock::time_point now, Clock::duration first_wait) {
    if (since_ != Clock::time_point{}) return;
    since_ = now;
    next_ = now + first_wait;
    // Who ends every connection as soon as it stands shall not keep both ends busy with handshakes.
    if (now - connected_ < std::chrono::seconds(1)) next_ += std::chrono::milliseconds(100);
    tries_ = refusals_ = 0;
    why_ = "no answer";
  }
  void Succeeded(Clock::time_point now) {
    connected_ = now;
    End();
  }
  void End() { since_ = next_ = Clock::time_point{}, dials_ = false; }

  bool IsOn() const { return since_ != Clock::time_point{}; }
  bool dials() const { return dials_; }
  // The time of the next try.
  Clock::time_point next() const { return IsOn() && !dials_ ? next_ : Clock::time_point::max(); }
  Clock::time_point since() const { return since_; }
  const std::string& why() const { return why_; }

  void Try() { dials_ = true; }
  void Failed(Clock::time_point now, bool refused, const std::string& why) {
    dials_ = false;
    why_ = why;
    refusals_ = refused ? refusals_ + 1 : 0;
    if (refusals_ == 1) refused_since_ = now;
    if (refused && now - refused_since_ > std::chrono::seconds(1)) refusals_ = 1, refused_since_ = now;
    // Pauses of .1, .2, .4, .8, 1.6, 2, 2 ... s, each within a quarter: two ends must not keep meeting each other.
    const double pause = std::min(2.0, .1 * (1 << std::min(tries_++, 10)));
    next_ = now + Seconds(pause * std::uniform_real_distribution<>(.75, 1.25)(random_));
  }
  // Three refusals within a second: nobody listens there any more.
  bool IsRefused() const { return refusals_ >= 3; }
  // For so long nothing could be done.
  void Excuse(Clock::duration pause) {
    if (IsOn()) since_ += pause;
  }

 private:
  Clock::time_point since_{}, next_{}, refused_since_{}, connected_{};
  bool dials_ = false;
  int tries_ = 0, refusals_ = 0;
  std::string why_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_REDIAL_H_
