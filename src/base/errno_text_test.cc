#include "base/errno_text.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>

#include "base/strings.h"

namespace kedge {
namespace {

// Who meets the limit of open files must learn which limit it is.
TEST(ErrnoText, NamesTheLimitOfOpenFiles) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 123;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(open_files_limit(), 123U);
  const std::string text = errno_text(EMFILE);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(text.find("may have 123"), std::string::npos) << text;
  EXPECT_NE(text.find("ulimit -n"), std::string::npos) << text;
  EXPECT_EQ(errno_text(EACCES), "Permission denied");
}

}  // namespace
}  // namespace kedge
