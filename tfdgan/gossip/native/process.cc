// C functions by which Python starts, asks and stops the transport of this process. They report failure by returning
// a negative number and leaving a text in `error`.
#include "process.h"

#include "transport/one_line.h"

#include <dlfcn.h>

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
  Crypto crypto;
  bool started = false;
  int rank = 0, size = 0;
};

Process& TheProcess() {
  static Process* const process = new Process;  // never destroyed: the op may use it while the process ends
  return *process;
}

void Tell(const std::string& text, char* to, int room) {
  const std::string line = OneLine(text, room - 1);
  std::memcpy(to, line.c_str(), line.size() + 1);
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

// Takes the functions for cryptography from a library of its own.
int tfdgan_load_crypto(const char* path, char* error, int room) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  using Get = const tfdgan::Crypto* (*)();
  const Get get = library ? reinterpret_cast<Get>(dlsym(library, "tfdgan_crypto")) : nullptr;
  if (!get) {
    tfdgan::Tell(dlerror(), error, room);
    return -1;
  }
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  process.crypto = *get();
  return 0;
}

// The one function that is needed where there is no such library.
void tfdgan_use_hmac(int (*hmac)(const unsigned char*, const void*, size_t, unsigned char*)) {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  process.crypto = {};
  process.crypto.hmac = hmac;
}

// The port on which this process listens from now on; port 0: any. If it shares memory, `door` becomes the name of a
// door for learners of this host, "" if there can be none; it has `room` bytes, as the error has.
int tfdgan_listen(const char* ip, int port, int shares, char* door, char* error, int room) {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  try {
    process.transport = std::make_shared<tfdgan::Transport>();
    const int listens = process.transport->Listen(ip, port);
    tfdgan::Tell(shares ? process.transport->ListenHere() : "", door, room);
    return listens;
  } catch (const std::exception& problem) {
    tfdgan::Tell(problem.what(), error, room);
    return -1;
  }
}

int tfdgan_start(int rank, int size, const char* const* hosts, const char* const* ips, const int* ports,
                 const int* are_here, const int* securities, const char* const* doors, const int* absent,
                 const unsigned char* key, double timeout, double rate, int degrade, unsigned long long memory,
                 char* error, int room) {
  tfdgan::Process& process = tfdgan::TheProcess();
  std::lock_guard<std::mutex> lock(process.mutex);
  tfdgan::Transport::Options options;
  options.rank = rank;
  for (int i = 0; i < size; ++i) {
    const auto security = static_cast<tfdgan::Security>(securities[i]);
    options.learners.push_back({hosts[i], ips[i], ports[i], are_here[i] != 0, security, doors[i], absent[i] != 0});
  }
  options.crypto = process.crypto;
  std::copy(key, key + options.key.size(), options.key.begin());
  options.timeout_seconds = timeout;
  options.rate = rate;
  options.degrade = degrade != 0;
  options.memory = memory;
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

// Bytes sent, bytes received, connections refused, protocol errors, calls, reconnections.
void tfdgan_counters(unsigned long long* six) {
  const auto transport = tfdgan::ProcessTransport();
  if (!transport) return std::fill(six, six + 6, 0ull), void();
  const auto counted = transport->Count();
  six[0] = counted.bytes_sent;
  six[1] = counted.bytes_received;
  six[2] = counted.connections_refused;
  six[3] = counted.protocol_errors;
  six[4] = counted.calls;
  six[5] = counted.reconnections;
}

// Lines "rank kind why" of the learners lost so far; kind: 1 if the process has ended, 2 if it lives and has given this
// learner up, else 0. Returns how many.
int tfdgan_lost(char* lines, int room) {
  const auto transport = tfdgan::ProcessTransport();
  if (!transport) return 0;
  std::string text;
  const auto lost = transport->Lost();
  for (const auto& one : lost) {
    const tfdgan::Code code = one.second.code;
    const char* const kind = code == tfdgan::Code::kGone ? " 1 " : code == tfdgan::Code::kGivenUp ? " 2 " : " 0 ";
    const std::string line =
        std::to_string(one.first) + kind + tfdgan::OneLine(one.second.message, tfdgan::kLongestReason) + "\n";
    if (text.size() + line.size() < static_cast<size_t>(room)) text += line;
  }
  std::memcpy(lines, text.c_str(), text.size() + 1);
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

void tfdgan_has_ended(int peer, const char* why) {
  if (const auto transport = tfdgan::ProcessTransport()) transport->HasEnded(peer, why);
}

int tfdgan_readmit(int peer, const char* host, const char* ip, int port, int is_here, int security, const char* door,
                   unsigned long long first, char* error, int room) {
  try {
    if (const auto transport = tfdgan::ProcessTransport()) {
      transport->Readmit(peer, {host, ip, port, is_here != 0, static_cast<tfdgan::Security>(security), door}, first);
    }
    return 0;
  } catch (const std::exception& problem) {
    tfdgan::Tell(problem.what(), error, room);
    return -1;
  }
}

void tfdgan_serve() {
  if (const auto transport = tfdgan::ProcessTransport()) transport->Serve();
}

void tfdgan_give_up(int peer, const char* why) {
  if (const auto transport = tfdgan::ProcessTransport()) transport->GiveUp(peer, why);
}
}
