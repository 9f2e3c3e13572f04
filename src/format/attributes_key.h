// What the writer and the reader of the attributes plane share about keys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kedge {

enum class AttributeKind : std::uint8_t { kPresence = 0, kBoolean = 1, kNumber = 2, kText = 3 };

// Unsigned numbers in the order of finite doubles; the two zeros are one.
std::uint64_t ordered_bits(double number);
// number_key() of what ordered_bits() made.
std::string key_of_bits(std::string attribute, std::uint64_t bits);
// The rule that a key breaks, if any.
std::optional<std::string_view> broken_key_rule(std::string_view key);

}  // namespace kedge
