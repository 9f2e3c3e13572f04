// A folder of raw files as a read-only source. Keys are paths relative to the folder, with '/', of
// any bytes.
//
// Tags are made of size, times, inode and device: they change with every change that the file
// system can show. What changed less than kRacyWindow before it was seen is marked racy, since a
// second change could carry the same times. Symlinks are never followed. Listings come folder by
// folder, in no order.
//
// Threads: any method, from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "store/object_store.h"

namespace kedge {

struct FolderStoreOptions {
  bool hidden = false;    // whether names that begin with a dot are listed, folders included
  bool gitignore = true;  // whether what .gitignore files name is left out
  std::string
      excluded_folder;  // absolute path of a folder that is never listed: the index; "" for none
  // Files of the folder itself that are listed though hidden or ignored; sorted.
  std::vector<std::string> named;
  bool only_named = false;  // nothing else is listed, and no folder is walked for it
};

inline constexpr Duration kRacyWindow = std::chrono::seconds(2);  // of mtime: DESIGN 5
inline constexpr Duration kStampGranularity =
    std::chrono::milliseconds(20);  // of ctime: a few ticks of the kernel
inline constexpr std::size_t kMaxFolderDepth = 128;

// kNotFound, kDenied: the folder cannot be opened. kInvalid: it is not a folder.
Result<std::unique_ptr<ObjectStore>> open_folder_store(const std::string& path, Clock& clock,
                                                       Executor& executor,
                                                       FolderStoreOptions options);

}  // namespace kedge
