// User metadata comes as it was put, and nothing else is made of what only looks encoded.
#include "s3/encoded_word.h"

#include <gtest/gtest.h>

namespace kedge {
namespace {

TEST(EncodedWord, IsDecodedOrLeftAsItIs) {
  const struct {
    std::string_view value;
    std::string_view decoded;
  } cases[] = {{"", ""},
               {"plain", "plain"},
               {"=?UTF-8?B?w4RtYWzDqMO4cw==?=", "\xC3\x84mal\xC3\xA8\xC3\xB8s"},
               {"=?utf-8?q?caf=C3=A9_au_lait?=", "caf\xC3\xA9 au lait"},
               {"=?UTF-8?Q?a?= =?UTF-8?Q?b?=", "ab"},
               {"=?UTF-8?B?w4Q=?= tail", "=?UTF-8?B?w4Q=?= tail"},
               {"=?UTF-8?B?w4Q?=", "=?UTF-8?B?w4Q?="},
               {"=?UTF-8?B?w4*=?=", "=?UTF-8?B?w4*=?="},
               {"=?UTF-8?Q?=C3?=", "=?UTF-8?Q?=C3?="},
               {"=?UTF-8?Q?=G0?=", "=?UTF-8?Q?=G0?="},
               {"=?UTF-8?Q?=C?=", "=?UTF-8?Q?=C?="},
               {"=?UTF-8?X?a?=", "=?UTF-8?X?a?="},
               {"=?UTF-8?B?", "=?UTF-8?B?"},
               {"=?UTF-8?Bxw4Q=?=", "=?UTF-8?Bxw4Q=?="},
               {"=?ISO-8859-1?Q?=E4?=", "=?ISO-8859-1?Q?=E4?="}};
  for (const auto& c : cases) EXPECT_EQ(decode_words(c.value), c.decoded) << c.value;
}

}  // namespace
}  // namespace kedge
