#include "emulator/operations.h"

#include "base/strings.h"
#include "emulator/xml.h"

namespace kedge::emulator {
namespace {

// What needs the bucket, in one step.
Reply on_bucket(const S3Request& request, const Context& context) {
  const std::lock_guard lock(context.store.mutex);
  Bucket* bucket = context.store.find(request.bucket);
  if (bucket == nullptr) return reply_of(no_such_bucket(), request);
  switch (request.operation) {
    case Operation::kListObjects:
    case Operation::kListObjectsV2:
      return listing_operation(request, context, *bucket);
    case Operation::kListObjectVersions:
      return list_versions(request, context, *bucket);
    case Operation::kDeleteObject:
      return delete_object(request, context, *bucket);
    case Operation::kDeleteObjects:
      return delete_objects(request, context, *bucket);
    case Operation::kListMultipartUploads:
    case Operation::kCreateMultipartUpload:
    case Operation::kCompleteMultipartUpload:
    case Operation::kAbortMultipartUpload:
    case Operation::kListParts:
      return upload_operation(request, context, *bucket);
    case Operation::kGetObjectTagging:
    case Operation::kPutObjectTagging:
    case Operation::kDeleteObjectTagging:
      return tagging_operation(request, context, *bucket);
    default:
      return bucket_operation(request, context, *bucket);
  }
}

}  // namespace

Reply execute(const S3Request& request, const Context& context) {
  switch (request.operation) {
    case Operation::kListBuckets:
      return list_buckets(request, context);
    case Operation::kCreateBucket:
      return create_bucket(request, context);
    case Operation::kGetObject:
    case Operation::kHeadObject:
      return get_object(request, context);
    case Operation::kPutObject:
    case Operation::kUploadPart:
      return put_object(request, context);
    case Operation::kCopyObject:
      return copy_object(request, context);
    case Operation::kNotImplemented:
      return reply_of({501, "NotImplemented",
                       "A header or query you provided implies functionality that is not "
                       "implemented."},
                      request);
    default:
      return on_bucket(request, context);
  }
}

Reply xml_reply(std::string xml) {
  Reply reply;
  reply.set("Content-Type", "application/xml");
  reply.send_all(Body(xml));
  return reply;
}

Reply reply_of(const Failure& failure, const S3Request& request) {
  Reply reply;
  if (request.http.method != "HEAD" && failure.status != 304) {
    // The request id is the server's to add: see Emulator.
    reply =
        xml_reply(str_cat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>", failure.code,
                          "</Code><Message>", xml_escaped(failure.message), "</Message><Resource>",
                          xml_escaped(request.path), "</Resource>", failure.details));
  }
  reply.status = failure.status;
  reply.error_code = failure.code;
  reply.headers.insert(reply.headers.end(), failure.headers.begin(), failure.headers.end());
  return reply;
}

Failure no_such_bucket() { return {404, "NoSuchBucket", "The specified bucket does not exist"}; }
Failure no_such_upload() {
  return {404, "NoSuchUpload",
          "The specified multipart upload does not exist. The upload ID might be invalid, or the "
          "multipart upload might have been aborted or completed."};
}
Failure malformed_xml() {
  return {400, "MalformedXML",
          "The XML you provided was not well-formed or did not validate against our published "
          "schema"};
}
Failure denied() { return {403, "AccessDenied", "Access Denied"}; }

}  // namespace kedge::emulator
