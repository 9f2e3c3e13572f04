// A local file that is read at offsets, through one buffer: sequential reads cost few calls.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "store/posix_file.h"

namespace kedge {

class InputFile {
 public:
  // kNotFound, kDenied, kUnavailable with the path; kInvalid: not a regular file.
  static Result<InputFile> open(const std::string& path);

  [[nodiscard]] std::uint64_t size() const { return size_; }  // as it was when opened
  [[nodiscard]] const std::string& path() const { return path_; }

  // Fills `out` from `offset`. kInvalid: the file ends before; kUnavailable: it cannot be read.
  Status read(std::uint64_t offset, std::span<std::byte> out);

  // What is there from `offset`, at most the buffer's size; empty at the end. Valid until the next
  // call. kUnavailable.
  Result<ByteView> peek(std::uint64_t offset);

  // kInvalid, "PATH: WHERE at byte OFFSET: WHAT".
  [[nodiscard]] Error bad(std::string_view where, std::uint64_t offset,
                          std::string_view what) const;

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 18;

  InputFile(std::string path, UniqueFd file, std::uint64_t size)
      : path_(std::move(path)), file_(std::move(file)), size_(size) {}
  // Reads until `out` is full or the file ends: how much.
  Result<std::size_t> read_some(std::uint64_t offset, std::span<std::byte> out);

  std::string path_;
  UniqueFd file_;
  std::uint64_t size_ = 0;
  Bytes buffer_;  // the file's bytes from buffer_offset_
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace kedge
