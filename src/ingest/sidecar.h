// Sidecars: NAME.metadata.json beside an object NAME holds its metadata, as Amazon Bedrock
// Knowledge Bases has it: {"metadataAttributes": {"team": "core", "year": 2024}}.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "format/metadata.h"
#include "store/object_store.h"

namespace kedge {

inline constexpr std::string_view kSidecarSuffix = ".metadata.json";
inline constexpr std::uint64_t kMaxSidecarBytes = std::uint64_t{1} << 20;

// "a/b.pdf" of "a/b.pdf.metadata.json"; nothing for any other key.
std::optional<std::string_view> described_by(std::string_view key);

// What tells one version of a sidecar from another: what of it is kept in the row of its object.
std::string sidecar_version(const ObjectInfo& info);

// The attributes: of "metadataAttributes", or of the whole object where that is missing. A value is
// as metadata_of() has it, or {"value": {"type": "STRING", "stringValue": "core"}} (NUMBER
// numberValue, BOOLEAN booleanValue, STRING_LIST stringListValue). Names that are Kedge's own are
// refused, as is what breaks the limits of metadata. kInvalid, with the reason.
Result<Metadata> parse_sidecar(ByteView bytes);

// Both, those of `over` in the place of those of the same name, as far as a row has room.
Metadata merge_metadata(const Metadata& under, const Metadata& over);

}  // namespace kedge
