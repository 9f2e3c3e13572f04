// Any bytes as a profile file, of both kinds. What is accepted stays within the limits, and a value
// never has a NUL byte; what comes of it as URL, JSON and command ends in an answer.
#include <cstdint>

#include "s3/aws_profile.h"
#include "s3/credential_answer.h"
#include "s3/credential_process.h"
#include "s3/endpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {kedge::AwsFileKind::kConfig, kedge::AwsFileKind::kCredentials}) {
    kedge::AwsProfiles profiles;
    if (!profiles.parse(text, kind, "file").ok()) continue;
    KEDGE_CHECK(profiles.profiles().size() <= kedge::kMaxProfileSections);
    for (const auto& [name, section] : profiles.profiles()) {
      KEDGE_CHECK(section.values.size() <= kedge::kMaxProfileKeys);
      for (const auto& [key, value] : section.values) {
        KEDGE_CHECK(!key.empty() && value.find('\0') == std::string::npos);
        (void)kedge::split_command(value);
        const auto url = kedge::parse_base_url(value, "endpoint");
        KEDGE_CHECK(!url.ok() || (!url->host.empty() && url->host.find('/') == std::string::npos &&
                                  url->host.find('@') == std::string::npos));
      }
    }
  }
  (void)kedge::JsonFields::parse(text, "answer");
  (void)kedge::parse_expiry(text, "answer");
  return 0;
}
