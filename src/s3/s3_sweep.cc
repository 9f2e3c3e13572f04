#include "s3/s3_sweep.h"

#include <utility>

#include "base/strings.h"
#include "s3/s3_upload.h"
#include "s3/s3_xml.h"

namespace kedge {
namespace {

constexpr int kMaxSweepPages = 100'000;

using Version = std::pair<std::string, std::string>;

bool may_go(const SweepRequest& request, std::string_view key) {
  return !request.ours || request.ours(key);
}

// Versions of one key come together, newest first.
class VersionSweep {
 public:
  VersionSweep(S3Client& client, const SweepRequest& request, Deadline deadline)
      : client_(client), request_(request), deadline_(deadline) {}

  Status take(const S3Version& version) {
    if (!may_go(request_, version.key)) return {};
    if (version.key != key_) {
      finish_key();
      key_ = version.key;
    }
    if (version.latest) {
      if (version.marker) marker_ = version;
      return {};
    }
    if (version.last_modified >= request_.before) {
      kept_below_ = true;
      return {};
    }
    ++out_.versions;
    out_.bytes += version.size;
    return drop({version.key, version.version_id});
  }

  Result<Leftovers> finish() {
    finish_key();
    KEDGE_TRY(flush());
    return out_;
  }

 private:
  // A delete marker hides what lies under it; alone it is litter.
  void finish_key() {
    if (marker_ && !kept_below_ && marker_->last_modified < request_.before) {
      ++out_.markers;
      doomed_.emplace_back(marker_->key, marker_->version_id);
    }
    marker_.reset();
    kept_below_ = false;
  }

  Status drop(Version version) {
    doomed_.push_back(std::move(version));
    return doomed_.size() < kMaxDeleteKeys ? Status() : flush();
  }

  Status flush() {
    const std::vector<Version> doomed = std::exchange(doomed_, {});
    if (request_.dry_run || doomed.empty()) return {};
    for (const Result<void>& removed : remove_versions(client_, doomed, deadline_))
      KEDGE_TRY(Result<void>(removed));
    return {};
  }

