// A file mapped for reading. Its pages are the system's cache of the file: they cost memory only
// while they are used, and forget() gives them back at once.
//
// Threads: const methods, from any thread. The file must not be cut short while it is mapped.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace kedge {

class MappedFile {
 public:
  // kNotFound, kDenied, kUnavailable: with the path. An empty file maps to no bytes.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] ByteView bytes() const { return {data_, size_}; }
  // The pages leave this process; the next use of one reads it again.
  void forget() const;

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kedge
