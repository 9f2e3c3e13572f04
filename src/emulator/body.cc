#include "emulator/body.h"

#include <algorithm>

namespace kedge::emulator {

Body::Body(Bytes bytes) {
  if (bytes.empty()) return;
  size_ = bytes.size();
  pieces_.push_back({std::make_shared<const Bytes>(std::move(bytes)), size_});
}

Body Body::repeated(std::shared_ptr<const Bytes> block, std::uint64_t size) {
  KEDGE_CHECK(block != nullptr && !block->empty());
  Body body;
  if (size == 0) return body;
  body.pieces_.push_back({std::move(block), size});
  body.size_ = size;
  return body;
}

void Body::append(const Body& other) {
  pieces_.insert(pieces_.end(), other.pieces_.begin(), other.pieces_.end());
  size_ += other.size_;
}

std::vector<ByteView> Body::slice(std::uint64_t offset, std::uint64_t length,
                                  std::size_t max_pieces) const {
  KEDGE_CHECK(offset <= size_ && length <= size_ - offset);
  std::vector<ByteView> views;
  for (const Piece& piece : pieces_) {
    if (offset >= piece.size) {
      offset -= piece.size;
      continue;
    }
    while (length > 0 && offset < piece.size && views.size() < max_pieces) {
      const std::uint64_t in_block = offset % piece.block->size();
      const std::uint64_t count =
          std::min({length, piece.size - offset, piece.block->size() - in_block});
      views.emplace_back(piece.block->data() + in_block, count);
      offset += count;
      length -= count;
    }
    offset = 0;
    if (length == 0 || views.size() >= max_pieces) break;
  }
  return views;
}

Bytes Body::flat() const {
  Bytes out;
  out.reserve(size_);
  while (out.size() < size_) {
    for (const ByteView view : slice(out.size(), size_ - out.size(), 64))
      out.insert(out.end(), view.begin(), view.end());
  }
  return out;
}

Body Body::with_flipped_bit(std::uint64_t bit) const {
  KEDGE_CHECK(size_ > 0);
  Bytes bytes = flat();
  bytes[bit / 8 % bytes.size()] ^= static_cast<std::byte>(1U << (bit % 8));
  return Body(std::move(bytes));
}

}  // namespace kedge::emulator
