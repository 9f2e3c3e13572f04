// The rights that Kedge needs of AWS, from a table of the calls that its store makes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3/s3_options.h"

namespace kedge {

// Who makes a call. A search reads sources too, for snippets.
enum class S3Use : unsigned {
  kReadIndex = 1,   // search, status, verify
  kWriteIndex = 2,  // sync, gc
  kSource = 4,
  kDoctor = 8,  // only to say something about the bucket
  kTags = 16,   // a source synced with the tags of its objects
};

// A call of the S3 API as it goes over the wire, and the right that it takes.
struct S3Right {
  std::string_view method;
  std::string_view query;  // the parameter that makes it another call; "" for plain ones
  bool on_bucket = false;  // else on a key
  std::string_view action;
  unsigned uses = 0;      // of S3Use
  bool prefixed = false;  // on_bucket: may be limited to a prefix (condition key s3:prefix)
};
std::span<const S3Right> s3_rights();

// A place, and what is done there.
struct PolicyPlace {
  std::string name;  // "Index", "Source1": letters and digits, of the statements
  S3Location location;
  unsigned uses = 0;
  std::string kms_key_id = {};
};

// A policy document: no more than these rights, on no more than these places. "" for none.
std::string make_policy(const std::vector<PolicyPlace>& places);

}  // namespace kedge
