// Which index a command means.
#pragma once

#include <string>
#include <vector>

#include "cli/environment.h"
#include "kedge/result.h"

namespace kedge::cli {

struct IndexChoice {
  std::string index;        // path or URL
  bool from_state = false;  // the one synced last: worth a word to the user
};

// A path or file:// URL, in contrast to s3:// and the like.
bool is_local(const std::string& url);

// `.kedge` in the current folder or the nearest parent, else the index synced last. kNotFound says
// what to do.
Result<IndexChoice> find_index(const Environment& environment);

// Where sync puts the index if none is named: `.kedge` in the one local folder, or beside the
// files. kInvalid: several folders, or a source that is not local.
Result<std::string> default_index(const Environment& environment,
                                  const std::vector<std::string>& sources);

// The index as it can be named from any folder.
std::string absolute_index(const Environment& environment, const std::string& index);

// Remembers the index for find_index(), in the state folder.
Status remember_index(const Environment& environment, const std::string& index);

}  // namespace kedge::cli
