// The header of a NumPy array file (format versions 1 to 3):
//
//   offset  size    field
//   0       6       "\x93NUMPY"
//   6       2       version: 1, 2 or 3; then 0
//   8       2 or 4  n, the bytes of the text: u16 in version 1, u32 after
//   ..      n       a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//                   then spaces and a line end
//   ..              the values
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace kedge {

enum class ElementType { kF16, kF32, kF64, kI8, kU8 };
[[nodiscard]] std::size_t element_bytes(ElementType type);

struct NpyHeader {
  static constexpr std::size_t kMaxBytes = 65'536;  // of the whole header

  ElementType type = ElementType::kF32;
  std::uint64_t rows = 0;
  std::uint64_t dimension = 0;
  std::uint64_t data_offset = 0;

  // `file`: the file's first bytes, kMaxBytes of them if it has so many. kUnsupported: another
  // version, type or order, or not two dimensions; kInvalid: anything else. The message has no path
  // but the byte.
  static Result<NpyHeader> parse(ByteView file);
};

}  // namespace kedge
