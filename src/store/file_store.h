// A store in a folder of a file system, for an index that lies on a local disk or a mount.
//
//   <key>          the body of that key; keys are relative paths (file_key.h)
//   .tmp/          bodies being written, ignored by listings
//   .lock/<hex>    one lock file a key that was ever swapped (XXH3-128 of the key); never removed
//
// Writes: a temporary file, fsync, rename over the key (create: link, which fails if the key is
// there), fsync of the folder. What a call acknowledged survives a power failure. Tags are the
// XXH3-128 of the body; only reads of the whole body, stat and if_match compute one: listings and
// ranged reads leave the tag empty. swap compares and replaces under flock on the key's lock file;
// put and remove do not take it, for what is swapped is never put or removed.
// Times: last_modified is the file's mtime, Written::store_time the same; now() and
// Blob::store_time come from FileClock, zero in a Blob where the file system cannot tell.
// The folder is made by the first write. Opened once, it is held open: a folder moved away is still
// the store. Temporary files older than a day by the store's clock are removed by remove(), at most
// once an hour.
//
// Threads: any method, from any thread; processes: any number. docs/stores.md has what network file
// systems need.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "store/object_store.h"

namespace kedge {

struct FileStoreOptions {
  // Off, a power failure may lose what was acknowledged. For tests only.
  bool sync = true;
  // Every write is kDenied, and nothing is ever made in the folder, for the clock neither.
  bool read_only = false;
};

// Opens the store at the folder `path`, which need not exist yet. kInvalid: it is not a folder.
// `clock` serves deadlines and waits for locks only. `random` is used under a lock of the store's
// own; all four must outlive the store.
Result<std::unique_ptr<ObjectStore>> open_file_store(std::string path, Clock& clock, Random& random,
                                                     Executor& executor,
                                                     FileStoreOptions options = {});

}  // namespace kedge
