// Scenes of faults.cc in which another process takes the place of a learner that was lost.
#ifndef TFDGAN_TESTS_COMEBACKS_H_
#define TFDGAN_TESTS_COMEBACKS_H_

#include <memory>
#include <string>

#include "call.h"
#include "job.h"

namespace tfdgan {

constexpr uint64_t kFirst = uint64_t{1} << 40;  // of the calls after a comeback

inline void MixAll(Job* job, const std::string& channel, size_t count, const std::vector<float>& values,
                   const std::vector<float>& means) {
  std::vector<std::unique_ptr<Call>> calls;
  for (int rank = 0; rank < job->size(); ++rank) {
    if (job->IsThere(rank)) calls.push_back(std::make_unique<Call>(job, rank, kThree, channel, count, values[rank]));
  }
  for (auto& call : calls) call->Expect(means);
}

// Learner 2 ends. Another one builds alone, mixing with nobody; then all take it in, and mix with it.
inline void ALearnerComesBack(Security security, bool shares) {
  Job job(3, 3, true, 0, security, "127.0.0.1", shares);
  job.StartAll();
  const std::vector<float> values{1, 4, 7};
  MixAll(&job, "c", 100'000, values, {4});
  for (int time = 0; time < 2; ++time) {
    job.Remove(2);
    MixAll(&job, "c", 100'000, values, {2, 3});  // x + (y - x) / 3
    job.Replace(2, shares);
    {
      Call alone(&job, 2, kThree, "c", 100'000, 7);  // as many as it likes, under numbers of its own
      alone.Expect({7});
    }
    const uint64_t first = kFirst * (time + 1);
    for (int rank : {0, 1}) job[rank].Readmit(2, job.options().learners[2], first);
    // The others do not wait for it to be ready.
    auto call = std::make_unique<Call>(&job, 0, kThree, "c", 100'000, values[0]);
    for (int rank : {0, 1}) job[2].Readmit(rank, job.options().learners[rank], first);
    job[2].Serve();
    Call other(&job, 1, kThree, "c", 100'000, values[1]), third(&job, 2, kThree, "c", 100'000, values[2]);
    call->Expect({4});
    other.Expect({4});
    third.Expect({4});
    MixAll(&job, "d", 10, values, {4});
    job[2].SendLetter(0, first, "here");
    std::string letter;
    Check(job[0].TakeLetter(2, first, 10, &letter) && letter == "here", "no letter of who came back");
    for (int rank = 0; rank < 3; ++rank) Check(job[rank].Lost().empty(), "somebody is lost after a comeback");
  }
}

// A learner stood still until the others gave it up, and goes on when its place is taken: nobody hears it any more.
inline void APlaceThatIsTaken() {
  Job job(3, 3, true);
  job.StartAll();
  const std::vector<float> values{1, 4, 7};
  MixAll(&job, "c", 1000, values, {4});
  for (int rank : {0, 1}) job[rank].GiveUp(2, "stood still");
  const std::unique_ptr<Transport> former = job.Replace(2, false);
  for (int rank : {0, 1}) job[rank].Readmit(2, job.options().learners[2], kFirst);
  for (int rank : {0, 1}) job[2].Readmit(rank, job.options().learners[rank], kFirst);
  job[2].Serve();
  for (int i = 0; i < 20; ++i) {
    former->Pulse(0);
    former->SendLetter(1, 5, "who am I");
    MixAll(&job, "c", 1000, values, {4});
  }
  std::string letter;
  Check(!job[1].TakeLetter(2, 5, .2, &letter), "a letter of who was given up");
  Check(former->Lost().size() == 2, "who was given up does not know so");
  for (int rank = 0; rank < 3; ++rank) Check(job[rank].Lost().empty(), "somebody is lost after a comeback");
}

// Who watches a process says that it has ended, before anybody could see it.
inline void SomebodyElseKnows() {
  Job job(3, 60, true);
  job.StartAll();
  const std::vector<float> values{1, 4, 7};
  MixAll(&job, "c", 1000, values, {4});
  Call a(&job, 0, kThree, "c", 1000, 1), b(&job, 1, kThree, "c", 1000, 4);
  for (int rank : {0, 1}) job[rank].HasEnded(2, "is gone");
  a.Expect({2});
  b.Expect({3});
  Check(job[0].Lost()[0].second.code == Code::kGone, "it counts as late");
  // The same of a learner that was given up before.
  job[0].GiveUp(1, "is late");
  for (int i = 0; i < 100 && job[0].Lost().size() < 2; ++i) usleep(10'000);
  Check(job[0].Lost()[0].second.code == Code::kLate, "it does not count as late");
  job[0].HasEnded(1, "is gone after all");
  for (int i = 0; i < 100 && job[0].Lost()[0].second.code != Code::kGone; ++i) usleep(10'000);
  Check(job[0].Lost()[0].second.message == "is gone after all", "its end came too late to be heard");
}

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_COMEBACKS_H_
