// The bytes of an object, shared and never copied: pieces one after the other, each a block that is
// repeated until the piece's size is reached. So a multipart object shares the bytes of its parts,
// and a made-up object of 5 GiB costs one block.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace kedge::emulator {

class Body {
 public:
  Body() = default;
  explicit Body(Bytes bytes);
  explicit Body(std::string_view text) : Body(to_bytes(text)) {}
  // `size` bytes, `block` over and over. Precondition: the block is not empty.
  static Body repeated(std::shared_ptr<const Bytes> block, std::uint64_t size);

  void append(const Body& other);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Views of [offset, offset + length), in order, at most `max_pieces`: perhaps not to the end.
  // They live as long as the body. Precondition: the range lies inside.
  [[nodiscard]] std::vector<ByteView> slice(std::uint64_t offset, std::uint64_t length,
                                            std::size_t max_pieces) const;
  // All of it in one buffer, for small ones.
  [[nodiscard]] Bytes flat() const;
  // A copy in which one bit differs. Precondition: not empty.
  [[nodiscard]] Body with_flipped_bit(std::uint64_t bit) const;

 private:
  struct Piece {
    std::shared_ptr<const Bytes> block;
    std::uint64_t size = 0;
  };
  std::vector<Piece> pieces_;
  std::uint64_t size_ = 0;
};

}  // namespace kedge::emulator
