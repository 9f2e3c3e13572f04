// Bytes of a build under way: in memory up to a limit, past that in a temporary file without a
// name, which is gone with the process however it ends.
//
// Threads: one for write() and view(); then any for read() and let_go().
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "format/segment_writer.h"

namespace kedge {

class Scratch final : public SegmentSink {
 public:
  // `folder`: exists; "": TMPDIR, else /tmp.
  Scratch(std::uint64_t memory_bytes, std::string folder);
  ~Scratch() override;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // kExhausted: the disk is full; kUnavailable: it cannot be written. Names the folder.
  Status write(std::uint64_t offset, ByteView bytes) override;
  // Precondition: it lies in what was written.
  Status read(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // All of it, as long as this lives and nothing more is written.
  Result<ByteView> view();
  // What PutRequest::file takes; -1 where it is in memory.
  [[nodiscard]] int file() const { return file_; }
  // The memory of the pages of view() that lie in these bytes is let go; they are read from the
  // file again where they are needed again.
  void let_go(std::uint64_t offset, std::uint64_t size);

 private:
  Status move_to_file();

  [[nodiscard]] Error failed(std::string_view what, int error) const;

  std::uint64_t memory_bytes_;
  std::string folder_;
  std::uint64_t size_ = 0;
  Bytes memory_;
  int file_ = -1;
  void* mapped_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;
};

}  // namespace kedge
