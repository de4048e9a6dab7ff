// Memory for payloads that have come.
#ifndef TFDGAN_TRANSPORT_BLOCK_H_
#define TFDGAN_TRANSPORT_BLOCK_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "frame.h"

namespace tfdgan {

class Block {
 public:
  Block() = default;
  explicit Block(size_t room) : bytes_(new char[room]), room_(room) {}
  // Memory of a peer's, which goes back when `lent` is released.
  explicit Block(std::shared_ptr<char> lent) : lent_(std::move(lent)) {}
  char* get() const { return lent_ ? lent_.get() : bytes_.get(); }
  size_t room() const { return bytes_ ? room_ : 0; }  // of its own
  bool is_lent() const { return lent_ != nullptr; }
  explicit operator bool() const { return get() != nullptr; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::shared_ptr<char> lent_;
  size_t room_ = 0;
};

// Blocks that are used again, the last returned first, while it is still in the cache. Small ones are not kept.
class Pool {
 public:
  Block Get(size_t bytes) {
    if (bytes <= kSmall) return Block(bytes);
    if (free_.empty()) return Block(kChunkBytes);
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  void Give(Block block) {
    if (block.room() == kChunkBytes && free_.size() < kKept) free_.push_back(std::move(block));
  }

 private:
  static constexpr size_t kSmall = 16 * 1024, kKept = 32;
  std::vector<Block> free_;
};

}  // namespace tfdgan

#endif  // TFDGAN_TRANSPORT_BLOCK_H_
