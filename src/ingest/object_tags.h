// The tags of objects as metadata: names and values that an owner puts on an object of a bucket,
// and may change while the object stays the same.
#pragma once

#include <string>

#include "format/metadata.h"
#include "store/object_store.h"

namespace kedge {

// Of a row whose tags were not asked for, since nothing of it is indexed.
inline constexpr std::string_view kTagsUnread = "-";

// What tells one set of tags from another, never "" nor kTagsUnread.
std::string tags_version(const ObjectTags& tags);

// What an error of ObjectStore::tags means to the run: of one object, or of all that follow (the
// store has none, or does not show them), with what to do.
Status check_tags_error(const Error& error);

// Texts by name, as a store has them, without those that are too long for a row, or whose names are
// Kedge's own. How many a row has room for is merge_metadata()'s to say.
Metadata texts_as_metadata(const std::vector<std::pair<std::string, std::string>>& texts);

}  // namespace kedge
