// Numbers, sizes and times as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kedge/result.h"

namespace kedge::cli {

// "64MiB", "1.5 GB", "500k", "4096": K, M, G, T and KiB, MiB, ... are powers of 1024, KB, MB, ...
// powers of 1000; case does not matter. kInvalid: anything else, negative, or 2^63 and more.
Result<std::uint64_t> parse_size(std::string_view text);
// "90", "90s", "15m", "1h", "7d": seconds. kInvalid: anything else, or not a whole number of them.
Result<double> parse_duration(std::string_view text);
// A whole number, not negative. kInvalid: anything else, or above `most`.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t most);

std::string format_count(std::uint64_t count);  // "12,345"
std::string format_bytes(std::uint64_t bytes);  // "980 B", "1.2 MiB"
std::string format_seconds(double seconds);     // "0.42 s", "3.1 s", "2 min 5 s", "1 h 20 min"
std::string format_rate(double per_second);     // "0.4", "12", "1,300"
std::string format_usd(double usd);             // "0.0000052 USD", "1.20 USD"
std::string format_decimal(double number, int digits);
// "2025-03-01T10:20:30Z" of "2025-03-01T10:20:30.123456Z": for people.
std::string to_seconds(std::string_view rfc3339);
// "1 object", "2 objects"
std::string plural(std::uint64_t count, std::string_view one, std::string_view many = "");

}  // namespace kedge::cli
