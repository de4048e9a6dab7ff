// A fuzzer of what a learner takes from a peer that has proved itself: frames of any kind, whole or in parts, plain or
// sealed, by socket and by shared memory; calls that begin and are cancelled meanwhile; connections that break.
//
//   fuzz_peer -max_total_time=30
//
// Sanitizers see whether memory is used wrongly. Besides: every call ends exactly once, and no file is left open.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "job.h"
#include "link.h"
#include "script.h"
#include "switchboard.h"

namespace tfdgan {
namespace {

constexpr int kPeer = 1;
constexpr uint64_t kSizes[] = {0, 1, 3, 100, 65536, 65537, 140000};
const char* const kChannels[] = {"a", "b"};

// Learner 0 of three, without threads or a doorman, and the other end of its connection with learner 1.
class Scene {
 public:
  explicit Scene(Script* script)
      : script_(*script), security_(static_cast<Security>(std::max(0, script->Below(5) - 2))) {
    Restart();
  }

  ~Scene() {
    switchboard_->FailAll({Code::kCancelled, "over"});
    switchboard_->Settle();
    for (const auto& call : calls_) Check(call.second->ends == 1, "a call did not end once");
    Hang();
  }

  void Play() {
    switch (script_.Below(14)) {
      case 0: Begin(); break;
      case 1: switchboard_->Cancel(script_.Number()); break;
      case 2: Hear(); break;
      case 3: Break(); break;
      case 4: {
        const auto later = std::chrono::seconds(script_.Below(100));
        script_.OneIn(2) ? switchboard_->CheckTime(Clock::now() + later) : switchboard_->Excuse(later, Clock::now());
        break;
      }
      case 5: {
        const auto letter = std::make_shared<const std::string>(script_.Bytes(200));
        switchboard_->SendLetter(kPeer, script_.Number(), letter);
        break;
      }
      case 6: Pass(script_.Bytes(200)); break;
      case 7: PassDescriptor(); break;
      case 8: switchboard_->GiveUp(script_.Below(2) + 1, "was given up"); break;
      default: PassFrame();
    }
    Go();
  }

 private:
  struct Call {
    std::vector<char> output;
    int ends = 0;
  };

  // Another process with which nothing has been exchanged yet.
  void Restart() {
    if (switchboard_) {
      switchboard_->FailAll({Code::kCancelled, "over"});
      switchboard_->Settle();
    }
    Hang();
    session_ = Session();
    told_ = 0;
    sequences_.clear();
    Switchboard::Settings settings;
    settings.hosts = {"one", "two", "three"};
    settings.degrade = script_.OneIn(2);
    settings.memory = 8 << 20;
    settings.on_letter = [](int, uint64_t, std::string) {};
    settings.on_sign = [](int) {};
    settings.is_found = [](int) { return true; };
    switchboard_ = std::make_unique<Switchboard>(std::move(settings));
    Connect();
  }

  void Hang() {
    link_.reset();
    if (far_ >= 0) close(far_);
    far_ = -1;
  }

  void Connect() {
    int ends[2];
    Check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), "no sockets");
    Seal near;
    seal_ = Seal();
    if (security_ != Security::kNone) {
      near = Seal(*tfdgan_crypto(), security_ == Security::kEncrypted, Digest{1}, Digest{2});
      seal_ = Seal(*tfdgan_crypto(), security_ == Security::kEncrypted, Digest{2}, Digest{1});
    }
    link_ = std::make_unique<Link>(ends[0], kPeer, std::move(near));
    far_ = ends[1];
    const int room = 1 << 20;  // for a whole frame
    setsockopt(far_, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    shelf_.reset();
  }

  // The connection breaks, and the next one goes on where the peer says.
  void Break() {
    const uint64_t received = Received();
    Hang();
    std::vector<Session::Sent> arrived;
    if (!session_.Resume(received, &arrived)) return Restart();
    switchboard_->Arrived(kPeer, arrived);
    Connect();
  }

