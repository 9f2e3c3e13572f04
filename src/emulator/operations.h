// The operations of S3 on a Store: a request in, an answer out. No sockets, no signatures.
//
// Threads: any; each takes the store's lock for what must be one step.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "emulator/faults.h"
#include "emulator/request.h"
#include "emulator/store.h"

namespace kedge::emulator {

struct Reply {
  int status = 200;
  std::vector<HttpHeader> headers;
  Body body;
  std::uint64_t offset = 0;  // of what is sent
  std::uint64_t length = 0;
  bool without_body = false;  // HEAD: Content-Length only
  std::string error_code = {};

  void set(std::string name, std::string value) {
    headers.push_back({std::move(name), std::move(value)});
  }
  void send_all(Body all) {
    body = std::move(all);
    offset = 0;
    length = body.size();
  }
};

struct Context {
  Store& store;
  const FaultPlan& plan;
  Timestamp now;  // of the store's clock
  std::uint64_t min_part_bytes = 0;
  std::string account = {};
  std::string region = {};
  // Whether the caller may do this; `key` may be a prefix.
  std::function<bool(std::string_view permission, std::string_view bucket, std::string_view key)>
      may = {};
  // Lets time pass between a check and its write, for a store that lies.
  std::function<void(Duration)> pause = {};
};

// Carries out a request that was let in.
Reply execute(const S3Request& request, const Context& context);

// An error's answer, with its XML.
Reply reply_of(const Failure& failure, const S3Request& request);
Reply xml_reply(std::string xml);
Failure no_such_bucket();
Failure no_such_upload();
Failure malformed_xml();
Failure denied();

// By file. Preconditions: the operation is theirs, and `bucket` exists and the lock is held where
// it is an argument.
Reply list_buckets(const S3Request& request, const Context& context);
Reply create_bucket(const S3Request& request, const Context& context);
Reply bucket_operation(const S3Request& request, const Context& context, Bucket& bucket);
Reply listing_operation(const S3Request& request, const Context& context, Bucket& bucket);
Reply list_versions(const S3Request& request, const Context& context, const Bucket& bucket);
Reply get_object(const S3Request& request, const Context& context);  // and HEAD
Reply put_object(const S3Request& request, const Context& context);
Reply copy_object(const S3Request& request, const Context& context);
Reply delete_object(const S3Request& request, const Context& context, Bucket& bucket);
Reply delete_objects(const S3Request& request, const Context& context, Bucket& bucket);
Reply upload_operation(const S3Request& request, const Context& context, Bucket& bucket);
Reply tagging_operation(const S3Request& request, const Context& context, Bucket& bucket);

// "a=b&c=d" of an x-amz-tagging header; nothing for what is no such list.
std::optional<std::vector<std::pair<std::string, std::string>>> tags_of_header(
    std::string_view text);
Failure bad_tags();

// The headers of a write that are kept with its object.
std::vector<HttpHeader> kept_headers(const S3Request& request);
// Writes under the request's conditions. Takes the lock.
Reply write_object(const S3Request& request, const Context& context, ContentPtr content);
// The same without conditions, the lock held; sets x-amz-version-id.
void commit_version(const S3Request& request, const Context& context, Bucket& bucket,
                    ContentPtr content, Reply& reply);

}  // namespace kedge::emulator
