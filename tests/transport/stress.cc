// Many learners in one process, mixing at random over loopback while strangers knock and connections break: run it
// under a sanitizer.
//
//   stress SECONDS LEARNERS SEED CUTS SECURITY SHARES
//
// CUTS: connections cut a second, at random instants. SECURITY: 0 none, 1 authenticated, 2 encrypted. SHARES: 1 if
// learners share memory.
// Each step draws a permutation, a graph, rounds, types and sizes that all learners agree on, keeps several channels
// in flight, and compares every result bit for bit with the formula. Ends with 1 at the first difference.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <random>

#include "job.h"
#include "number_types.h"
#include "script.h"
#include "transport.h"

namespace tfdgan {
namespace {

using Random = std::mt19937_64;

struct Plan {  // of one call, the same for all learners
  Type type, wire;
  bool gathers = false;
  std::vector<size_t> counts;
  size_t elements = 0;
  std::vector<std::vector<std::vector<double>>> matrices;  // of each round, rows sum to 1
};

std::vector<std::vector<double>> RandomMatrix(int n, Random* random) {
  std::vector<std::vector<double>> W(n, std::vector<double>(n, 0.0));
  const int kind = static_cast<int>((*random)() % 3), shift = n > 1 ? static_cast<int>(1 + (*random)() % (n - 1)) : 0;
  for (int i = 0; i < n; ++i) {
    if (kind == 0) {  // directed
      W[i][(i + shift) % n] = 0.5;
    } else if (kind == 1) {  // ring
      W[i][(i + 1) % n] = W[i][(i + n - 1) % n] = 1.0 / 3;
    } else {
      for (int j = 0; j < n; ++j) W[i][j] = 1.0 / n;
    }
    W[i][i] = 0;
  }
  return W;
}

Plan MakePlan(int n, Random* random) {
  Plan plan;
  const Type wide[] = {Type::kFloat32, Type::kFloat32, Type::kFloat64, Type::kBfloat16, Type::kFloat16};
  plan.type = wide[(*random)() % 5];
  const Type wires[] = {plan.type, Type::kFloat32, Type::kBfloat16, Type::kFloat16};
  plan.wire = wires[(*random)() % 4];
  const size_t tensors = 1 + (*random)() % 6;
  for (size_t t = 0; t < tensors; ++t) {
    const size_t sizes[] = {0, 1, 17, 100, 1000, 1001, 5000, 5000, 20011, 100003};
    plan.counts.push_back(sizes[(*random)() % 10]);
    plan.elements += plan.counts.back();
  }
  if (!plan.elements) plan.counts.push_back(plan.elements = 3);
  for (uint64_t rounds = 1 + (*random)() % 3; rounds; --rounds) plan.matrices.push_back(RandomMatrix(n, random));
  if ((*random)() % 4 == 0) {  // messages instead of a mix
    plan.gathers = true;
    plan.type = plan.wire = Type::kByte;
    plan.matrices.resize(1);
  }
  return plan;
}

// What each learner's neighbours have sent, tensor by tensor.
std::vector<std::vector<char>> Gathered(const Plan& plan, const std::vector<std::vector<char>>& inputs) {
  std::vector<std::vector<char>> outputs(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t at = 0;
    for (size_t count : plan.counts) {
      for (size_t j = 0; j < inputs.size(); ++j) {
        if (plan.matrices[0][i][j] == 0) continue;
        outputs[i].insert(outputs[i].end(), inputs[j].begin() + at, inputs[j].begin() + at + count);
      }
      at += count;
    }
  }
  return outputs;
}

// The formula, number by number.
template <typename A>
std::vector<std::vector<char>> Expected(const Plan& plan, const std::vector<std::vector<char>>& inputs) {
  const size_t n = inputs.size();
  std::vector<std::vector<A>> x(n, std::vector<A>(plan.elements)), q = x;
  for (size_t i = 0; i < n; ++i) Widen(inputs[i].data(), plan.type, x[i].data(), plan.elements);
  for (const auto& W : plan.matrices) {
    for (size_t i = 0; i < n; ++i) {
      std::vector<char> wire(plan.elements * SizeOf(plan.wire));
      Narrow(x[i].data(), plan.wire, wire.data(), plan.elements);
      Widen(wire.data(), plan.wire, q[i].data(), plan.elements);
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        const A weight = static_cast<A>(W[i][j]);
        if (weight == 0) continue;
        for (size_t e = 0; e < plan.elements; ++e) x[i][e] += weight * (q[j][e] - q[i][e]);
      }
    }
  }
  std::vector<std::vector<char>> outputs(n);
  for (size_t i = 0; i < n; ++i) {
    outputs[i].resize(plan.elements * SizeOf(plan.type));
    Narrow(x[i].data(), plan.type, outputs[i].data(), plan.elements);
  }
  return outputs;
}

std::vector<char> Inputs(const Plan& plan, uint64_t seed) {
  Random random(seed);
  if (plan.gathers) {
    std::vector<char> bytes(plan.elements);
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  std::vector<float> numbers(plan.elements);
  for (float& number : numbers) number = static_cast<float>(static_cast<int64_t>(random() % 200001) - 100000) / 50000;
  std::vector<double> wide(numbers.begin(), numbers.end());
  std::vector<char> bytes(plan.elements * SizeOf(plan.type));
  if (plan.type == Type::kFloat64) {
    Narrow(wide.data(), plan.type, bytes.data(), plan.elements);
  } else {
    Narrow(numbers.data(), plan.type, bytes.data(), plan.elements);
  }
  return bytes;
}

// One learner's part of a call; true in the future if all went well.
std::future<bool> Mix(Transport* transport, int rank, const Plan& plan, std::string channel, int64_t step,
                      const std::vector<char>& given, std::vector<char>* output) {
  // Of its own and no longer than the transport holds it: whatever reads it later is caught.
  const auto kept = std::make_shared<const std::vector<char>>(given);
  const std::vector<char>& input = *kept;
  const auto promise = std::make_shared<std::promise<bool>>();
  Request request;
  request.channel = std::move(channel);
  request.step = step;
  request.type = plan.type;
  request.wire = plan.wire;
  request.counts = plan.counts;
  for (const auto& W : plan.matrices) {
    Round round;
    for (int j = 0; j < static_cast<int>(W.size()); ++j) {
      if (W[j][rank] != 0) round.send_to.push_back(j);
      if (W[rank][j] != 0) round.receive_from.push_back(j), round.weights.push_back(W[rank][j]);
    }
    request.rounds.push_back(std::move(round));
  }
  request.gathers = plan.gathers;
  request.inputs_kept = kept;
  const size_t copies = plan.gathers ? request.rounds[0].receive_from.size() : 1;
  output->assign(input.size() * copies, 0);
  size_t at = 0;
  for (size_t count : plan.counts) {
    request.inputs.push_back(input.data() + at);
    request.outputs.push_back(output->data() + at * copies);
    at += count * SizeOf(plan.type);
  }
  request.done = [promise](const Status& status) {
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.message.c_str());
    promise->set_value(status.ok());
  };
  transport->Submit(std::move(request));
  return promise->get_future();
}

// Connects to a learner again and again and sends what no learner would. Counts its visits.
void Knock(int port, const std::atomic<bool>& over, uint64_t seed, std::atomic<uint64_t>* visits) {
  Random random(seed);
  while (!over) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    const timeval patience{0, 200000};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      Handshake wrong(*tfdgan_crypto(), Digest{});
      wrong.MakeKnock(0, 3, 4, Security::kNone);
      switch (random() % 5) {
        case 0: break;  // leaves
        case 1: {       // noise
          char noise[4096];
          for (char& c : noise) c = static_cast<char>(random());
          send(socket, noise, random() % sizeof noise, MSG_NOSIGNAL);
          break;
        }
        case 2:  // a wrong key
        case 3: send(socket, &wrong.knock(), sizeof wrong.knock(), MSG_NOSIGNAL); break;
        case 4: send(socket, &wrong.knock(), random() % sizeof wrong.knock(), MSG_NOSIGNAL); break;  // not all of it
      }
      if (random() % 2) {
        char byte;
        shutdown(socket, SHUT_WR);
        while (recv(socket, &byte, 1, 0) > 0) {
        }
      }
      ++*visits;
    }
    close(socket);
    usleep(1000);
  }
}