  // What the peer says it has: mostly what can be.
  uint64_t Received() {
    if (script_.OneIn(16)) return script_.Number(8);
    for (uint64_t more = script_.Below(8) + 1; more--;) {
      if (session_.CanHave(told_ + 1)) ++told_;
    }
    return told_;
  }

  Type AnyType() { return script_.OneIn(4) ? static_cast<Type>(1 + script_.Below(4)) : Type::kFloat32; }

  void Begin() {
    const auto call = std::make_shared<Call>();
    Request request;
    request.channel = kChannels[script_.Below(2)];
    request.type = AnyType();
    request.wire = AnyType();
    request.gathers = script_.OneIn(8);
    if (request.gathers) request.type = request.wire = Type::kByte;
    size_t bytes = 0;
    for (int tensor = 1 + script_.Below(2); tensor--;) {
      request.counts.push_back(script_.OneOf(kSizes));
      bytes += request.counts.back() * SizeOf(request.type);
    }
    for (int round = request.gathers ? 1 : 1 + script_.Below(2); round--;) {
      Round next;
      const int edges = script_.Below(16);
      for (int peer : {1, 2}) {
        if (edges & peer) next.send_to.push_back(peer);
        if (edges & 4 * peer) next.receive_from.push_back(peer), next.weights.push_back(.25);
      }
      request.rounds.push_back(std::move(next));
    }
    const size_t copies = request.gathers ? request.rounds[0].receive_from.size() : 1;
    // Of the transport alone once the call has begun: whatever reads it later is caught.
    const auto input = std::make_shared<std::vector<char>>(bytes, 1);
    call->output.resize(bytes * copies);
    size_t at = 0;
    for (size_t count : request.counts) {
      request.inputs.push_back(input->data() + at);
      request.outputs.push_back(call->output.data() + at * copies);
      at += count * SizeOf(request.type);
    }
    request.inputs_kept = input;
    request.done = [call](const Status&) {
      ++call->ends;
      std::vector<char>().swap(call->output);  // it is the caller's again
    };
    const uint64_t id = calls_.size(), channel = HashOf(request.channel);
    calls_[id] = call;
    switchboard_->Begin(id, channel, sequences_[channel]++, std::move(request));
  }

  void PassFrame() {
    const uint64_t bytes[] = {0, 12, 400, 65536 * 2, 65536 * 4};
    Header header;
    header.kind = static_cast<Kind>(script_.OneIn(3) ? 1 + script_.Below(8) : 1);
    header.type = static_cast<uint8_t>(AnyType());
    header.wire = static_cast<uint8_t>(AnyType());
    header.channel = HashOf(kChannels[script_.Below(2)]);
    const int64_t next = static_cast<int64_t>(sequences_[header.channel]) + script_.Below(3) - 1;
    header.sequence = static_cast<uint64_t>(std::max<int64_t>(0, next));
    header.rounds = static_cast<uint16_t>(1 + script_.Below(2));
    header.round = static_cast<uint16_t>(script_.Below(2));
    header.chunk = static_cast<uint32_t>(script_.Below(6));
    header.elements = script_.OneOf(kSizes) + script_.OneOf(kSizes);
    header.shapes = HashOf("");
    const uint64_t width = SizeOf(static_cast<Type>(header.wire)), per_chunk = kChunkBytes / width;
    const uint64_t before = std::min(header.elements, header.chunk * per_chunk);
    header.bytes = static_cast<uint32_t>(std::min(per_chunk, header.elements - before) * width);
    if (header.kind != Kind::kData) header.bytes = header.kind == Kind::kLetter ? script_.Below(100) : 0;
    if (script_.OneIn(8)) header.bytes = static_cast<uint32_t>(script_.OneOf(bytes));
    const bool lies = shelf_ && header.kind == Kind::kData && script_.OneIn(2);
    if (lies || script_.OneIn(16)) header.slot = static_cast<uint32_t>(script_.Below(40));
    header.starves = script_.OneIn(2);
    header.received = Received();
    if (script_.OneIn(8))
      reinterpret_cast<char*>(&header)[script_.Below(sizeof header)] = static_cast<char>(script_.Number());
    std::string frame(reinterpret_cast<const char*>(&header), sizeof header);
    if (!header.slot || seal_) frame.append(std::min<size_t>(header.bytes, kChunkBytes + 1), 'x');
    if (seal_) Enclose(&frame);
    if (script_.OneIn(8)) frame.resize(script_.Number(4) % (frame.size() + 1));
    if (script_.OneIn(16) && !frame.empty()) frame[script_.Number(4) % frame.size()] ^= 1;
    Pass(frame);
  }

