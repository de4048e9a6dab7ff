// A fuzzer of the handshake: whoever knocks at a learner's door, and whoever it dials, say anything, whole or in parts.
//
//   fuzz_handshake -max_total_time=30
//
// Sanitizers see whether memory is used wrongly. Besides: a connection stands only with who has proved itself, each
// proof serves once, and no file is left open.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "doorman.h"
#include "job.h"
#include "script.h"

namespace tfdgan {
namespace {

constexpr int kLearners = 3, kRank = 1;
constexpr Digest kKey{7};

// Learner 1's doorman. Learner 2's door is the fuzzer's, who also knocks at learner 1's.
class Scene : private Doorman::Host {
 public:
  explicit Scene(Script* script) : script_(*script), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    std::vector<Doorman::Place> places(kLearners);
    for (auto& place : places) place.network = AddressOf("127.0.0.1", 1);
    doorman_.Listen("127.0.0.1", 0);
    door_ = AddressOfDoor(doorman_.ListenHere());
    const std::string name = "tfdgan-fuzz-" + std::to_string(getpid());
    if (script->OneIn(2)) {
      places[2].door = AddressOfDoor(name);
      mine_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      Check(!bind(mine_, places[2].door.get(), places[2].door.length) && !listen(mine_, 16), "no door");
    }
    doorman_.Open(epoll_, *tfdgan_crypto(), kKey, kRank, places, std::chrono::seconds(3), true, this);
  }

  ~Scene() override {
    doorman_.Close();
    for (Stranger& stranger : strangers_) close(stranger.socket);
    if (mine_ >= 0) close(mine_);
    close(epoll_);
  }

  void Play() {
    if (strangers_.size() < 4 && script_.OneIn(4)) Knock();
    if (!dials_ && script_.OneIn(4)) {
      dials_ = true;
      doorman_.Dial(2);
    }
    if (dials_ && script_.OneIn(16)) {
      dials_ = false;
      doorman_.Abandon(2);
    }
    Answer();
    if (!strangers_.empty()) Say(&strangers_[script_.Below(static_cast<int>(strangers_.size()))]);
    if (script_.OneIn(8)) doorman_.Expire(Clock::now() + std::chrono::seconds(script_.Below(5)));
    Go();
  }

 private:
  struct Stranger {
    Stranger(int its_socket, bool dialled) : socket(its_socket), was_dialled(dialled) {}
    int socket;
    bool was_dialled;
    Handshake handshake{*tfdgan_crypto(), kKey};
    int rank = 2;         // whom it says that it is
    bool is_true = true;  // all that it has said so far is what a learner would say
    bool proved = false;  // it says the last of that now
    std::string said;
  };

  Security SecurityWith(int) const override { return Security::kEncrypted; }
  const Session& BeforeHello(int) override { return session_; }
  tfdgan::Answer OnHello(int peer, const SessionId&, uint64_t received, uint64_t* mine) override {
    Check(peer == 0 || peer == 2, "somebody else says hello");
    *mine = received;
    return answer_;
  }
  void OnConnected(int socket, int peer, Seal seal, uint64_t) override {
    close(socket);
    const auto proved = [](const Stranger& one) { return one.proved; };
    const auto found = std::find_if(strangers_.begin(), strangers_.end(), proved);
    Check(found != strangers_.end() && found->rank == peer, "a stranger got in");
    Check(bool(seal), "a connection is not sealed");
    if (found->was_dialled) dials_ = false;
  }
  void OnFailed(int peer, bool, const std::string&) override {
    Check(peer == 2 && dials_, "nobody was dialled");
    dials_ = false;
  }
  void OnGivenUp(int peer) override {
    Check(peer == 2 && dials_, "nobody was dialled");
    dials_ = false;
  }

  void Knock() {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(socket, door_.get(), door_.length)) {
      close(socket);
    } else {
      strangers_.emplace_back(socket, false);
    }
  }

  // Lets in who has dialled the fuzzer.
  void Answer() {
    const int socket =
        mine_ < 0 || strangers_.size() >= 4 ? -1 : accept4(mine_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) strangers_.emplace_back(socket, true);
  }

