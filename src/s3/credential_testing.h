// For tests of credentials: a machine of one's own, with its environment, home folder, clock, log
// and network.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "s3/credential_chain.h"
#include "s3/credential_source.h"
#include "s3/scripted_transport.h"

namespace kedge {

// Keeps what was said, a line each.
class KeptLog final : public Log {
 public:
  void write(LogLevel level, std::string_view message) override {
    const std::lock_guard lock(mutex_);
    (level == LogLevel::kWarning ? warnings_ : others_) += std::string(message) + "\n";
  }
  [[nodiscard]] std::string warnings() const {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }
  [[nodiscard]] std::string all() const {
    const std::lock_guard lock(mutex_);
    return warnings_ + others_;
  }

 private:
  mutable std::mutex mutex_;
  std::string warnings_;
  std::string others_;
};

class CredentialMachine : public testing::Test {
 protected:
  CredentialMachine() {
    home_ = (std::filesystem::temp_directory_path() / "kedge-aws-XXXXXX").string();
    if (::mkdtemp(home_.data()) == nullptr) ADD_FAILURE() << "cannot make " << home_;
  }
  ~CredentialMachine() override {
    EXPECT_EQ(transport_.unexpected(), "");
    EXPECT_EQ(transport_.left(), 0U) << "requests that were expected and did not come";
    std::error_code ignored;
    std::filesystem::remove_all(home_, ignored);
  }

  // Below the home folder; returns the path.
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = std::filesystem::path(home_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  [[nodiscard]] AwsEnvironment environment() const {
    AwsEnvironment out;
    out.variable = [this](const std::string& name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::string() : found->second;
    };
    out.home = home_;
    out.prompt = prompt_;
    return out;
  }

  Result<std::unique_ptr<CredentialProvider>> chain(const S3Options& options = {}) {
    return make_credential_chain(options, environment(), transport_, clock_, log_);
  }

  // What the chain finds now.
  Result<Credentials> find(const std::string& profile = "") {
    S3Options options;
    options.profile = profile;
    auto provider = chain(options);
    if (!provider.ok()) return provider.error();
    return (*provider)->get(Deadline::after(clock_, std::chrono::seconds(30)));
  }

  // "KEY from ORIGIN", or the code and message of the error.
  std::string found(const std::string& profile = "") {
    const Result<Credentials> out = find(profile);
    if (!out.ok()) return str_cat(code_name(out.code()), ": ", out.error().message);
    return str_cat(out->access_key_id, " from ", out->origin);
  }

  [[nodiscard]] std::string in(Duration later) const {
    return to_rfc3339(const_cast<ManualClock&>(clock_).now() + later);
  }

  // An answer of STS with keys KEY, secret and token.
  [[nodiscard]] HttpResponse sts_answer(const std::string& action, const std::string& key,
                                        Duration life = std::chrono::hours(1)) const {
    return scripted_answer(
        200, str_cat("<", action, "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><",
                     action, "Result><Credentials><AccessKeyId>", key,
                     "</AccessKeyId><SecretAccessKey>S3CRET-sts</SecretAccessKey><SessionToken>",
                     "T0KEN-sts</SessionToken><Expiration>", in(life),
                     "</Expiration></Credentials></", action, "Result></", action, "Response>"));
  }

  // The JSON of containers and instances.
  [[nodiscard]] std::string metadata_json(const std::string& key,
                                          Duration life = std::chrono::hours(6)) const {
    return str_cat(R"({"Code":"Success","AccessKeyId":")", key,
                   R"(","SecretAccessKey":"S3CRET-md","Token":"T0KEN-md","Expiration":")", in(life),
                   "\"}");
  }

  void no_instance() {
    transport_.expect("PUT", "http://169.254.169.254/latest/api/token",
                      Error{Code::kUnavailable, "connection timed out"});
  }

  std::string home_;
  std::map<std::string, std::string> variables_;
  std::function<Result<std::string>(std::string_view)> prompt_;
  ScriptedTransport transport_;
  ManualClock clock_{*parse_rfc3339("2026-03-01T12:00:00Z")};
  KeptLog log_;
};

}  // namespace kedge
