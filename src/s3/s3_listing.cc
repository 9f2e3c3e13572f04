#include "s3/s3_listing.h"

#include <utility>

#include "base/strings.h"
#include "s3/s3_xml.h"

namespace kedge {
namespace {

// A store may answer with an empty page that is not the last; more in a row are a loop.
constexpr int kMaxEmptyPages = 100;

class S3Listing final : public Listing {
 public:
  S3Listing(S3Client& client, std::string_view prefix, std::string_view start_after)
      : client_(client),
        prefix_(prefix),
        start_after_(start_after),
        last_key_(start_after),
        ordered_(!client.bucket().ends_with("--x-s3")) {}

  Result<std::vector<ObjectInfo>> next(Deadline deadline) override {
    if (failed_) return *failed_;
    for (int empty = 0; empty < kMaxEmptyPages; ++empty) {
      if (done_) return std::vector<ObjectInfo>{};
      Result<std::vector<ObjectInfo>> page = ask(deadline);
      if (!page.ok()) {
        failed_ = page.error();
        return page;
      }
      if (!page->empty()) return page;
    }
    failed_ = Error{Code::kUnavailable,
                    str_cat("listing ", name(), ": ", kMaxEmptyPages, " empty pages in a row")};
    return *failed_;
  }
  [[nodiscard]] bool ordered() const override { return ordered_; }

 private:
  [[nodiscard]] std::string name() const { return client_.name_of(prefix_); }

  Result<std::vector<ObjectInfo>> ask(Deadline deadline) {
    S3Call call;
    call.query = {
        {"list-type", "2"}, {"encoding-type", "url"}, {"max-keys", std::to_string(kMaxListPage)}};
    if (!prefix_.empty()) call.query.emplace_back("prefix", prefix_);
    if (!token_.empty()) {
      call.query.emplace_back("continuation-token", token_);
    } else if (!start_after_.empty()) {
      call.query.emplace_back("start-after", start_after_);
    }
    // AWS tells of restored copies only when asked; other stores do not know the question.
    if (client_.options().endpoint.empty())
      call.headers.push_back({"x-amz-optional-object-attributes", "RestoreStatus"});
    call.max_body_bytes = kMaxXmlBytes;
    call.may_hedge = true;
    S3Outcome outcome = client_.send_one(call, deadline);
    if (!outcome.ok()) {
      // A listing cannot be "not found": then nothing about its keys is proven.
      Error error = std::move(outcome.refusal.error);
      if (error.code == Code::kNotFound) error.code = Code::kInvalid;
      return error;
    }
    Result<S3ListPage> page = parse_list_objects(outcome.answer->response.body);
    if (!page.ok()) return wrong(page.error().message);
    if (page->truncated && page->continuation_token == token_)
      return wrong("a continuation token came twice");
    KEDGE_TRY(check_keys(page->objects));
    token_ = std::move(page->continuation_token);
    done_ = !page->truncated;
    return std::move(page->objects);
  }

  Status check_keys(const std::vector<ObjectInfo>& objects) {
    for (const ObjectInfo& info : objects) {
      if (!info.key.starts_with(prefix_))
        return wrong(str_cat("it shows '", printable(info.key), "', which is not under it"));
      if (info.key <= last_key_ && (any_ || !start_after_.empty())) ordered_ = false;
      any_ = true;
      last_key_ = info.key;
    }
    return {};
  }

  Error wrong(std::string_view what) const {
    return {Code::kUnavailable, str_cat("listing ", name(), ": ", what)};
  }

  S3Client& client_;
  const std::string prefix_;
  const std::string start_after_;
  std::string token_;
  std::string last_key_;
  bool any_ = false;
  bool ordered_;
  bool done_ = false;
  std::optional<Error> failed_;
};

}  // namespace

std::unique_ptr<Listing> list_objects(S3Client& client, std::string_view prefix,
                                      std::string_view start_after) {
  return std::make_unique<S3Listing>(client, prefix, start_after);
}

}  // namespace kedge
