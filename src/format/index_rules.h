// The rules between the fields of one entry of the index state, apart from how it is encoded: one
// statement for the head, for the tail of a segment and for writers.
#pragma once

#include <optional>
#include <string_view>

#include "format/index_state.h"

namespace kedge {

// The first rule that the entry breaks, for messages; nullopt if none.
std::optional<std::string_view> broken_segment_rule(const SegmentEntry& entry);
std::optional<std::string_view> broken_tree_rule(const TreeEntry& tree);
std::optional<std::string_view> broken_source_rule(const SourceEntry& source);

}  // namespace kedge