  S3Client& client_;
  const SweepRequest& request_;
  Deadline deadline_;
  Leftovers out_;
  std::string key_;
  std::optional<S3Version> marker_;
  bool kept_below_ = false;
  std::vector<Version> doomed_;
};

// A store that does not know versions or uploads has none.
bool unknown_feature(const S3Refusal& refusal) {
  return refusal.error.code == Code::kUnsupported || refusal.body.code == "MethodNotAllowed" ||
         refusal.body.code == "NotImplemented";
}

Result<Leftovers> sweep_versions(S3Client& client, const SweepRequest& request, Deadline deadline) {
  const std::string& prefix = request.prefix;
  VersionSweep sweep(client, request, deadline);
  std::string key_marker;
  std::string version_marker;
  for (int page_number = 0; page_number < kMaxSweepPages; ++page_number) {
    S3Call call;
    call.query = {{"versions", ""}, {"encoding-type", "url"}};
    if (!prefix.empty()) call.query.emplace_back("prefix", prefix);
    if (!key_marker.empty()) call.query.emplace_back("key-marker", key_marker);
    if (!version_marker.empty()) call.query.emplace_back("version-id-marker", version_marker);
    const S3Outcome outcome = client.send_one(call, deadline);
    if (!outcome.ok() && unknown_feature(outcome.refusal)) return Leftovers{};
    if (!outcome.ok()) return outcome.refusal.error;
    const S3VersionPage page = KEDGE_TRY(parse_list_versions(outcome.answer->response.body));
    for (const S3Version& version : page.versions) {
      if (!version.key.starts_with(prefix))
        return Error{Code::kUnavailable, str_cat("the versions under ", client.name_of(prefix),
                                                 " show '", printable(version.key), "'")};
      KEDGE_TRY(sweep.take(version));
    }
    if (!page.truncated) break;
    key_marker = page.next_key_marker;
    version_marker = page.next_version_id_marker;
  }
  return sweep.finish();
}

Status sweep_uploads(S3Client& client, const SweepRequest& request, Deadline deadline,
                     Leftovers& out) {
  const std::string& prefix = request.prefix;
  std::string key_marker;
  std::string id_marker;
  for (int page_number = 0; page_number < kMaxSweepPages; ++page_number) {
    S3Call call;
    call.query = {{"uploads", ""}, {"encoding-type", "url"}};
    if (!prefix.empty()) call.query.emplace_back("prefix", prefix);
    if (!key_marker.empty()) call.query.emplace_back("key-marker", key_marker);
    if (!id_marker.empty()) call.query.emplace_back("upload-id-marker", id_marker);
    const S3Outcome outcome = client.send_one(call, deadline);
    if (!outcome.ok() && unknown_feature(outcome.refusal)) return {};
    if (!outcome.ok()) return outcome.refusal.error;
    const S3UploadPage page = KEDGE_TRY(parse_list_uploads(outcome.answer->response.body));
    std::vector<S3Call> aborts;
    for (const S3Upload& upload : page.uploads) {
      if (upload.initiated >= request.before || !upload.key.starts_with(prefix)) continue;
      if (!may_go(request, upload.key)) continue;
      ++out.uploads;
      S3Call abort;
      abort.method = "DELETE";
      abort.key = upload.key;
      abort.query = {{"uploadId", upload.upload_id}};
      abort.is_write = true;
      aborts.push_back(std::move(abort));
    }
    if (!request.dry_run && !aborts.empty()) {
      for (const S3Outcome& aborted : client.send(aborts, deadline)) {
        if (!aborted.ok() && aborted.refusal.error.code != Code::kNotFound)
          return aborted.refusal.error;
      }
    }
    if (!page.truncated) return {};
    key_marker = page.next_key_marker;
    id_marker = page.next_upload_id_marker;
  }
  return {};
}

S3Outcome ask_bucket(S3Client& client, const char* question, Deadline deadline) {
  S3Call call;
  call.query = {{question, ""}};
  return client.send_one(call, deadline);
}

StoreFact versioning_fact(S3Client& client, Deadline deadline) {
  const S3Outcome outcome = ask_bucket(client, "versioning", deadline);
  StoreFact fact{.name = "versioning", .ok = true, .warning = false, .detail = {}};
  if (!outcome.ok()) {
    fact.warning = outcome.refusal.error.code != Code::kUnsupported;
    fact.detail = "not known: " + outcome.refusal.error.message;
    return fact;
  }
  const std::string status = parse_child_text(outcome.answer->response.body, "Status");
  fact.detail = status == "Enabled"
                    ? "enabled: references carry version ids, and gc deletes by version id"
                : status == "Suspended" ? "suspended"
                                        : "off";
  return fact;
}

StoreFact lock_fact(S3Client& client, Deadline deadline) {
  const S3Outcome outcome = ask_bucket(client, "object-lock", deadline);
  StoreFact fact{.name = "object lock", .ok = true, .warning = false, .detail = "off"};
  if (outcome.ok()) {
    fact.warning = true;
    fact.detail = "on: what is locked cannot be collected before its time";
  } else if (outcome.refusal.status != 404 && !unknown_feature(outcome.refusal)) {
    fact.detail = "not known: " + outcome.refusal.error.message;
  }
  return fact;
}

// Without the right to list, S3 answers 403 for what is not there, and nothing can be proven
// absent.
StoreFact listing_fact(S3Client& client, Deadline deadline) {
  S3Call call;
  call.method = "HEAD";
  call.key = "kedge-doctor-looks-for-what-is-not-there";
  const S3Outcome outcome = client.send_one(call, deadline);
  StoreFact fact{.name = "absence can be proven", .ok = true, .warning = false, .detail = {}};
  const bool hidden = !outcome.ok() && outcome.refusal.status == 403;
  fact.warning = hidden;
  fact.detail = hidden
                    ? "no: the store answers 403 for what is not there; permit s3:ListBucket, or "
                      "deletes are never seen"
                    : "yes: the store says 404 for what is not there";
  if (!outcome.ok() && outcome.refusal.status != 404 && !hidden) {
    fact.ok = false;
    fact.detail = outcome.refusal.error.message;
  }
  return fact;
}

}  // namespace

Result<Leftovers> sweep_leftovers(S3Client& client, const SweepRequest& request,
                                  Deadline deadline) {
  Leftovers out = KEDGE_TRY(sweep_versions(client, request, deadline));
  KEDGE_TRY(sweep_uploads(client, request, deadline, out));
  return out;
}

std::vector<StoreFact> bucket_facts(S3Client& client, Deadline deadline) {
  return {versioning_fact(client, deadline), lock_fact(client, deadline),
          listing_fact(client, deadline)};
}

}  // namespace kedge
