// The TensorFlow ops over the transport: one hands tensors over, one gives out what has become of them.
//
// Two, so that computing can be made to wait for the start of an exchange: TensorFlow starts what is ready in an order
// of its own, and on one thread an exchange that is to overlap with a gradient might start after it.
#include <memory>
#include <string>
#include <vector>

#include "pending.h"
#include "process.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/shape_inference.h"
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

REGISTER_OP("TfdganGatherStart")
    .Input("message: uint8")
    .Input("send_to: int32")
    .Input("receive_from: int32")
    .Input("step: int64")
    .Input("channel: string")
    .Input("order: resource")
    .Output("pending: variant")
    .SetIsStateful()
    .SetShapeFn(shape_inference::ScalarShape)
    .Doc(R"(
Starts to send a message, [bytes], to some neighbours and to receive theirs, as long: [receive_from, bytes], zeros from
one that is lost. Returns at once; TfdganMixFinish gives them out. Starts with one `order` run in the order of the
program.
)");

REGISTER_OP("TfdganMixFinish")
    .Input("pending: variant")
    .Output("mixed: N * T")
    .Attr("N: int >= 1")
    .Attr("T: {float, double, bfloat16, half, uint8}")
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
    .Doc("What TfdganMixStart or TfdganGatherStart started; no thread waits for it.");

tfdgan::Type TypeOf(DataType type) {
  switch (type) {
    case DT_DOUBLE: return tfdgan::Type::kFloat64;
    case DT_BFLOAT16: return tfdgan::Type::kBfloat16;
    case DT_HALF: return tfdgan::Type::kFloat16;
    default: return tfdgan::Type::kFloat32;
  }
}

// What both ops that start something share.
class StartOp : public OpKernel {
 public:
  using OpKernel::OpKernel;

  // Runs as soon as it can, ahead of the computing that it is to overlap with.
  bool IsExpensive() override { return false; }

  void Compute(OpKernelContext* context) override {
    const std::shared_ptr<Transport> transport = ProcessTransport();
    OP_REQUIRES(context, transport != nullptr,
                absl::FailedPreconditionError("gossip: the native exchange has not been started"));
    for (const char* name : {"step", "channel"}) {
      const Tensor* scalar = nullptr;
      OP_REQUIRES_OK(context, context->input(name, &scalar));
      OP_REQUIRES(context, scalar->NumElements() == 1,
                  absl::InvalidArgumentError(std::string("gossip: no scalar: ") + name));
    }
    Request request;
    request.channel = Scalar<tstring>(context, "channel");
    request.step = Scalar<int64_t>(context, "step");
    const auto pending = std::make_shared<Pending>();
    const auto inputs = std::make_shared<std::vector<Tensor>>();
    request.inputs_kept = inputs;
    OP_REQUIRES_OK(context, Fill(context, &request, inputs.get(), pending.get()));
    Tensor* handle = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({}), &handle));
    request.done = [pending](const tfdgan::Status& status) { pending->Finish(status); };
    pending->Started(transport, transport->Submit(std::move(request)));
    handle->scalar<Variant>()() = PendingHandle{pending};
  }

 protected:
  // What is asked for, beside channel and step.
  virtual absl::Status Fill(OpKernelContext* context, Request* request, std::vector<Tensor>* inputs,
                            Pending* pending) = 0;

  static void Add(const Tensor& input, Tensor output, Request* request, std::vector<Tensor>* inputs, Pending* pending) {
    request->inputs.push_back(input.data());
    request->outputs.push_back(output.data());
    request->counts.push_back(static_cast<size_t>(input.NumElements()));
    request->shapes += input.shape().DebugString() + ";";
    inputs->push_back(input);  // a share of its buffer, so that nobody writes to it
    pending->outputs.push_back(std::move(output));
  }

  static absl::Status CheckPeer(int peer) {
    if (peer >= 0 && peer < ProcessSize() && peer != ProcessRank()) return absl::OkStatus();
    return absl::InvalidArgumentError("gossip: no such peer: " + std::to_string(peer));
  }

 private:
  template <typename T>
  static T Scalar(OpKernelContext* context, const char* name) {
    const Tensor* tensor = nullptr;
    const absl::Status found = context->input(name, &tensor);
    CHECK(found.ok()) << found;
    return tensor->flat<T>()(0);
  }
};

class GatherStartOp : public StartOp {
 public:
  using StartOp::StartOp;

 protected:
  absl::Status Fill(OpKernelContext* context, Request* request, std::vector<Tensor>* inputs,
                    Pending* pending) override {
    const Tensor *message, *send_to, *receive_from;
    TF_RETURN_IF_ERROR(context->input("message", &message));
    TF_RETURN_IF_ERROR(context->input("send_to", &send_to));
    TF_RETURN_IF_ERROR(context->input("receive_from", &receive_from));
    Round round;
    for (int64_t i = 0; i < send_to->NumElements(); ++i) round.send_to.push_back(send_to->flat<int32_t>()(i));
    for (int64_t i = 0; i < receive_from->NumElements(); ++i) {
      round.receive_from.push_back(receive_from->flat<int32_t>()(i));
    }
    for (int peer : round.send_to) TF_RETURN_IF_ERROR(CheckPeer(peer));
    for (int peer : round.receive_from) TF_RETURN_IF_ERROR(CheckPeer(peer));
    round.weights.assign(round.receive_from.size(), 0.0);
    request->rounds.push_back(std::move(round));
    request->type = request->wire = tfdgan::Type::kByte;
    request->gathers = true;
    Tensor output;
    const TensorShape shape({receive_from->NumElements(), message->NumElements()});
    TF_RETURN_IF_ERROR(context->allocate_temp(DT_UINT8, shape, &output));
    Add(*message, std::move(output), request, inputs, pending);
    return absl::OkStatus();
  }
};

class MixStartOp : public StartOp {
 public:
  explicit MixStartOp(OpKernelConstruction* context) : StartOp(context) {
    DataType wire;
    OP_REQUIRES_OK(context, context->GetAttr("wire", &wire));
    wire_ = TypeOf(wire);
  }

 protected:
  absl::Status Fill(OpKernelContext* context, Request* request, std::vector<Tensor>* inputs,
                    Pending* pending) override {
    TF_RETURN_IF_ERROR(Rounds(context, request));
    OpInputList tensors;
    TF_RETURN_IF_ERROR(context->input_list("tensors", &tensors));
    request->type = TypeOf(tensors[0].dtype());
    request->wire = wire_;
    for (const Tensor& tensor : tensors) {
      Tensor output;
      TF_RETURN_IF_ERROR(context->allocate_temp(tensor.dtype(), tensor.shape(), &output));
      Add(tensor, std::move(output), request, inputs, pending);
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Rounds(OpKernelContext* context, Request* request) {
    const Tensor *send_to, *send_counts, *receive_from, *receive_counts, *weights;
    TF_RETURN_IF_ERROR(context->input("send_to", &send_to));
    TF_RETURN_IF_ERROR(context->input("send_counts", &send_counts));
    TF_RETURN_IF_ERROR(context->input("receive_from", &receive_from));
    TF_RETURN_IF_ERROR(context->input("receive_counts", &receive_counts));
    TF_RETURN_IF_ERROR(context->input("weights", &weights));
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
REGISTER_KERNEL_BUILDER(Name("TfdganGatherStart").Device(DEVICE_CPU), GatherStartOp);
REGISTER_KERNEL_BUILDER(Name("TfdganMixFinish").Device(DEVICE_CPU), MixFinishOp);

}  // namespace
}  // namespace tfdgan
