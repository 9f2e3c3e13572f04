// Byte buffers, and bounds-checked little-endian reading and writing of them.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kedge {

static_assert(std::endian::native == std::endian::little, "Kedge's formats are read in place");

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

template <typename T>
concept Scalar = std::integral<T> || std::floating_point<T>;

// Appends little-endian values to a buffer.
class ByteWriter {
 public:
  template <Scalar T>
  void put(T value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(T));
    std::memcpy(out_.data() + at, &value, sizeof(T));
  }
  void put_bytes(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  // A u32 length, then the bytes.
  void put_string(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    put_bytes(as_bytes(text));
  }
  void put_zeros(std::size_t count) { out_.resize(out_.size() + count); }
  void align(std::size_t alignment) {
    put_zeros((alignment - out_.size() % alignment) % alignment);
  }
  // Overwrites a value written before, for lengths known late. Precondition: it lies inside.
  template <Scalar T>
  void put_at(std::size_t offset, T value) {
    KEDGE_CHECK(offset + sizeof(T) <= out_.size());
    std::memcpy(out_.data() + offset, &value, sizeof(T));
  }
  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] ByteView view() const { return out_; }
  Bytes take() && { return std::move(out_); }

 private:
  Bytes out_;
};

// Reads little-endian values in order. After the first read past the end every read yields zero and
// ok() is false, so that a parser checks once per structure; nothing outside the view is ever
// touched.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  template <Scalar T>
  T get() {
    T value{};
    if (!have(sizeof(T))) return value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }
  ByteView get_bytes(std::size_t count) {
    if (!have(count)) return {};
    const ByteView view = bytes_.subspan(offset_, count);
    offset_ += count;
    return view;
  }
  // A u32 length of at most `max_size`, then the bytes.
  std::string get_string(std::size_t max_size) {
    const std::size_t size = get<std::uint32_t>();
    if (size > max_size) {
      ok_ = false;
      return {};
    }
    return std::string(as_text(get_bytes(size)));
  }
  // For readers of further encodings built on this one: as if a read had gone past the end.
  void fail() { ok_ = false; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - offset_; }

 private:
  bool have(std::size_t count) {
    if (!ok_ || count > bytes_.size() - offset_) ok_ = false;
    return ok_;
  }

  ByteView bytes_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

}  // namespace kedge