// Cuts connections of this process, as a network would: what is on its way is lost. Counts the cuts.
void Cut(double a_second, const std::atomic<bool>& over, uint64_t seed, std::atomic<uint64_t>* cuts) {
  Random random(seed);
  while (!over) {
    usleep(static_cast<useconds_t>(1e6 * std::exponential_distribution<>(a_second)(random)));
    std::vector<int> connected;
    for (int socket = 3; socket < 256; ++socket) {
      sockaddr_storage peer{};
      socklen_t length = sizeof peer;
      if (!getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &length)) connected.push_back(socket);
    }
    if (connected.empty()) continue;
    const sockaddr nowhere{AF_UNSPEC, {}};
    // By no function that a sanitizer knows: that another thread's socket may be closed meanwhile is meant.
    const int socket = connected[random() % connected.size()];
    *cuts += !syscall(SYS_connect, socket, &nowhere, sizeof nowhere) || !syscall(SYS_shutdown, socket, SHUT_RDWR);
  }
}

// What this process has of the machine.
struct Burden {
  int files = 0;
  long mebibytes = 0;

  static Burden Now() {
    Burden now;
    now.files = OpenFiles();
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    now.mebibytes = pages * sysconf(_SC_PAGESIZE) >> 20;
    return now;
  }
};

