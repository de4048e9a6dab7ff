// The TensorFlow ops over the transport: one hands tensors over, one gives out what has become of them.
//
// Two, so that computing can be made to wait for the start of an exchange: TensorFlow starts what is ready in an order
// of its own, and on one thread an exchange that is to overlap with a gradient might start after it.
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "process.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/framework/variant.h"
#include "transport/transport.h"

namespace tfdgan {
namespace {

using namespace tensorflow;  // NOLINT: the op's own vocabulary

REGISTER_OP("TfdganMixStart")
    .Input("tensors: N * T")
    .Input("send_to: int32")
    .Input("send_counts: int32")
    .Input("receive_from: int32")
    .Input("receive_counts: int32")
    .Input("weights: double")
    .Input("step: int64")
    .Input("channel: string")
    .Input("order: resource")
    .Output("pending: variant")
    .Attr("N: int >= 1")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("wire: {float, double, bfloat16, half}")
    .SetIsStateful()
    .SetShapeFn(shape_inference::ScalarShape)
    .Doc(R"(
Starts to average tensors with the neighbours': rounds times x_i + sum_j W_ij (Q(x_j) - Q(x_i)). Returns at once.

send_to and receive_from hold the ranks of all rounds one after the other, send_counts and receive_counts how many
belong to each round, weights is as long as receive_from. Starts with one `order` run in the order of the program.
)");

REGISTER_OP("TfdganMixFinish")
    .Input("pending: variant")
    .Output("mixed: N * T")
    .Attr("N: int >= 1")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("shapes: list(shape)")
    .SetShapeFn([](shape_inference::InferenceContext* c) {
      std::vector<PartialTensorShape> shapes;
      TF_RETURN_IF_ERROR(c->GetAttr("shapes", &shapes));
      for (int i = 0; i < c->num_outputs(); ++i) {
        shape_inference::ShapeHandle shape;
        TF_RETURN_IF_ERROR(c->MakeShapeFromPartialTensorShape(shapes[i], &shape));
        c->set_output(i, shape);
      }
      return absl::OkStatus();
    })
    .Doc("What TfdganMixStart started; no thread waits for it.");

tfdgan::Type TypeOf(DataType type) {
  switch (type) {
    case DT_DOUBLE: return tfdgan::Type::kFloat64;
    case DT_BFLOAT16: return tfdgan::Type::kBfloat16;
    case DT_HALF: return tfdgan::Type::kFloat16;
    default: return tfdgan::Type::kFloat32;
  }
}

absl::Status StatusOf(const tfdgan::Status& status) {
  switch (status.code) {
    case Code::kOk: return absl::OkStatus();
    case Code::kLate: return absl::DeadlineExceededError(status.message);
    case Code::kGone: return absl::UnavailableError(status.message);
    case Code::kMismatch: return absl::InvalidArgumentError(status.message);
    case Code::kCancelled: return absl::CancelledError(status.message);
  }
  return absl::InternalError(status.message);
}

// An exchange under way. Whoever needs it holds a share of it: the transport, and the tensor between the two ops.
class Pending {
 public:
  std::vector<Tensor> inputs, outputs;

  void Finish(const tfdgan::Status& status) {
    std::unique_lock<std::mutex> lock(mutex_);
    finished_ = true;
    status_ = StatusOf(status);
    inputs.clear();
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
  void Encode(VariantTensorData*) const {}
  bool Decode(const VariantTensorData&) { return false; }
};

class MixStartOp : public OpKernel {
 public:
  explicit MixStartOp(OpKernelConstruction* context) : OpKernel(context) {
    DataType wire;
    OP_REQUIRES_OK(context, context->GetAttr("wire", &wire));
    wire_ = TypeOf(wire);
  }

  // Runs as soon as it can, ahead of the computing that it is to overlap with.
  bool IsExpensive() override { return false; }

  void Compute(OpKernelContext* context) override {
    const std::shared_ptr<Transport> transport = ProcessTransport();
    OP_REQUIRES(context, transport != nullptr,
                absl::FailedPreconditionError("gossip: the native exchange has not been started"));
    Request request;
    OP_REQUIRES_OK(context, Rounds(context, &request));
    OpInputList tensors;
    OP_REQUIRES_OK(context, context->input_list("tensors", &tensors));
    request.channel = Scalar<tstring>(context, "channel");
    request.step = Scalar<int64_t>(context, "step");
    request.type = TypeOf(tensors[0].dtype());
    request.wire = wire_;
    const auto pending = std::make_shared<Pending>();
    for (const Tensor& tensor : tensors) {
      Tensor output;
      OP_REQUIRES_OK(context, context->allocate_temp(tensor.dtype(), tensor.shape(), &output));
      request.inputs.push_back(tensor.data());
      request.outputs.push_back(output.data());
      request.counts.push_back(static_cast<size_t>(tensor.NumElements()));
      request.shapes += tensor.shape().DebugString() + ";";
      pending->inputs.push_back(tensor);  // a share of its buffer, so that nobody writes to it
      pending->outputs.push_back(std::move(output));
    }
    Tensor* handle = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({}), &handle));
    request.done = [pending](const tfdgan::Status& status) { pending->Finish(status); };
    pending->Started(transport, transport->Submit(std::move(request)));
    handle->scalar<Variant>()() = PendingHandle{pending};
  }

