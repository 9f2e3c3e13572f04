#include "api/open_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include "api/bucket_folder.h"
#include "api/store_options.h"
#include "base/errno_text.h"
#include "base/strings.h"
#include "kedge/client.h"
#include "s3/s3_store.h"
#include "store/file_store.h"
#include "store/folder_store.h"
#include "store/retry_store.h"

namespace kedge {
namespace {

// Second copies of late requests, of all that may be sent twice: at most a quarter more.
constexpr double kHedgeBudget = 0.25;
constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kS3Scheme = "s3://";

std::string folder_of(std::string key) {
  if (!key.empty() && !key.ends_with('/')) key += '/';
  return key;
}

Result<SourcePlace> find_in_files(const std::string& source) {
  const std::string path = KEDGE_TRY(local_path(source));
  char resolved[PATH_MAX];
  struct stat info {};
  if (realpath(path.c_str(), resolved) == nullptr || stat(resolved, &info) != 0) {
    return {errno == EACCES ? Code::kDenied : Code::kNotFound,
            str_cat("source '", printable(source), "': ", errno_text(errno))};
  }
  SourcePlace out{std::string(kFileScheme) + resolved, ""};
  if (S_ISREG(info.st_mode)) {
    const std::size_t slash = out.uri.rfind('/');
    out.key = out.uri.substr(slash + 1);
    out.uri.resize(slash);
  } else if (!S_ISDIR(info.st_mode)) {
    return {Code::kInvalid,
            str_cat("source '", printable(source), "' is neither a folder nor a file")};
  }
  if (!out.uri.ends_with('/')) out.uri += '/';
  return out;
}

}  // namespace

bool is_s3_url(const std::string& url) { return url.starts_with(kS3Scheme); }

Result<std::string> local_path(const std::string& url) {
  if (url.starts_with(kFileScheme)) {
    std::string path = url.substr(kFileScheme.size());
    if (!path.starts_with('/'))
      return {Code::kInvalid, str_cat("'", printable(url), "': file:// needs an absolute path")};
    return path;
  }
  const std::size_t scheme = url.find("://");
  if (scheme != std::string::npos) {
    return {Code::kUnsupported,
            str_cat("'", printable(url), "': ", printable(url.substr(0, scheme)),
                    ":// is not known; paths, file:// and s3:// are")};
  }
  if (url.empty()) return {Code::kInvalid, "an empty path"};
  return url;
}

StoreOpener::StoreOpener(std::vector<StoreSettings> settings, AwsEnvironment aws,
                         OpenerEnvironment environment)
    : settings_(std::move(settings)), aws_(std::move(aws)), environment_(environment) {}

Result<StoreOpener::Bucket> StoreOpener::bucket_of(const std::string& url) const {
  Bucket out;
  out.location = KEDGE_TRY(parse_s3_url(url));
  out.options = KEDGE_TRY(to_s3_options(settings_for(settings_, url)));
  out.options = KEDGE_TRY(complete_options(std::move(out.options), aws_));
  return out;
}

Result<HttpTransport*> StoreOpener::transport_of(const S3Options& options) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<HttpClient>& client = clients_[options.ca_file];
  if (client == nullptr) {
    HttpClientOptions made;
    made.ca_file = options.ca_file;
    made.hedge_budget = kHedgeBudget;
    made.user_agent = str_cat("kedge/", version());
    client = KEDGE_TRY(make_http_client(std::move(made), environment_.clock));
  }
  return client.get();
}

Result<CredentialProvider*> StoreOpener::provider_of(const S3Options& options) {
  HttpTransport* transport = KEDGE_TRY(transport_of(options));
  const std::string key =
      options.no_sign ? std::string("unsigned")
                      : str_cat(options.profile, '\n', options.region, '\n', options.ca_file);
  const std::lock_guard lock(mutex_);
  std::unique_ptr<CredentialProvider>& provider = providers_[key];
  if (provider == nullptr && options.no_sign) provider = fixed_credentials({});
  if (provider == nullptr) {
    provider = KEDGE_TRY(
        make_credential_chain(options, aws_, *transport, environment_.clock, environment_.log));
  }
  return provider.get();
}

Result<std::unique_ptr<ObjectStore>> StoreOpener::open_bucket(const Bucket& bucket) {
  HttpTransport* transport = KEDGE_TRY(transport_of(bucket.options));
  CredentialProvider* provider = KEDGE_TRY(provider_of(bucket.options));
  return make_s3_store(bucket.location.bucket, bucket.options,
                       {*transport, *provider, environment_.clock, environment_.log});
}

Result<std::unique_ptr<ObjectStore>> StoreOpener::open_index(const std::string& url,
                                                             bool read_only) {
  if (!is_s3_url(url)) {
    FileStoreOptions options;
    options.read_only = read_only;
    return open_file_store(KEDGE_TRY(local_path(url)), environment_.clock, environment_.random,
                           environment_.executor, options);
  }
  const Bucket bucket = KEDGE_TRY(bucket_of(url));
  std::unique_ptr<ObjectStore> opened = KEDGE_TRY(open_bucket(bucket));
  return make_bucket_folder(
      std::move(opened),
      {.prefix = folder_of(bucket.location.key), .hidden = {}, .named = {}, .only_named = false});
}

