// One prefix of a bucket as a store of its own: an index, a cache, or a source.
//
// A source does not see what Kedge itself keeps in it: keys below a hidden prefix are never listed,
// and a read of one answers kNotFound. Where only some keys belong to the source, they are asked
// for one by one, and the prefix is not listed.
//
// Threads: any method, from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "store/object_store.h"

namespace kedge {

struct BucketFolderOptions {
  std::string prefix;               // "" or ends with '/'
  std::vector<std::string> hidden;  // below the prefix; each ends with '/'
  std::vector<std::string> named;   // sorted
  bool only_named = false;          // a listing shows nothing else
};

std::unique_ptr<ObjectStore> make_bucket_folder(std::unique_ptr<ObjectStore> bucket,
                                                BucketFolderOptions options);

}  // namespace kedge