  // A frame as a record.
  void Enclose(std::string* frame) {
    const uint32_t length = static_cast<uint32_t>(frame->size());
    std::string record(reinterpret_cast<const char*>(&length), sizeof length);
    record += *frame;
    uint8_t tag[kTagBytes];
    char* const body = record.data() + sizeof length;
    seal_.BeginOut(length);
    seal_.GoOnOut(frame->data(), seal_.encrypts() ? body : nullptr, length);
    seal_.EndOut(tag);
    record.append(reinterpret_cast<const char*>(tag), sizeof tag);
    *frame = std::move(record);
  }

  void Pass(const std::string& bytes) { send(far_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); }

  // A shelf, or what is none.
  void PassDescriptor() {
    int descriptor = -1;
    const int kind = script_.Below(4);
    if (kind < 2) {
      shelf_ = Shelf::Make(&descriptor);
    } else {
      descriptor = memfd_create("no shelf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
      if (kind == 3) fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    }
    char byte = 0;
    iovec piece{&byte, 1};
    alignas(cmsghdr) char room[CMSG_SPACE(2 * sizeof(int))]{};
    const size_t count = 1 + script_.Below(2);
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; ++i)
      std::memcpy(CMSG_DATA(control) + i * sizeof(int), &descriptor, sizeof descriptor);
    // With the first byte of a frame, as a learner does.
    const Header header;
    byte = reinterpret_cast<const char*>(&header)[0];
    if (sendmsg(far_, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) {
      Header rest;
      rest.kind = Kind::kPulse;
      rest.slot = script_.OneIn(2);  // this learner's shelf has come too, if there is one
      rest.received = told_;
      Pass(std::string(reinterpret_cast<const char*>(&rest) + 1, sizeof rest - 1));
    }
    close(descriptor);
  }

  // The peer reads some of what was sent to it.
  void Hear() {
    static char room[1 << 20];
    recv(far_, room, 1 + script_.Number(3) % sizeof room, MSG_DONTWAIT);
  }

  void Go() {
    std::atomic<uint64_t> bytes{0};
    const std::string why = link_->Read(&session_, switchboard_.get(), &switchboard_->pool(), &bytes);
    if (why == kBrokeProtocol) switchboard_->Lose(kPeer, Code::kGone, why);
    if (switchboard_->IsLost(kPeer)) {
      session_.Clear();
      return Restart();
    }
    if (!why.empty()) return Break();
    do {
      switchboard_->eager().clear();
      for (;;) {
        std::vector<Session::Sent> sent;
        const Link::Progress progress = link_->Write(&session_, &sent, &bytes);
        switchboard_->Written(kPeer, sent);
        if (progress == Link::Progress::kBroken) return Break();
        if (progress == Link::Progress::kBlocked) break;
        switchboard_->Fill(kPeer, &session_);
        if (session_.HasNothingToWrite()) break;
      }
      switchboard_->Settle();
    } while (switchboard_->eager().count(kPeer));
    if (switchboard_->parted().count(kPeer)) session_.Clear(), Restart();
  }

  Script& script_;
  const Security security_;
  std::unique_ptr<Switchboard> switchboard_;
  Session session_;
  std::unique_ptr<Link> link_;
  Seal seal_;
  std::shared_ptr<Shelf> shelf_;
  int far_ = -1;
  uint64_t told_ = 0;
  std::map<uint64_t, std::shared_ptr<Call>> calls_;
  std::map<uint64_t, uint64_t> sequences_;
};

}  // namespace
}  // namespace tfdgan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t count) {
  return tfdgan::PlayAll<tfdgan::Scene>(bytes, count);
}
