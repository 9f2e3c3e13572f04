// From what a user writes to a store: paths and file:// URLs. s3:// is refused by name in this
// version.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "store/object_store.h"

namespace kedge {

// The store of an index or an embedding cache. The folder need not exist yet.
Result<std::unique_ptr<ObjectStore>> open_index_store(const std::string& url, Clock& clock,
                                                      Random& random, Executor& executor,
                                                      bool read_only);

struct SourceStoreOptions {
  bool hidden = false;
  bool gitignore = true;
  std::string index;  // url of the index, which is never part of a source
};
// `uri`: canonical.
Result<std::unique_ptr<ObjectStore>> open_source_store(const std::string& uri, Clock& clock,
                                                       Executor& executor,
                                                       const SourceStoreOptions& options);

// "file:///absolute/path/", symlinks resolved. kNotFound: no such folder. kInvalid: not a folder.
Result<std::string> canonical_source_uri(const std::string& source);

// The path of a file:// URL or of a plain path; kUnsupported for other schemes.
Result<std::string> local_path(const std::string& url);

}  // namespace kedge