// Whether a learner of this process has memory that it shares with another.
bool MapsShelves() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:tfdgan") != std::string::npos) return true;
  }
  return false;
}

int Stress(double seconds, int n, uint64_t seed, double cuts_a_second, Security security, bool shares) {
  Random random(seed);
  Job job(n, 60, false, seed, security, "127.0.0.1", shares);
  job.StartAll();
  std::atomic<bool> over{false};
  std::atomic<uint64_t> visits{0}, cuts{0};
  std::thread stranger([&] { Knock(job.port(n - 1), over, seed + 1, &visits); });
  std::thread cutter([&] {
    if (cuts_a_second > 0) Cut(cuts_a_second, over, seed + 2, &cuts);
  });

  const auto begun = Clock::now(), end = begun + Seconds(seconds);
  Burden early;
  uint64_t calls = 0, wrong = 0;
  bool has_shared = false;
  for (int64_t step = 0; Clock::now() < end && !wrong; ++step) {
    constexpr int kChannels = 3, kCalls = 2;  // calls in a row on each channel
    std::vector<Plan> plans;
    for (int c = 0; c < kChannels * kCalls; ++c) plans.push_back(MakePlan(n, &random));
    std::vector<std::vector<std::vector<char>>> inputs(plans.size()), outputs(plans.size());
    for (size_t c = 0; c < plans.size(); ++c) {
      outputs[c].resize(n);
      for (int rank = 0; rank < n; ++rank) inputs[c].push_back(Inputs(plans[c], seed + step * 1000 + c * 100 + rank));
    }
    if (Clock::now() < begun + Seconds(seconds / 4)) early = Burden::Now();
    std::vector<std::thread> learners;
    std::atomic<uint64_t> failed{0};
    const uint64_t shuffled = random();
    for (int rank = 0; rank < n; ++rank) {
      learners.emplace_back([&, rank] {
        Random mine(shuffled + rank);
        std::vector<std::future<bool>> under_way;
        for (int call = 0; call < kCalls; ++call) {
          std::vector<int> order{0, 1, 2};  // channels begin in an order of each learner's own
          std::shuffle(order.begin(), order.end(), mine);
          for (int channel : order) {
            if (mine() % 4 == 0) usleep(mine() % 2000);
            const size_t c = channel * kCalls + call;
            under_way.push_back(Mix(&job[rank], rank, plans[c], "channel " + std::to_string(channel), step,
                                    inputs[c][rank], &outputs[c][rank]));
          }
        }
        for (auto& one : under_way) failed += !one.get();
      });
    }
    for (auto& learner : learners) learner.join();
    has_shared |= MapsShelves();  // a connection that was cut has none until something large goes over the next
    wrong += failed;
    for (size_t c = 0; c < plans.size() && !wrong; ++c) {
      const auto expected = plans[c].gathers                  ? Gathered(plans[c], inputs[c])
                            : plans[c].type == Type::kFloat64 ? Expected<double>(plans[c], inputs[c])
                                                              : Expected<float>(plans[c], inputs[c]);
      for (int rank = 0; rank < n; ++rank) wrong += outputs[c][rank] != expected[rank];
      calls += n;
    }
  }
  const Burden late = Burden::Now();
  over = true;
  stranger.join();
  cutter.join();
  const auto counted = job[n - 1].Count();
  uint64_t reconnections = 0;
  for (int rank = 0; rank < n; ++rank) reconnections += job[rank].Count().reconnections;
  std::printf(
      "%llu calls, %llu wrong, %llu strangers, %llu refused, %llu protocol errors, %llu cuts, %llu came back; "
      "%d files and %ld MiB after a quarter of the time, %d and %ld at the end\n",
      static_cast<unsigned long long>(calls), static_cast<unsigned long long>(wrong),
      static_cast<unsigned long long>(visits.load()), static_cast<unsigned long long>(counted.connections_refused),
      static_cast<unsigned long long>(counted.protocol_errors), static_cast<unsigned long long>(cuts.load()),
      static_cast<unsigned long long>(reconnections), early.files, early.mebibytes, late.files, late.mebibytes);
  return wrong || counted.protocol_errors || !calls || has_shared != shares ? 1 : 0;
}

}  // namespace
}  // namespace tfdgan

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: stress SECONDS LEARNERS SEED CUTS SECURITY SHARES\n");
    return 2;
  }
  return tfdgan::Stress(std::atof(argv[1]), std::atoi(argv[2]), std::strtoull(argv[3], nullptr, 10), std::atof(argv[4]),
                        static_cast<tfdgan::Security>(std::atoi(argv[5])), std::atoi(argv[6]) != 0);
}
