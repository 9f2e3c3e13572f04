// The sums that S3 knows besides SHA-256 and CRC-32C, and how it writes them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace kedge::emulator {

using Md5 = std::array<std::byte, 16>;
Md5 md5(ByteView bytes);
// CRC-32 as in IEEE 802.3 and zip files.
std::uint32_t crc32(ByteView bytes);

std::string to_base64(ByteView bytes);
std::optional<Bytes> from_base64(std::string_view text);
// A 32-bit sum as S3 writes it: base64 of its bytes, highest first.
std::string sum_text(std::uint32_t sum);

// The value of a header "x-amz-checksum-<algorithm>", algorithm in lower case; nothing for one
// that is not known here (crc64nvme).
std::optional<std::string> checksum_of(std::string_view algorithm, ByteView bytes);

}  // namespace kedge::emulator
