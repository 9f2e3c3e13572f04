// From what a user writes to a store: paths, file:// and s3:// URLs.
//
// A client has one opener, which outlives its stores: they share its connections (one HTTP client a
// CA file) and its credentials (one provider a profile). Nothing is asked of a network before a
// store is used, but for find_source().
//
// Threads: any method, from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/iam_policy.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "kedge/store_settings.h"
#include "net/http_client.h"
#include "s3/credential_chain.h"
#include "s3/s3_options.h"
#include "store/object_store.h"

namespace kedge {

struct SourceStoreOptions {
  bool hidden = false;     // local sources: as in Scope
  bool gitignore = true;   // likewise
  std::string index = {};  // URLs of what Kedge keeps, which is never part of a source
  std::string cache = {};
  // Keys without '/' that are part of it though hidden or ignored, sorted; and whether nothing else
  // is.
  std::vector<std::string> named = {};
  bool only_named = false;
};

// What a user means by a path or URL: a source, or one object of it.
struct SourcePlace {
  std::string uri;  // "file:///absolute/path/", symlinks resolved; "s3://bucket/prefix/"
  std::string key;  // "": the source
};

struct OpenerEnvironment {
  Clock& clock;
  Random& random;
  Executor& executor;
  Log& log;
};

class StoreOpener {
 public:
  StoreOpener(std::vector<StoreSettings> settings, AwsEnvironment aws,
              OpenerEnvironment environment);

  // The store of an index or an embedding cache. A folder need not exist yet.
  Result<std::unique_ptr<ObjectStore>> open_index(const std::string& url, bool read_only);
  // `uri`: canonical. kInvalid: it lies inside the index.
  Result<std::unique_ptr<ObjectStore>> open_source(const std::string& uri,
                                                   const SourceStoreOptions& options);

  // A file is an object of its folder. So is an object that an s3:// URL names exactly, which costs
  // a request where the URL does not end with '/'; else the URL names a prefix, whether or not
  // anything is below it. kNotFound: nothing there. kInvalid: neither folder nor file.
  Result<SourcePlace> find_source(const std::string& source);

  // Names the endpoint and the bucket of an s3:// URL, for what is remembered about them; "" for a
  // local folder.
  Result<std::string> endpoint_of(const std::string& url);
  // Where the credentials come from that an s3:// URL is reached with, and until when they serve.
  Result<std::string> credentials_of(const std::string& url, Deadline deadline);
  // What a policy says of the place that an s3:// URL names; its name and uses are the caller's.
  Result<PolicyPlace> policy_place(const std::string& url) const;

 private:
  struct Bucket {
    S3Location location;
    S3Options options;  // complete
  };
  Result<Bucket> bucket_of(const std::string& url) const;
  Result<std::unique_ptr<ObjectStore>> open_bucket(const Bucket& bucket);
  Result<HttpTransport*> transport_of(const S3Options& options);
  Result<CredentialProvider*> provider_of(const S3Options& options);
  Result<SourcePlace> find_in_bucket(const std::string& source);
  Result<std::vector<std::string>> hidden_prefixes(const Bucket& source,
                                                   const SourceStoreOptions& options) const;

  const std::vector<StoreSettings> settings_;
  const AwsEnvironment aws_;
  const OpenerEnvironment environment_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<HttpClient>> clients_;  // by CA file
  std::map<std::string, std::unique_ptr<CredentialProvider>> providers_;
};

bool is_s3_url(const std::string& url);

// The path of a file:// URL or of a plain path; kUnsupported for other schemes.
Result<std::string> local_path(const std::string& url);

}  // namespace kedge
