// Memory that two learners of one host share: one lays payloads there, the other mixes them where they lie.
//
// A shelf belongs to one direction of one connection, over whose socket its descriptor goes. Each slot has a word that
// says whether it is taken: the sender takes slots, the receiver gives them back. A shelf that is full is no obstacle:
// the payload then follows its header.
#ifndef TFDGAN_TRANSPORT_SHELF_H_
#define TFDGAN_TRANSPORT_SHELF_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "block.h"

namespace tfdgan {

class Shelf : public std::enable_shared_from_this<Shelf> {
 public:
  static constexpr uint32_t kSlots = 32;  // of kChunkBytes each; the system gives memory for those that are used

  // The sender's. Null if the system gives none. `descriptor` belongs to the caller.
  static std::shared_ptr<Shelf> Make(int* descriptor);
  // The receiver's, of the descriptor that came, which stays the caller's. Null if it is no shelf, or could become
  // shorter.
  static std::shared_ptr<Shelf> Open(int descriptor);
  ~Shelf();
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;

  // A slot that was free, counted from 1, the lowest, which is most likely in the cache; 0 if none is.
  uint32_t Take();
  char* At(uint32_t slot) const { return slots_ + size_t{slot - 1} * kChunkBytes; }
  // What lies in a slot; the slot is free again when the block is gone.
  Block Lend(uint32_t slot);

 private:
  using Word = std::atomic<uint32_t>;
  static_assert(Word::is_always_lock_free, "two processes share them");

  explicit Shelf(void* memory);

  Word* const taken_;
  char* const slots_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_SHELF_H_