  // `is_true`: as a learner would say it; `proves`: the last proof that is asked for. Now and then it is changed on the
  // way.
  template <typename Message>
  void Give(Stranger* to, Message message, bool is_true, bool proves) {
    std::string bytes(reinterpret_cast<const char*>(&message), sizeof message);
    if (script_.OneIn(8))
      bytes[script_.Below(sizeof message)] ^= static_cast<char>(1 + script_.Below(255)), is_true = false;
    to->is_true &= is_true;
    to->proved = to->is_true && proves;
    Pass(to, bytes);
    to->proved = false;
  }

  void Pass(Stranger* to, const std::string& bytes) {
    const size_t first = script_.OneIn(4) ? 1 + script_.Below(100) : bytes.size();
    for (size_t at = 0, part = std::min(first, bytes.size()); part; at += part, part = bytes.size() - at) {
      send(to->socket, bytes.data() + at, part, MSG_NOSIGNAL | MSG_DONTWAIT);
      Go();
    }
    to->said = (to->said + bytes).substr(0, 4096);
  }

  template <typename Message>
  bool Hear(const Stranger& from, Message* message) {
    return recv(from.socket, message, sizeof *message, MSG_DONTWAIT) == sizeof *message;
  }

  void Say(Stranger* to) {
    Handshake& handshake = to->handshake;
    switch (script_.Below(8)) {
      case 0:  // noise, or what was said before, here or elsewhere
      case 1: {
        const Stranger& other = strangers_[script_.Below(static_cast<int>(strangers_.size()))];
        const std::string words = script_.OneIn(2) ? script_.Bytes(200) : other.said;
        to->is_true &= words.empty();
        return Pass(to, words);
      }
      case 2: {
        close(to->socket);
        strangers_.erase(strangers_.begin() + (to - strangers_.data()));
        return;
      }
      default: break;
    }
    if (to->was_dialled) {
      if (to->said.empty()) {
        if (Hear(*to, &handshake.knock())) Give(to, handshake.MakeChallenge(), true, false);
      } else if (Hear(*to, &handshake.hello())) {
        const auto answer = static_cast<tfdgan::Answer>(script_.Below(4));
        Give(to, handshake.MakeWelcome(answer, script_.Number(8)), true, answer == tfdgan::Answer::kGoOn);
      }
    } else if (to->said.empty()) {
      const bool other = script_.OneIn(8);
      const int rank = other ? script_.Below(5) : 2 * script_.Below(2), listener = other ? script_.Below(3) : kRank;
      const int size = other ? script_.Below(5) : kLearners;
      const auto security = static_cast<Security>(other ? script_.Below(4) : 2);
      const bool fits =
          (rank == 0 || rank == 2) && listener == kRank && size == kLearners && security == Security::kEncrypted;
      to->rank = rank;
      Give(to, handshake.MakeKnock(rank, listener, size, security), fits, false);
    } else if (Hear(*to, &handshake.challenge())) {
      answer_ = script_.OneIn(8) ? tfdgan::Answer::kBusy : tfdgan::Answer::kGoOn;
      Give(to, handshake.MakeHello(SessionId{1}, script_.Number(8)), true, answer_ == tfdgan::Answer::kGoOn);
    }
  }

  void Go() {
    epoll_event events[16];
    for (int turn = 0; turn < 8; ++turn) {
      const int count = epoll_wait(epoll_, events, 16, 0);
      for (int i = 0; i < count; ++i) doorman_.OnEvent(events[i].data.fd, events[i].events);
      if (count <= 0) break;
    }
  }

  Script& script_;
  const int epoll_;
  int mine_ = -1;
  Address door_;
  Doorman doorman_;
  Session session_;
  tfdgan::Answer answer_ = tfdgan::Answer::kGoOn;
  bool dials_ = false;
  std::vector<Stranger> strangers_;
};

}  // namespace
}  // namespace tfdgan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  return tfdgan::PlayAll<tfdgan::Scene>(bytes, count);
}
