// C functions by which Python starts, asks and stops the transport of this process. They report failure by returning
// a negative number and leaving a text in `error`.
#include "process.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>

namespace tfdgan {
namespace {

struct Process {
  std::mutex mutex;
  std::shared_ptr<Transport> transport;
  bool started = false;
  int rank = 0, size = 0;
};

Process& TheProcess() {
  static Process* const process = new Process;  // never destroyed: the op may use it while the process ends
  return *process;
}

void Tell(const std::string& text, char* to, int room) {
  const size_t count = std::min<size_t>(text.size(), room - 1);
  std::memcpy(to, text.data(), count);
  to[count] = '\0';
}

}  // namespace

std::shared_ptr<Transport> ProcessTransport() {
  Process& process = TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  return process.started ? process.transport : nullptr;
}

int ProcessRank() { return TheProcess().rank; }
int ProcessSize() { return TheProcess().size; }

}  // namespace tfdgan

extern "C" {

// The port on which this process listens from now on.
int tfdgan_listen(const char* ip, char* error, int room) {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  try {
    process.transport = std::make_shared<tfdgan::Transport>();
    return process.transport->Listen(ip);
  } catch (const std::exception& problem) {
    tfdgan::Tell(problem.what(), error, room);
    return -1;
  }
}

int tfdgan_start(int rank, int size, const char* const* hosts, const char* const* ips, const int* ports,
                 const unsigned char* key, double timeout, double rate, int degrade, char* error, int room) {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  tfdgan::Transport::Options options;
  options.rank = rank;
  for (int i = 0; i < size; ++i) options.learners.push_back({hosts[i], ips[i], ports[i]});
  std::copy(key, key + options.key.size(), options.key.begin());
  options.timeout_seconds = timeout;
  options.rate = rate;
  options.degrade = degrade != 0;
  process.rank = rank;
  process.size = size;
  try {
    process.transport->Start(options);
  } catch (const std::exception& problem) {
    tfdgan::Tell(problem.what(), error, room);
    return -1;
  }
  process.started = true;
  return 0;
}

void tfdgan_stop() {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::unique_lock<std::mutex> lock(process.mutex);
  const auto transport = process.started ? process.transport : nullptr;
  process.started = false;
  lock.unlock();
  if (transport) transport->Stop();
}

// Bytes sent, bytes received, connections refused, protocol errors, calls.
void tfdgan_counters(unsigned long long* five) {
  const auto transport = tfdgan::ProcessTransport();
  if (!transport) return std::fill(five, five + 5, 0ull), void();
  const auto counted = transport->Count();
  five[0] = counted.bytes_sent;
  five[1] = counted.bytes_received;
  five[2] = counted.connections_refused;
  five[3] = counted.protocol_errors;
  five[4] = counted.calls;
}

// Lines "rank why" of the learners lost so far; returns how many.
int tfdgan_lost(char* lines, int room) {
  const auto transport = tfdgan::ProcessTransport();
  if (!transport) return 0;
  std::string text;
  const auto lost = transport->Lost();
  for (const auto& one : lost) text += std::to_string(one.first) + " " + one.second + "\n";
  tfdgan::Tell(text, lines, room);
  return static_cast<int>(lost.size());
}

int tfdgan_send_letter(int peer, unsigned long long number, const char* bytes, unsigned long long count, char* error,
                       int room) {
  try {
    if (const auto transport = tfdgan::ProcessTransport()) {
      transport->SendLetter(peer, number, std::string(bytes, count));
    }
    return 0;
  } catch (const std::exception& problem) {
    tfdgan::Tell(problem.what(), error, room);
    return -1;
  }
}

// A letter's length, or -1 if it has not come in time. It is read, once, by tfdgan_read_letter on the same thread.
static thread_local std::string letter;

long long tfdgan_take_letter(int peer, unsigned long long number, double seconds) {
  const auto transport = tfdgan::ProcessTransport();
  if (!transport || !transport->TakeLetter(peer, number, seconds, &letter)) return -1;
  return static_cast<long long>(letter.size());
}

void tfdgan_read_letter(char* to) { std::memcpy(to, letter.data(), letter.size()); }

double tfdgan_silent_for(int peer) {
  const auto transport = tfdgan::ProcessTransport();
  return transport ? transport->SilentFor(peer) : -1;
}

void tfdgan_pulse(int peer) {
  if (const auto transport = tfdgan::ProcessTransport()) transport->Pulse(peer);
}

void tfdgan_give_up(int peer, const char* why) {
  if (const auto transport = tfdgan::ProcessTransport()) transport->GiveUp(peer, why);
}
}
