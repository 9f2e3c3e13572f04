#include <algorithm>
#include <pugixml.hpp>

#include "base/strings.h"
#include "emulator/operations.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

Reply get_versioning(const Bucket& bucket) {
  Xml xml("VersioningConfiguration");
  if (bucket.versioning == Versioning::kEnabled) xml.element("Status", "Enabled");
  if (bucket.versioning == Versioning::kSuspended) xml.element("Status", "Suspended");
  return xml_reply(std::move(xml).finish());
}

Reply put_versioning(const S3Request& request, Bucket& bucket) {
  const Bytes body = request.payload.flat();
  pugi::xml_document document;
  if (!document.load_buffer(body.data(), body.size())) return reply_of(malformed_xml(), request);
  const std::string_view status = document.child("VersioningConfiguration").child_value("Status");
  if (status == "Enabled") {
    bucket.versioning = Versioning::kEnabled;
  } else if (status == "Suspended" && bucket.object_lock.empty()) {
    bucket.versioning = Versioning::kSuspended;
  } else if (status == "Suspended") {
    return reply_of({409, "InvalidBucketState",
                     "An Object Lock configuration is present on this bucket, so the versioning "
                     "state cannot be changed."},
                    request);
  } else {
    return reply_of(malformed_xml(), request);
  }
  return {};
}

Reply delete_bucket(const S3Request& request, const Context& context, const Bucket& bucket) {
  if (!bucket.objects.empty())
    return reply_of({409, "BucketNotEmpty", "The bucket you tried to delete is not empty"},
                    request);
  context.store.buckets.erase(context.store.buckets.find(request.bucket));
  Reply reply;
  reply.status = 204;
  return reply;
}

Reply get_object_lock(const S3Request& request, const Bucket& bucket) {
  if (!bucket.object_lock.empty()) return xml_reply(bucket.object_lock);
  return reply_of({404, "ObjectLockConfigurationNotFoundError",
                   "Object Lock configuration does not exist for this bucket"},
                  request);
}

}  // namespace

Reply list_buckets(const S3Request&, const Context& context) {
  const std::lock_guard lock(context.store.mutex);
  Xml xml("ListAllMyBucketsResult");
  xml.open("Owner").element("ID", context.account).close("Owner").open("Buckets");
  for (const auto& [name, bucket] : context.store.buckets) {
    xml.open("Bucket").element("Name", name).element("CreationDate", xml_time(bucket.created));
    xml.element("BucketRegion", bucket.region).close("Bucket");
  }
  return xml_reply(std::move(xml.close("Buckets")).finish());
}

Reply create_bucket(const S3Request& request, const Context& context) {
  if (!valid_bucket_name(request.bucket))
    return reply_of({400, "InvalidBucketName", "The specified bucket is not valid."}, request);
  Bucket bucket;
  bucket.region = context.region;
  bucket.created = context.now;
  if (request.payload.size() > 0) {
    const Bytes body = request.payload.flat();
    pugi::xml_document document;
    if (!document.load_buffer(body.data(), body.size())) return reply_of(malformed_xml(), request);
    const std::string_view place =
        document.child("CreateBucketConfiguration").child_value("LocationConstraint");
    if (!place.empty()) bucket.region = std::string(place);
  }
  if (request.header("x-amz-bucket-object-lock-enabled") == "true") {
    Xml xml("ObjectLockConfiguration");
    bucket.object_lock = std::move(xml.element("ObjectLockEnabled", "Enabled")).finish();
    bucket.versioning = Versioning::kEnabled;
  }
  const std::lock_guard lock(context.store.mutex);
  if (context.store.buckets.size() >= kMaxBuckets)
    return reply_of({400, "TooManyBuckets",
                     "You have attempted to create more buckets than "
                     "allowed"},
                    request);
  if (!context.store.buckets.try_emplace(request.bucket, std::move(bucket)).second)
    return reply_of({409, "BucketAlreadyOwnedByYou",
                     "Your previous request to create the named bucket succeeded and you already "
                     "own it."},
                    request);
  Reply reply;
  reply.set("Location", str_cat("/", request.bucket));
  return reply;
}

Reply bucket_operation(const S3Request& request, const Context& context, Bucket& bucket) {
  Reply reply;
  switch (request.operation) {
    case Operation::kDeleteBucket:
      return delete_bucket(request, context, bucket);
    case Operation::kHeadBucket:
      reply.set("x-amz-bucket-region", bucket.region);
      return reply;
    case Operation::kGetBucketLocation: {
      // us-east-1 has no name here.
      std::string xml = std::move(Xml("LocationConstraint")).finish();
      if (bucket.region != "us-east-1") xml.insert(xml.rfind("</"), xml_escaped(bucket.region));
      return xml_reply(std::move(xml));
    }
    case Operation::kGetBucketVersioning:
      return get_versioning(bucket);
    case Operation::kPutBucketVersioning:
      return put_versioning(request, bucket);
    case Operation::kGetObjectLockConfiguration:
      return get_object_lock(request, bucket);
    case Operation::kPutObjectLockConfiguration: {
      if (bucket.versioning != Versioning::kEnabled)
        return reply_of({409, "InvalidBucketState",
                         "Versioning must be 'Enabled' on the bucket to apply an Object Lock "
                         "configuration"},
                        request);
      const Bytes body = request.payload.flat();
      bucket.object_lock = std::string(as_text(body));
      return reply;
    }
    default:
      return reply_of({501, "NotImplemented", "Not implemented."}, request);
  }
}

}  // namespace kedge::emulator
