// An exchange between the op that starts it and the op that gives out what has become of it.
#ifndef TFDGAN_PENDING_H_
#define TFDGAN_PENDING_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/variant.h"
#include "transport/transport.h"

namespace tfdgan {

inline absl::Status StatusOf(const tfdgan::Status& status) {
  switch (status.code) {
    case Code::kOk: return absl::OkStatus();
    case Code::kLate: return absl::DeadlineExceededError(status.message);
    case Code::kGone:
    case Code::kUnheard:
    case Code::kGivenUp: return absl::UnavailableError(status.message);
    case Code::kMismatch: return absl::InvalidArgumentError(status.message);
    case Code::kCancelled: return absl::CancelledError(status.message);
  }
  return absl::InternalError(status.message);
}

// An exchange under way. Whoever needs it holds a share of it: the transport, and the tensor between the two ops.
class Pending {
 public:
  std::vector<tensorflow::Tensor> outputs;

  void Finish(const tfdgan::Status& status) {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_ = true;
    status_ = StatusOf(status);
    const auto then = std::move(then_);
    lock.unlock();
    if (then) then(status_);
  }

  // Calls `then` once it has finished, which may be now.
  void Then(std::function<void(const absl::Status&)> then) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!finished_) {
      then_ = std::move(then);
      return;
    }
    lock.unlock();
    then(status_);
  }

  void Started(std::shared_ptr<Transport> transport, uint64_t id) { transport_ = std::move(transport), id_ = id; }
  void Cancel() { transport_->Cancel(id_); }

 private:
  std::mutex mutex_;
  bool finished_ = false;
  absl::Status status_;
  std::function<void(const absl::Status&)> then_;
  std::shared_ptr<Transport> transport_;
  uint64_t id_ = 0;
};

// Carries a Pending through a graph.
struct PendingHandle {
  std::shared_ptr<Pending> pending;
  std::string TypeName() const { return "tfdgan::Pending"; }
  void Encode(tensorflow::VariantTensorData*) const {}
  bool Decode(const tensorflow::VariantTensorData&) { return false; }
};

}  // namespace tfdgan

#endif  // TFDGAN_PENDING_H_
