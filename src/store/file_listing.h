// The listing of a file store: keys in byte order, one folder in memory at a time for each level.
#pragma once

#include <memory>
#include <string>

#include "store/file_folder.h"
#include "store/object_store.h"

namespace kedge {

// The entries of one folder that a listing keeps in memory to sort them.
inline constexpr std::size_t kMaxFolderEntries = 4'000'000;

// Names that are no keys (hidden, other bytes), symlinks and special files are left out, and what
// disappears meanwhile too. Tags are empty. kDenied: a folder may not be read.
std::unique_ptr<Listing> make_file_listing(FileFolder& folder, std::string prefix,
                                           std::string start_after);

}  // namespace kedge
