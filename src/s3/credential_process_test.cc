#include "s3/credential_process.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "s3/credential_testing.h"

namespace kedge {
namespace {

// A program's words, as POSIX shells and botocore split them.
TEST(SplitCommand, QuotesAndBackslashesMeanWhatTheyDoInAShell) {
  const struct {
    const char* command;
    std::vector<std::string> words;
  } cases[] = {
      {"a b\tc", {"a", "b", "c"}},
      {"  a  ", {"a"}},
      {"\"a b\" 'c d'", {"a b", "c d"}},
      {"a\"b\"'c'd", {"abcd"}},
      {"a\\ b \\\"", {"a b", "\""}},
      {R"("a\"b\\c\d")", {R"(a"b\c\d)"}},
      {R"('a\b')", {R"(a\b)"}},
      {"a ''", {"a", ""}},
      {"a $HOME *;b", {"a", "$HOME", "*;b"}},
      {"a\\", {"a\\"}},
  };
  for (const auto& c : cases) {
    const auto words = split_command(c.command);
    ASSERT_TRUE(words.ok()) << c.command;
    EXPECT_EQ(*words, c.words) << c.command;
  }
  for (const char* bad : {"", "  ", "'a", "a \"b", "\"a\\\""})
    EXPECT_EQ(split_command(bad).code(), Code::kInvalid) << bad;
  std::string many;
  for (std::size_t i = 0; i <= kMaxProcessArguments; ++i) many += "a ";
  EXPECT_EQ(split_command(many).code(), Code::kInvalid);
}

class ProcessTest : public CredentialMachine {
 protected:
  Result<Credentials> run(const std::string& script) {
    const AwsEnvironment kept = environment();
    return process_credentials({kept, transport_, clock_, log_},
                               "/bin/sh " + write("program.sh", script), Deadline::never());
  }
};

constexpr const char* kGood =
    R"(echo '{"Version":1,"AccessKeyId":"P","SecretAccessKey":"S3CRET","SessionToken":"T0KEN",)"
    R"("Expiration":"2026-03-01T14:00:00+01:00"}')";

TEST_F(ProcessTest, PrintsCredentials) {
  const auto out = run(kGood);
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(out->access_key_id, "P");
  EXPECT_EQ(out->secret_access_key, "S3CRET");
  EXPECT_EQ(out->session_token, "T0KEN");
  EXPECT_EQ(to_rfc3339(*out->expires), "2026-03-01T13:00:00Z");
  write(".aws/config",
        "[profile p]\ncredential_process = /bin/sh '" + home_ + "/program.sh' a b\n");
  EXPECT_EQ(found("p"), "P from profile 'p', credential_process");
}

// What went wrong is told by the program's own words, and nothing of what it printed is.
TEST_F(ProcessTest, FailuresAreTold) {
  const struct {
    const char* script;
    Code code;
    const char* message;
  } cases[] = {
      {"echo 'run acme login' >&2; echo more >&2; echo S3CRET; exit 3", Code::kDenied,
       "credential_process: failed with exit code 3: run acme login"},
      {"kill -9 $$", Code::kDenied, "credential_process: failed with signal 9"},
      {"printf '\\033[31mred' >&2; exit 1", Code::kDenied,
       "credential_process: failed with exit code 1: \\x1b[31mred"},
      {"echo S3CRET", Code::kCorrupt, "credential_process: not a JSON object"},
      {"true", Code::kCorrupt, "credential_process: not a JSON object"},
      {"echo '{}'", Code::kUnsupported, "credential_process: Version is '' and not 1"},
      {"echo '{\"Version\":2}'", Code::kUnsupported,
       "credential_process: Version is '2' and not 1"},
      {"echo '{\"Version\":1}'", Code::kCorrupt, "credential_process: no access key id"},
      {"head -c 3000000 /dev/zero", Code::kCorrupt, "credential_process: over 262144 bytes"},
      {"head -c 3000000 /dev/zero >&2; exit 1", Code::kDenied, nullptr},
  };
  for (const auto& c : cases) {
    const auto out = run(c.script);
    ASSERT_FALSE(out.ok()) << c.script;
    EXPECT_EQ(out.code(), c.code) << c.script;
    if (c.message != nullptr) {
      EXPECT_EQ(out.error().message, c.message);
    }
    EXPECT_LT(out.error().message.size(), 600U);
  }
  const AwsEnvironment kept = environment();
  const auto out = process_credentials({kept, transport_, clock_, log_}, home_ + "/not-there",
                                       Deadline::never());
  EXPECT_EQ(out.code(), Code::kDenied);
  EXPECT_NE(out.error().message.find("No such file or directory"), std::string::npos);
}

// A clock whose time a test moves from another thread.
class SharedClock final : public Clock {
 public:
  Timestamp now() override { return {1}; }
  Duration monotonic() override { return Duration(elapsed_.load()); }
  void sleep(Duration) override {}
  void advance(Duration by) { elapsed_ += by.count(); }

 private:
  std::atomic<std::int64_t> elapsed_{0};
};

// A program that hangs, also one that has closed its output, is killed at the deadline.
TEST_F(ProcessTest, APastDeadlineKillsIt) {
  for (const char* script : {"exec sleep 1000", "exec sleep 1000 >&- 2>&-"}) {
    SharedClock clock;
    const AwsEnvironment kept = environment();
    const std::string path = write("hang.sh", script);
    Result<Credentials> out = Error{};
    std::thread caller([&] {
      out = process_credentials({kept, transport_, clock, log_}, "/bin/sh " + path,
                                Deadline::never());
    });
    // Time goes on until the call is over, whenever it began to count.
    std::atomic<bool> done{false};
    std::thread ticker([&] {
      while (!done) {
        clock.advance(kProcessTotal);
        std::this_thread::yield();
      }
    });
    caller.join();
    done = true;
    ticker.join();
    ASSERT_FALSE(out.ok());
    EXPECT_EQ(out.code(), Code::kUnavailable) << out.error().message;
    EXPECT_EQ(out.error().message, "credential_process: did not end in time, and was killed");
  }
}

// A helper that goes on in the background holds standard error open; its answer counts all the
// same.
TEST_F(ProcessTest, AGrandchildIsNotWaitedFor) {
  const auto out =
      run(std::string("sleep 1000 >/dev/null & echo $! > ") + home_ + "/pid; " + kGood);
  ASSERT_TRUE(out.ok()) << out.error().message;
  EXPECT_EQ(out->access_key_id, "P");
  EXPECT_EQ(::system(("kill $(cat " + home_ + "/pid)").c_str()), 0);
}

}  // namespace
}  // namespace kedge
