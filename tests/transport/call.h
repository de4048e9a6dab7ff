// One learner's part of one call of a job in this process, and what it is expected to make.
#ifndef TFDGAN_TESTS_CALL_H_
#define TFDGAN_TESTS_CALL_H_

#include <cmath>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "job.h"

namespace tfdgan {

inline void Check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

inline bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// One learner's part of one call, all its numbers alike.
class Call {
 public:
  // `matrix`[i][j]: the weight that i gives to what j sends; the same in each of `rounds`.
  Call(Job* job, int rank, const std::vector<std::vector<double>>& matrix, std::string channel, size_t count,
       float value, int rounds = 1, int64_t step = 0)
      : input_(std::make_shared<std::vector<float>>(count, value)), output_(count) {
    Request request;
    request.channel = std::move(channel);
    request.step = step;
    for (; rounds; --rounds) {
      Round round;
      for (int j = 0; j < job->size(); ++j) {
        if (j == rank) continue;
        if (matrix[j][rank] != 0) round.send_to.push_back(j);
        if (matrix[rank][j] != 0) round.receive_from.push_back(j), round.weights.push_back(matrix[rank][j]);
      }
      request.rounds.push_back(std::move(round));
    }
    request.inputs = {input_->data()};
    request.inputs_kept = input_;
    request.outputs = {output_.data()};
    request.counts = {count};
    request.done = [this](const Status& status) { done_.set_value(status); };
    id_ = (*job)[rank].Submit(std::move(request));
  }

  // A scene that fails must not take the memory from under a call.
  ~Call() {
    if (result_.valid()) result_.wait();
  }

  uint64_t id() const { return id_; }
  bool IsDone() { return result_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  Status Result() {
    Check(result_.wait_for(std::chrono::seconds(60)) == std::future_status::ready, "a call never ended");
    return result_.get();
  }
  // Every number of the result, if they are all one of `values`; else an error.
  void Expect(const std::vector<float>& values) {
    const Status status = Result();
    Check(status.ok(), "a call failed: " + status.message);
    for (float number : output_) {
      bool found = false;
      for (float value : values) found |= std::abs(number - value) < 1e-6f;
      Check(found, "a call made " + std::to_string(number));
    }
  }

 private:
  std::shared_ptr<std::vector<float>> input_;
  std::vector<float> output_;
  std::promise<Status> done_;
  std::future<Status> result_ = done_.get_future();
  uint64_t id_;
};

using Matrix = std::vector<std::vector<double>>;
inline const Matrix kPair{{.5, .5}, {.5, .5}};
inline const Matrix kThree(3, std::vector<double>(3, 1.0 / 3));
inline const Matrix kLine{{.5, .5, 0}, {.5, 0, .5}, {0, .5, .5}};

}  // namespace tfdgan

#endif  // TFDGAN_TESTS_CALL_H_
