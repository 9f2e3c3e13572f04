// Who asks, and whether he may be believed: AWS Signature Version 4, rebuilt from what came over
// the wire.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "emulator/request.h"

namespace kedge::emulator {

struct KeyPair {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token = {};  // must be sent with it, where there is one
  bool read_only = false;          // may do nothing that changes anything
  bool expired = false;            // answered with ExpiredToken
};

struct Caller {
  std::string access_key_id;  // "": nobody signed
  bool read_only = false;
};

struct SignatureRules {
  const std::vector<KeyPair>& keys;
  std::string_view region;  // that the scope must name
  Timestamp now;            // by the clock of the store
};

// Refuses what real S3 refuses, in its words: an unknown key, a token that is wrong or expired, a
// clock more than 15 minutes off, a link that expired, another region, headers that are not signed,
// and a signature that is not the one of this request.
Refusal authenticate(const S3Request& request, const SignatureRules& rules, Caller& caller);

// Takes the body out of its framing (aws-chunked) and compares every hash and sum that came with
// it: x-amz-content-sha256, Content-MD5, x-amz-checksum-*, as header or trailer.
Refusal check_payload(S3Request& request);

}  // namespace kedge::emulator
