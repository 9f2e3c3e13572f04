// From what a user writes to a store: paths and file:// URLs. s3:// is refused by name in this
// version.
#pragma once

#include <memory>
#include <string>
#include <vector>

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
  // Local sources: files of the folder itself that are part of it though hidden or ignored, sorted;
  // and whether nothing else is.
  std::vector<std::string> named = {};
  bool only_named = false;
};
// `uri`: canonical.
Result<std::unique_ptr<ObjectStore>> open_source_store(const std::string& uri, Clock& clock,
                                                       Executor& executor,
                                                       const SourceStoreOptions& options);

// What a user means by a path or URL: a source, or one object of it.
struct SourcePlace {
  std::string uri;  // "file:///absolute/path/", symlinks resolved
  std::string key;  // "": the source
};
// A file is an object of its folder. kNotFound: nothing there. kInvalid: neither folder nor file.
Result<SourcePlace> find_source_place(const std::string& source);

// The path of a file:// URL or of a plain path; kUnsupported for other schemes.
Result<std::string> local_path(const std::string& url);

}  // namespace kedge
