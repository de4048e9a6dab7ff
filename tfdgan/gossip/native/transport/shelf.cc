#include "shelf.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tfdgan {
namespace {

constexpr size_t kWords = 4096;  // bytes before the slots: a page
constexpr size_t kSize = kWords + size_t{Shelf::kSlots} * kChunkBytes;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

void* Map(int descriptor) {
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

Shelf::Shelf(void* memory) : taken_(static_cast<Word*>(memory)), slots_(static_cast<char*>(memory) + kWords) {}

Shelf::~Shelf() { munmap(taken_, kSize); }

std::shared_ptr<Shelf> Shelf::Make(int* descriptor) {
  *descriptor = memfd_create("tfdgan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*descriptor < 0) return nullptr;
  void* memory = nullptr;
  if (!ftruncate(*descriptor, kSize) && !fcntl(*descriptor, F_ADD_SEALS, kSeals)) memory = Map(*descriptor);
  if (memory) return std::shared_ptr<Shelf>(new Shelf(memory));
  close(*descriptor);
  *descriptor = -1;
  return nullptr;
}

std::shared_ptr<Shelf> Shelf::Open(int descriptor) {
  struct stat info;
  // Who shortened it would end whoever reads it.
  const int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || fstat(descriptor, &info) || info.st_size != kSize) return nullptr;
  void* const memory = Map(descriptor);
  return memory ? std::shared_ptr<Shelf>(new Shelf(memory)) : nullptr;
}

uint32_t Shelf::Take() {
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    if (taken_[slot].load(std::memory_order_acquire)) continue;
    taken_[slot].store(1, std::memory_order_relaxed);
    return slot + 1;
  }
  return 0;
}

Block Shelf::Lend(uint32_t slot) {
  return Block(std::shared_ptr<char>(At(slot), [shelf = shared_from_this(), slot](char*) {
    shelf->taken_[slot - 1].store(0, std::memory_order_release);
  }));
}

}  // namespace tfdgan
