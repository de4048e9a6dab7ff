// The TensorFlow op over the transport: unpacks inputs, hands them over, allocates nothing else.
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "process.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "transport/transport.h"

namespace tfdgan {
namespace {

using namespace tensorflow;  // NOLINT: the op's own vocabulary

REGISTER_OP("TfdganMix")
    .Input("tensors: N * T")
    .Input("send_to: int32")
    .Input("send_counts: int32")
    .Input("receive_from: int32")
    .Input("receive_counts: int32")
    .Input("weights: double")
    .Input("step: int64")
    .Input("channel: string")
    .Input("order: resource")
    .Output("mixed: N * T")
    .Attr("N: int >= 1")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("wire: {float, double, bfloat16, half}")
    .SetIsStateful()
    .SetShapeFn([](shape_inference::InferenceContext* c) {
      int count;
      TF_RETURN_IF_ERROR(c->GetAttr("N", &count));
      for (int i = 0; i < count; ++i) c->set_output(i, c->input(i));
      return absl::OkStatus();
    })
    .Doc(R"(
Averages tensors with the neighbours', rounds times: x_i + sum_j W_ij (Q(x_j) - Q(x_i)).

send_to and receive_from hold the ranks of all rounds one after the other, send_counts and receive_counts how many
belong to each round, weights is as long as receive_from. Calls with one `order` run in the order of the program.
)");

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

// A cancellation may come before the transport has said how the call is called.
struct Ticket {
  std::mutex mutex;
  uint64_t id = 0;
  bool cancelled = false;
};

class MixOp : public AsyncOpKernel {
 public:
  explicit MixOp(OpKernelConstruction* context) : AsyncOpKernel(context) {
    DataType wire;
    OP_REQUIRES_OK(context, context->GetAttr("wire", &wire));
    wire_ = TypeOf(wire);
  }

  void ComputeAsync(OpKernelContext* context, DoneCallback done) override {
    const std::shared_ptr<Transport> transport = ProcessTransport();
    OP_REQUIRES_ASYNC(context, transport != nullptr,
                      absl::FailedPreconditionError("gossip: the native exchange has not been started"), done);
    Request request;
    OP_REQUIRES_OK_ASYNC(context, Rounds(context, &request), done);
    OpInputList tensors;
    OP_REQUIRES_OK_ASYNC(context, context->input_list("tensors", &tensors), done);
    request.channel = Scalar<tstring>(context, "channel");
    request.step = Scalar<int64_t>(context, "step");
    request.type = TypeOf(tensors[0].dtype());
    request.wire = wire_;
    request.shapes = 0xcbf29ce484222325;
    for (int i = 0; i < tensors.size(); ++i) {
      Tensor* output = nullptr;
      OP_REQUIRES_OK_ASYNC(context, context->allocate_output(i, tensors[i].shape(), &output), done);
      request.inputs.push_back(tensors[i].data());
      request.outputs.push_back(output->data());
      request.counts.push_back(static_cast<size_t>(tensors[i].NumElements()));
      for (char c : tensors[i].shape().DebugString() + ";") request.shapes = (request.shapes ^ c) * 0x100000001b3;
    }

    CancellationManager* const manager = context->cancellation_manager();
    const CancellationToken token = manager ? manager->get_cancellation_token() : 0;
    const auto ticket = std::make_shared<Ticket>();
    if (manager) {
      const bool goes_on = manager->RegisterCallback(token, [transport, ticket] {
        std::lock_guard<std::mutex> lock(ticket->mutex);
        ticket->cancelled = true;
        if (ticket->id) transport->Cancel(ticket->id);
      });
      OP_REQUIRES_ASYNC(context, goes_on, absl::CancelledError("gossip: the step was cancelled"), done);
    }
    request.done = [context, done, manager, token](const tfdgan::Status& status) {
      if (manager) manager->TryDeregisterCallback(token);
      if (!status.ok()) context->SetStatus(StatusOf(status));
      done();
    };
    // From here on the context may be gone at any time.
    const uint64_t id = transport->Submit(std::move(request));
    std::lock_guard<std::mutex> lock(ticket->mutex);
    ticket->id = id;
    if (ticket->cancelled) transport->Cancel(id);
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

REGISTER_KERNEL_BUILDER(Name("TfdganMix").Device(DEVICE_CPU), MixOp);

}  // namespace
}  // namespace tfdgan
