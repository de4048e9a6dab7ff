// What goes wrong between learners, one scene after the other; run it under a sanitizer.
//
//   faults [SCENE]
//
// Prints the scenes that went as they should; ends with 1 at the first that did not, and says what was wrong.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include "call.h"
#include "comebacks.h"
#include "letters.h"
#include "one_line.h"

namespace tfdgan {
namespace {

constexpr double kTimeout = 1;  // seconds, of each scene that waits for it
constexpr size_t kSmall = 100;
constexpr size_t kLarge = (kWindowChunks + 4) * (kChunkBytes / sizeof(float));  // more than the credit window

void Sleep(double seconds) { usleep(static_cast<useconds_t>(seconds * 1e6)); }

// While learner 2 has not called, nothing at learner 1 is mixed: no more comes there than there is memory for.
void LittleMemory() {
  constexpr uint64_t kChunks = 4;
  Job job(3);
  job.options().memory = kChunks * kChunkBytes;
  job.StartAll();
  Call a(&job, 0, kThree, "c", kLarge, 1), b(&job, 1, kThree, "c", kLarge, 4);
  for (int i = 0; i < 200 && job[0].Count().bytes_sent <= kChunkBytes; ++i) Sleep(0.1);
  Sleep(0.5);
  const uint64_t sent = job[0].Count().bytes_sent;  // and one chunk to learner 2
  Check(sent > kChunkBytes && sent < (kChunks + 2) * kChunkBytes, std::to_string(sent) + " bytes were sent");
  Call c(&job, 2, kThree, "c", kLarge, 7);
  for (Call* call : {&a, &b, &c}) call->Expect({4});
}

void SignsOfLife() {
  Job job(2, kTimeout);
  job.StartAll();
  Check(job[1].SilentFor(0) < 0, "it was heard before it was connected");
  job[0].Pulse(1);
  for (int i = 0; i < 100 && job[1].SilentFor(0) < 0; ++i) Sleep(0.02);
  Sleep(kTimeout);
  Check(job[0].SilentFor(1) >= 0 && job[0].SilentFor(1) < kTimeout / 2, "a running peer was silent");
}

void ACancelledCall() {
  Job job(2, kTimeout);
  job.StartAll();
  Call first(&job, 0, kPair, "c", kSmall, 1);
  Sleep(0.5);
  job[0].Cancel(first.id());
  Check(first.Result().code == Code::kCancelled, "it was not cancelled");
  job[0].Cancel(first.id());               // too late, and harmless
  Call a(&job, 1, kPair, "c", kSmall, 3);  // what it needs was sent before
  a.Expect({2});
  Call b(&job, 0, kPair, "c", kSmall, 5), c(&job, 1, kPair, "c", kSmall, 7);
  b.Expect({6});
  c.Expect({6});
}

// A frame of it may be half sent: the transport keeps its memory until the peer has it, and serves the peer on.
void ALargeCancelledCall() {
  Job job(2);
  job.StartAll();
  const auto call = std::make_unique<Call>(&job, 0, kPair, "c", 4 * kLarge, 1);
  Call other(&job, 1, kPair, "c", 4 * kLarge, 3);
  Sleep(0.005);
  job[0].Cancel(call->id());
  const Status status = call->Result();
  Check(status.code == Code::kCancelled, "it was not cancelled: " + status.message);
  Check(!other.Result().ok(), "the other side went through");
  Call b(&job, 0, kPair, "c", kLarge, 5), c(&job, 1, kPair, "c", kLarge, 7);
  b.Expect({6});
  c.Expect({6});
  Check(job[0].Lost().empty() && job[1].Lost().empty(), "a cancelled call cost a peer");
  Check(!job[0].Count().reconnections, "a cancelled call cost a connection");
}

void AStopInTheMiddle() {
  Job job(3);
  job.StartAll();
  Call a(&job, 0, kThree, "c", kLarge, 1), b(&job, 1, kThree, "c", kLarge, 2);
  Sleep(0.1);
  job[0].Stop();
  Check(a.Result().code == Code::kCancelled, "a stopped call did not end so");
  const Status status = b.Result();
  Check(status.code == Code::kGone && Contains(status.message, "learner 0 on here is gone"), status.message);
  Call late(&job, 0, kThree, "c", kSmall, 1);
  Check(late.Result().code == Code::kCancelled, "a call after the stop");
}

void ACallThatDoesNotFit() {
  Job job(2, kTimeout);
  job.StartAll();
  Call a(&job, 0, kPair, "c", kSmall, 1);
  Sleep(0.1);
  Call b(&job, 1, kPair, "c", kSmall + 1, 1);
  const Status status = b.Result();
  Check(status.code == Code::kMismatch, status.message);
  Check(Contains(status.message, "learner 0 on here sent 100 numbers of float32, sent as float32") &&
            Contains(status.message, "learner 1 on here expected 101 numbers of float32 in 1 tensors"),
        status.message);
  const Status other = a.Result();  // at once too, and for the same reason
  Check(other.code == Code::kMismatch, other.message);
  Check(
      Contains(other.message, "learner 1 on here has failed in this call: gossip: learner 0 on here sent 100 numbers"),
      other.message);
}

// Learners 0 and 1 expect different things; learner 2, who waits for learner 1's second round, hears why.
void AFailureIsPassedOn() {
  Job job(3);
  job.StartAll();
  Call c(&job, 2, kLine, "c", kSmall, 1, 2), b(&job, 1, kLine, "c", kSmall, 1, 2);
  Sleep(0.1);
  Call a(&job, 0, kLine, "c", kSmall + 1, 1, 2);
  for (Call* call : {&a, &b, &c}) {
    const Status status = call->Result();
    Check(status.code == Code::kMismatch && Contains(status.message, " expected "), status.message);
  }
}

// Learner 2 never begins. Of the others neither is late, though the credit between them is used up.
void OnlyWhoHoldsAMixUpIsLate(bool degrade, int rounds) {
  Job job(3, kTimeout, degrade);
  job.StartAll();
  Call a(&job, 0, kThree, "c", kLarge, 1, rounds), b(&job, 1, kThree, "c", kLarge, 4, rounds);
  if (degrade) {  // a third of what learner 2 would have sent goes back to self
    a.Expect({rounds == 1 ? 2.f : 7.f / 3});
    b.Expect({rounds == 1 ? 3.f : 8.f / 3});
  } else {
    for (Call* call : {&a, &b}) {
      const Status status = call->Result();
      Check(status.code == Code::kLate && Contains(status.message, "learner 2 on here is late"), status.message);
    }
  }
  for (int rank : {0, 1}) {
    for (const auto& lost : job[rank].Lost()) {
      Check(lost.first == 2, "learner " + std::to_string(lost.first) + " " + lost.second.message);
    }
  }
}

// Learner 2 goes after its call has begun: each number is mixed with it or without it.
void DegradedInTheMiddle() {
  Job job(3, kTimeout, true);
  job.StartAll();
  Call a(&job, 0, kThree, "c", kLarge, 1), c(&job, 2, kThree, "c", kLarge, 7);
  Sleep(0.1);
  job[2].Stop();
  Call b(&job, 1, kThree, "c", kLarge, 4);
  Check(!c.Result().ok(), "the call of the stopped learner");
  a.Expect({4, 2});
  b.Expect({4, 3});
  Call d(&job, 0, kThree, "c", kLarge, 1), e(&job, 1, kThree, "c", kLarge, 4);
  d.Expect({2});
  e.Expect({3});
}

// Learner 1 waits for learner 2 for longer than the timeout, in two parts, and so keeps learner 0 waiting.
void WhoWaitsItselfGetsTime() {
  Job job(3, kTimeout);
  job.StartAll();
  const Matrix first{{1, 0, 0}, {0, .5, .5}, {0, .5, .5}}, second{{.5, .5, 0}, {.5, .5, 0}, {0, 0, 1}};
  Call waits(&job, 0, second, "d", kSmall, 1);
  for (int part = 0; part < 2; ++part) {
    Call a(&job, 1, first, "c", kSmall, 2);
    Sleep(0.75 * kTimeout);
    Call b(&job, 2, first, "c", kSmall, 4);
    a.Expect({3});
    b.Expect({3});
  }
  Check(!waits.IsDone(), "learner 0 did not wait");
  Call c(&job, 1, second, "d", kSmall, 3);
  waits.Expect({2});
  c.Expect({2});
}

void APeerThatAnswersLater() {
  Job job(2, 2 * kTimeout);
  job.Start(0);
  Call a(&job, 0, kPair, "c", kSmall, 1);  // dials; the system accepts, nobody greets
  Sleep(1.4 * kTimeout);                   // two handshakes that come to nothing
  job.Start(1);
  Call b(&job, 1, kPair, "c", kSmall, 3);
  a.Expect({2});
  b.Expect({2});
}

void APeerThatIsGone() {
  Job job(2);
  job.Remove(1);
  job.Start(0);
  Call a(&job, 0, kPair, "c", kSmall, 1);
  const Status status = a.Result();  // at once, not after the timeout of a minute
  Check(status.code == Code::kGone && Contains(status.message, "cannot be reached"), status.message);
}

void AnotherVersionOfTheInternet() {
  std::unique_ptr<Job> job;
  try {
    job = std::make_unique<Job>(2, 60, false, 0, Security::kEncrypted, "::1");
  } catch (const std::system_error& error) {
    Check(error.code().value() == EADDRNOTAVAIL || error.code().value() == EAFNOSUPPORT, error.what());
    return;  // this machine has no IPv6
  }
  job->StartAll();
  Call a(job.get(), 0, kPair, "c", kLarge, 1), b(job.get(), 1, kPair, "c", kLarge, 3);
  a.Expect({2});
  b.Expect({2});
}

// A connection's key is used up within a call or two: the next connection has another.
void KeysAreChanged() {
  Job job(2, 60, false, 0, Security::kEncrypted);
  job.options().most_sealed = 3000000;
  job.StartAll();
  for (int turn = 0; turn < 5; ++turn) {
    Call a(&job, 0, kPair, "c", kLarge, 1), b(&job, 1, kPair, "c", kLarge, 3);
    a.Expect({2});
    b.Expect({2});
    Sleep(.1);
  }
  Check(job[0].Count().reconnections >= 3 && job[0].Lost().empty(), "the keys stayed");
}

// Nobody is at a learner's door: the network is tried, and serves.
void ADoorThatNobodyOpens() {
  Job job(2);
  job.options().learners[1].door = "tfdgan-nobody";
  job.StartAll();
  Call a(&job, 0, kPair, "c", kLarge, 1), b(&job, 1, kPair, "c", kLarge, 3);
  a.Expect({2});
  b.Expect({2});
}

// A process that can open no more files shares no memory, and exchanges all the same.
void NoFileForSharedMemory() {
  Job job(2, 60, false, 0, Security::kNone, "127.0.0.1", true);
  job.StartAll();
  {
    Call a(&job, 0, kPair, "c", kSmall, 1), b(&job, 1, kPair, "c", kSmall, 3);
    a.Expect({2});
    b.Expect({2});
  }
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit none{3, files.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  Call a(&job, 0, kPair, "d", kLarge, 1), b(&job, 1, kPair, "d", kLarge, 3);
  a.Expect({2});
  b.Expect({2});
  setrlimit(RLIMIT_NOFILE, &files);
  Check(!job[0].Count().reconnections, "a connection broke");
}

// A text that a peer's failure brings is shown as far as it can be shown.
void TextsOfPeers() {
  Check(OneLine("a\nb\x1b[2J\x7f") == "a?b?[2J?", OneLine("a\nb\x1b[2J\x7f"));
  Check(OneLine("\xff\xc3\xa4\xc3") == "?\xc3\xa4?", "bytes that are no UTF-8");
  Check(OneLine("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80") == "?????????", "characters that are none");
  Check(OneLine("\xe2\x80\xa8\xc2\x85") == "?????", "breaks of lines");
  Check(OneLine("ab\xe2\x82\xac", 4) == "ab" && OneLine("ab\xe2\x82\xac", 5) == "ab\xe2\x82\xac", "a cut character");
}

// The whole process stands still for longer than the timeout: nobody is late for that.
void AfterASleep() {
  Job job(2, kTimeout);
  job.StartAll();
  Call a(&job, 0, kPair, "c", kSmall, 1);
  Sleep(0.2 * kTimeout);
  const std::string wake =
      "(sleep " + std::to_string(2 * kTimeout) + "; kill -CONT " + std::to_string(getpid()) + ") &";
  Check(std::system(wake.c_str()) == 0, "no shell");
  std::raise(SIGSTOP);
  Sleep(0.4 * kTimeout);
  Call b(&job, 1, kPair, "c", kSmall, 3);
  a.Expect({2});
  b.Expect({2});
}

struct Scene {
  const char* name;
  std::function<void()> play;
};

const Scene kScenes[] = {
    {"letters", Letters},
    {"letters that nobody takes", LettersThatNobodyTakes},
    {"little memory", LittleMemory},
    {"signs of life", SignsOfLife},
    {"a cancelled call", ACancelledCall},
    {"a large cancelled call", ALargeCancelledCall},
    {"a stop in the middle", AStopInTheMiddle},
    {"a call that does not fit", ACallThatDoesNotFit},
    {"a failure is passed on", AFailureIsPassedOn},
    {"only who holds a mix up is late", [] { OnlyWhoHoldsAMixUpIsLate(false, 1); }},
    {"the same, two rounds", [] { OnlyWhoHoldsAMixUpIsLate(false, 2); }},
    {"the same, degraded", [] { OnlyWhoHoldsAMixUpIsLate(true, 1); }},
    {"the same, two rounds, degraded", [] { OnlyWhoHoldsAMixUpIsLate(true, 2); }},
    {"degraded in the middle", DegradedInTheMiddle},
    {"who waits itself gets time", WhoWaitsItselfGetsTime},
    {"a peer that answers later", APeerThatAnswersLater},
    {"a peer that is gone", APeerThatIsGone},
    {"another version of the internet", AnotherVersionOfTheInternet},
    {"keys are changed", KeysAreChanged},
    {"a door that nobody opens", ADoorThatNobodyOpens},
    {"no file for shared memory", NoFileForSharedMemory},
    {"texts of peers", TextsOfPeers},
    {"after a sleep", AfterASleep},
    {"a learner comes back", [] { ALearnerComesBack(Security::kNone, false); }},
    {"a learner comes back, encrypted", [] { ALearnerComesBack(Security::kEncrypted, false); }},
    {"a learner comes back, shared memory", [] { ALearnerComesBack(Security::kNone, true); }},
    {"a place that is taken", APlaceThatIsTaken},
    {"somebody else knows", SomebodyElseKnows},
};

}  // namespace
}  // namespace tfdgan

int main(int argc, char** argv) {
  for (const tfdgan::Scene& scene : tfdgan::kScenes) {
    if (argc > 1 && std::strcmp(argv[1], scene.name)) continue;
    try {
      scene.play();
      std::printf("%s\n", scene.name);
      std::fflush(stdout);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", scene.name, error.what());
      return 1;
    }
  }
}