// The index may lie inside its source, and the cache too; one that holds the source is refused,
// since nothing of the source would be left.
Result<std::vector<std::string>> StoreOpener::hidden_prefixes(
    const Bucket& source, const SourceStoreOptions& options) const {
  std::vector<std::string> out;
  const std::string prefix = folder_of(source.location.key);
  for (const std::string& url : {options.index, options.cache}) {
    if (!is_s3_url(url)) continue;
    const Bucket kept = KEDGE_TRY(bucket_of(url));
    if (kept.location.bucket != source.location.bucket ||
        kept.options.endpoint != source.options.endpoint) {
      continue;
    }
    const std::string inside = folder_of(kept.location.key);
    if (prefix.starts_with(inside)) {
      return {Code::kInvalid, str_cat("the source s3://", printable(source.location.bucket), "/",
                                      printable(prefix), " lies inside ", printable(url),
                                      ", where Kedge keeps its own files: give these a prefix "
                                      "that holds nothing else")};
    }
    if (inside.starts_with(prefix)) out.push_back(inside.substr(prefix.size()));
  }
  return out;
}

Result<std::unique_ptr<ObjectStore>> StoreOpener::open_source(const std::string& uri,
                                                              const SourceStoreOptions& options) {
  if (is_s3_url(uri)) {
    const Bucket bucket = KEDGE_TRY(bucket_of(uri));
    std::vector<std::string> hidden = KEDGE_TRY(hidden_prefixes(bucket, options));
    return make_bucket_folder(KEDGE_TRY(open_bucket(bucket)),
                              {.prefix = folder_of(bucket.location.key),
                               .hidden = std::move(hidden),
                               .named = options.named,
                               .only_named = options.only_named});
  }
  FolderStoreOptions folder{.hidden = options.hidden,
                            .gitignore = options.gitignore,
                            .excluded_folder = {},
                            .named = options.named,
                            .only_named = options.only_named};
  const Result<std::string> index = local_path(options.index);
  if (index.ok()) folder.excluded_folder = *index;
  return open_folder_store(KEDGE_TRY(local_path(uri)), environment_.clock, environment_.executor,
                           std::move(folder));
}

Result<SourcePlace> StoreOpener::find_source(const std::string& source) {
  return is_s3_url(source) ? find_in_bucket(source) : find_in_files(source);
}

Result<SourcePlace> StoreOpener::find_in_bucket(const std::string& source) {
  const Bucket bucket = KEDGE_TRY(bucket_of(source));
  const std::string& key = bucket.location.key;
  const std::string root = str_cat(kS3Scheme, bucket.location.bucket, "/");
  if (key.empty() || key.ends_with('/')) return SourcePlace{root + key, ""};
  const std::unique_ptr<ObjectStore> store = KEDGE_TRY(open_bucket(bucket));
  RetryStore retrying(*store, environment_.clock, environment_.random);
  const Result<Stat> object = stat_one(retrying, key, Deadline::never());
  if (object.ok()) {
    const std::size_t slash = key.rfind('/');
    const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
    return SourcePlace{root + key.substr(0, begin), key.substr(begin)};
  }
  // Where listing is not permitted a store answers "denied" for what is not there: the listing of
  // the source says what is wrong, if it is.
  if (object.code() != Code::kNotFound && object.code() != Code::kDenied) return object.error();
  return SourcePlace{root + key + "/", ""};
}

Result<std::string> StoreOpener::endpoint_of(const std::string& url) {
  if (!is_s3_url(url)) return std::string();
  const Bucket bucket = KEDGE_TRY(bucket_of(url));
  return str_cat(bucket.options.endpoint.empty() ? "aws" : bucket.options.endpoint, "/",
                 bucket.location.bucket);
}

Result<std::string> StoreOpener::credentials_of(const std::string& url, Deadline deadline) {
  const Bucket bucket = KEDGE_TRY(bucket_of(url));
  if (bucket.options.no_sign) return std::string("none: requests are not signed");
  CredentialProvider* provider = KEDGE_TRY(provider_of(bucket.options));
  const Credentials found = KEDGE_TRY(provider->get(deadline));
  std::string out = printable(found.origin);
  if (found.expires) out += ", until " + to_rfc3339(*found.expires);
  return out;
}

Result<PolicyPlace> StoreOpener::policy_place(const std::string& url) const {
  const Bucket bucket = KEDGE_TRY(bucket_of(url));
  return PolicyPlace{.name = {},
                     .location = {bucket.location.bucket, folder_of(bucket.location.key)},
                     .uses = 0,
                     .kms_key_id = bucket.options.kms_key_id};
}

}  // namespace kedge
