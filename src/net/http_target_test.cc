// What a URL says of where a request goes.
#include "net/http_target.h"

#include <gtest/gtest.h>

namespace kedge {
namespace {

// Messages and statistics name hosts by it, and metadata services must never be asked by a proxy.
TEST(HttpTarget, NamesHostPortAndKind) {
  const struct {
    const char* url;
    const char* host_port;
    bool tls;
    bool link_local;
  } cases[] = {
      {"https://bucket.s3.amazonaws.com/key?x=1", "bucket.s3.amazonaws.com:443", true, false},
      {"http://127.0.0.1:9000", "127.0.0.1:9000", false, false},
      {"http://host?query", "host:80", false, false},
      {"https://[::1]:8443/x", "[::1]:8443", true, false},
      {"http://169.254.169.254/latest/meta-data/", "169.254.169.254:80", false, true},
      {"http://169.254.170.2/v2", "169.254.170.2:80", false, true},
      {"http://[fd00:ec2::254]/latest", "[fd00:ec2::254]:80", false, true},
      {"http://[FD00:EC2::23]:80/v1", "[FD00:EC2::23]:80", false, true},
      {"http://169.254.example.org/", "169.254.example.org:80", false, false},
  };
  for (const auto& c : cases) {
    const auto target = parse_http_target(c.url);
    ASSERT_TRUE(target.ok()) << c.url << ": " << target.error().message;
    EXPECT_EQ(target->host_port, c.host_port) << c.url;
    EXPECT_EQ(target->tls, c.tls) << c.url;
    EXPECT_EQ(target->link_local, c.link_local) << c.url;
  }
}

}  // namespace
}  // namespace kedge
