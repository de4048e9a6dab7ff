// Opens connections and admits only learners of this job: listening, dialling, and the handshake on either side.
#ifndef TFDGAN_TRANSPORT_DOORMAN_H_
#define TFDGAN_TRANSPORT_DOORMAN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "exchange.h"
#include "handshake.h"

namespace tfdgan {

class Doorman {
 public:
  // What comes of a handshake. The socket is non-blocking and belongs to the callee, which may refuse it.
  using Admitted = std::function<bool(int socket, int peer)>;
  // Dialling a peer has come to nothing. `refused`: nobody listens there.
  using Failed = std::function<void(int peer, bool refused, const std::string& why)>;

  Doorman() = default;
  ~Doorman();
  Doorman(const Doorman&) = delete;
  Doorman& operator=(const Doorman&) = delete;

  // Binds to one address; returns the port. Throws std::system_error.
  int Listen(const std::string& ip);
  // Serves from now on, by the events of `epoll`. A handshake may take `patience`.
  void Open(int epoll, const Digest& key, int rank, int size, Clock::duration patience, Admitted admitted,
            Failed failed);
  void Dial(int peer, const std::string& ip, int port);
  // Handles an event; false if the socket is none of the doorman's.
  bool OnEvent(int socket, uint32_t events);
  // Ends handshakes that take too long.
  void Expire(Clock::time_point now);
  // Connections that did not prove to be of this job. From any thread.
  uint64_t refused() const { return refused_; }

 private:
  struct Visitor {
    int peer = -1;  // whom we dial; -1: whoever came
    bool connected = false, welcomed = false;
    Clock::time_point deadline;
    Challenge challenge{};
    Hello hello{};
    Welcome welcome{};
    size_t read = 0;
  };

  void Accept();
  void Add(int socket, Visitor visitor, uint32_t events);
  // Each returns false if the visitor is to be shown out.
  bool Greet(int socket, Visitor* visitor);
  bool GreetAsDialer(int socket, Visitor* visitor);
  bool GreetAsListener(int socket, Visitor* visitor);
  void ShowOut(int socket, const std::string& why, bool refused = false);
  void Release(int socket);
  void HandOver(int socket, int peer);

  int listener_ = -1, epoll_ = -1, rank_ = 0, size_ = 0;
  Digest key_{};
  Clock::duration patience_{};
  Admitted admitted_;
  Failed failed_;
  std::map<int, Visitor> visitors_;  // by socket
  std::atomic<uint64_t> refused_{0};
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_DOORMAN_H_
