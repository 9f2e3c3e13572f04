// Metadata of an object: named values, each a text, a number, a boolean, or a list of those.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace kedge {

using MetadataScalar = std::variant<std::string, double, bool>;
using MetadataList = std::vector<MetadataScalar>;
using MetadataValue = std::variant<std::string, double, bool, MetadataList>;
// Sorted by name, names distinct.
using Metadata = std::vector<std::pair<std::string, MetadataValue>>;

// Limits; a parser refuses more, a caller of an encoder must not offer more.
inline constexpr std::size_t kMaxMetadata = 64;          // names an object
inline constexpr std::size_t kMaxMetadataText = 4096;    // bytes of a name, of a text
inline constexpr std::size_t kMaxMetadataList = 1024;    // values of a list
inline constexpr std::size_t kMaxMetadataBytes = 65536;  // an object, by metadata_bytes()

// Names that begin so are Kedge's own: nobody else's are kept.
inline constexpr std::string_view kReservedMetadata = "kedge.";
// The version of the sidecar that metadata came from (ingest/sidecar.h).
inline constexpr std::string_view kSidecarName = "kedge.sidecar";
// That version; "": there was none.
std::string_view sidecar_of(const Metadata& metadata);
// Which tags metadata came from (ingest/object_tags.h); of every row of a source with tags.
inline constexpr std::string_view kTagsName = "kedge.tags";
// "": the source was read without tags.
std::string_view tags_of(const Metadata& metadata);

// What metadata takes: the bytes of names and texts, 8 a number, 1 a boolean, 1 a value of a list.
std::uint64_t metadata_bytes(const Metadata& metadata);
// kInvalid: a limit is broken, names do not increase, or a number is NaN or infinite.
Status check_metadata(const Metadata& metadata);

// The values of a list, or the one value.
MetadataList scalars_of(const MetadataValue& value);

// Stores of objects keep texts only. So a text that spells a number ("-1.5", "2e3": the whole text,
// finite) or a boolean ("true", "false") is found as that, too (docs/adr/0011).
std::optional<double> number_spelled(std::string_view text);
std::optional<bool> boolean_spelled(std::string_view text);

// Encoding within a docs page: docs/format.md, "Docs page". Precondition: check_metadata().
void put_metadata(ByteWriter& out, const Metadata& metadata);
// kCorrupt, as rule of `structure`.
Result<Metadata> get_metadata(ByteReader& in, std::string_view structure);

}  // namespace kedge