 private:
  template <typename T>
  static T Scalar(OpKernelContext* context, const char* name) {
    const Tensor* tensor = nullptr;
    TF_CHECK_OK(context->input(name, &tensor));
    return tensor->flat<T>()(0);
  }

  static absl::Status Rounds(OpKernelContext* context, Request* request) {
    const Tensor *send_to, *send_counts, *receive_from, *receive_counts, *weights, *scalar;
    TF_RETURN_IF_ERROR(context->input("send_to", &send_to));
    TF_RETURN_IF_ERROR(context->input("send_counts", &send_counts));
    TF_RETURN_IF_ERROR(context->input("receive_from", &receive_from));
    TF_RETURN_IF_ERROR(context->input("receive_counts", &receive_counts));
    TF_RETURN_IF_ERROR(context->input("weights", &weights));
    for (const char* name : {"step", "channel"}) {
      TF_RETURN_IF_ERROR(context->input(name, &scalar));
      if (scalar->NumElements() != 1) return absl::InvalidArgumentError(std::string("gossip: no scalar: ") + name);
    }
    if (weights->NumElements() != receive_from->NumElements() ||
        send_counts->NumElements() != receive_counts->NumElements() || !send_counts->NumElements()) {
      return absl::InvalidArgumentError("gossip: weights, peers and counts do not fit each other");
    }
    int64_t sent = 0, received = 0;
    for (int64_t r = 0; r < send_counts->NumElements(); ++r) {
      Round round;
      const int32_t sends = send_counts->flat<int32_t>()(r), receives = receive_counts->flat<int32_t>()(r);
      if (sends < 0 || receives < 0 || sent + sends > send_to->NumElements() ||
          received + receives > receive_from->NumElements()) {
        return absl::InvalidArgumentError("gossip: counts exceed the peers given");
      }
      for (int32_t i = 0; i < sends; ++i) round.send_to.push_back(send_to->flat<int32_t>()(sent++));
      for (int32_t i = 0; i < receives; ++i, ++received) {
        round.receive_from.push_back(receive_from->flat<int32_t>()(received));
        round.weights.push_back(weights->flat<double>()(received));
      }
      for (int peer : round.send_to) TF_RETURN_IF_ERROR(CheckPeer(peer));
      for (int peer : round.receive_from) TF_RETURN_IF_ERROR(CheckPeer(peer));
      request->rounds.push_back(std::move(round));
    }
    return absl::OkStatus();
  }

  static absl::Status CheckPeer(int peer) {
    if (peer >= 0 && peer < ProcessSize() && peer != ProcessRank()) return absl::OkStatus();
    return absl::InvalidArgumentError("gossip: no such peer: " + std::to_string(peer));
  }

  tfdgan::Type wire_;
};

class MixFinishOp : public AsyncOpKernel {
 public:
  using AsyncOpKernel::AsyncOpKernel;

  bool IsExpensive() override { return false; }

  void ComputeAsync(OpKernelContext* context, DoneCallback done) override {
    const PendingHandle* const handle = context->input(0).scalar<Variant>()().get<PendingHandle>();
    OP_REQUIRES_ASYNC(context, handle != nullptr, absl::InvalidArgumentError("gossip: nothing is pending"), done);
    const std::shared_ptr<Pending> pending = handle->pending;
    OP_REQUIRES_ASYNC(context, static_cast<int>(pending->outputs.size()) == context->num_outputs(),
                      absl::InvalidArgumentError("gossip: another number of tensors was begun"), done);
    CancellationManager* const manager = context->cancellation_manager();
    const CancellationToken token = manager ? manager->get_cancellation_token() : 0;
    if (manager && !manager->RegisterCallback(token, [pending] { pending->Cancel(); })) {
      pending->Cancel();
      OP_REQUIRES_ASYNC(context, false, absl::CancelledError("gossip: the step was cancelled"), done);
    }
    pending->Then([context, done, manager, token, pending](const absl::Status& status) {
      if (manager) manager->TryDeregisterCallback(token);
      context->SetStatus(status);
      for (size_t i = 0; status.ok() && i < pending->outputs.size(); ++i) {
        context->set_output(static_cast<int>(i), pending->outputs[i]);
      }
      done();
    });
  }
};

REGISTER_KERNEL_BUILDER(Name("TfdganMixStart").Device(DEVICE_CPU), MixStartOp);
REGISTER_KERNEL_BUILDER(Name("TfdganMixFinish").Device(DEVICE_CPU), MixFinishOp);

}  // namespace
}  // namespace tfdgan
