// Scenes of faults.cc with letters between learners.
#ifndef TFDGAN_TESTS_LETTERS_H_
#define TFDGAN_TESTS_LETTERS_H_

#include <string>

#include <unistd.h>

#include "call.h"
#include "job.h"

namespace tfdgan {

inline void Letters() {
  Job job(2);
  job.StartAll();
  std::string large(3 << 20, 'x'), got;
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7);
  for (int rank : {0, 1}) {
    job[rank].SendLetter(1 - rank, 7, large);
    job[rank].SendLetter(1 - rank, 3, "");
  }
  for (int rank : {0, 1}) {
    Check(job[rank].TakeLetter(1 - rank, 3, 20, &got) && got.empty(), "the empty letter");
    Check(job[rank].TakeLetter(1 - rank, 7, 20, &got) && got == large, "the large letter");
    Check(!job[rank].TakeLetter(1 - rank, 7, 0, &got), "a letter came twice");
  }
}

inline void LettersThatNobodyTakes() {
  Job job(2, 1);
  job.StartAll();
  job[0].Pulse(1);  // the lower rank dials
  for (int number = 0; number <= kMostLetters; ++number) job[1].SendLetter(0, number, "again");
  std::string got;
  for (int i = 0; i < 100 && job[0].Lost().empty(); ++i) usleep(50'000);
  const auto lost = job[0].Lost();
  Check(lost.size() == 1 && lost[0].first == 1 && Contains(lost[0].second.message, "nobody takes"), "they pile up");
  Check(job[0].TakeLetter(1, 0, 1, &got) && got == "again", "what came before is lost");
}

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_LETTERS_H_
