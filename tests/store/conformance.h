// What every ObjectStore must do, sentence by sentence of its contract (store/object_store.h).
// A store joins by INSTANTIATE_TEST_SUITE_P(Name, StoreConformance,
// testing::Values(StoreCase{...})) in a file of its own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "store/object_store.h"

namespace kedge {

// An empty store, and what it needs to live. Destroyed after the test.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual ObjectStore& store() = 0;
  // Another handle on the same state, as another process would have it; null if there is none.
  virtual std::unique_ptr<ObjectStore> open_again() { return nullptr; }
};

struct StoreCase {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
  // Whether keys may hold any bytes, and one be a prefix path of another.
  bool any_key = true;
  // A gateway to a file system: it may take "a//b" for "a/b", and answer to a key that it does not
  // take that there is no such key.
  bool keys_are_paths = false;
  // How far the clock that it shows (Date) may lie behind the one that dates its objects.
  Duration clock_lag{0};
  // Whether ranged reads and listings carry tags.
  bool tags_everywhere = true;

  friend void PrintTo(const StoreCase& store_case, std::ostream* out) { *out << store_case.name; }
};

class StoreConformance : public testing::TestWithParam<StoreCase> {
 protected:
  void SetUp() override {
    under_test_ = GetParam().make();
    ASSERT_NE(under_test_, nullptr);
  }
  ObjectStore& store() { return under_test_->store(); }
  StoreUnderTest& under_test() { return *under_test_; }

  // The sentence of the contract that a test is for, as docs/stores.md has it: `./dev stores` reads
  // it from the test's result, the check of the page from the source.
  static void promise(const std::string& sentence) { RecordProperty("promise", sentence); }

  // What a case does not promise, noted beside the result of a test that asks.
  [[nodiscard]] bool any_key() const {
    return noted("differs_keys", GetParam().any_key,
                 "no key is a folder of another, and some bytes are refused");
  }
  [[nodiscard]] bool keys_are_paths() const {
    return !noted("differs_paths", !GetParam().keys_are_paths, "a//b, ./ and ../ are not tried");
  }
  [[nodiscard]] bool tags_everywhere() const {
    return noted("differs_tags", GetParam().tags_everywhere, "no tags here");
  }
  [[nodiscard]] Duration clock_lag() const {
    noted("differs_clock", GetParam().clock_lag == Duration{0},
          "its clock may show up to " + std::to_string(GetParam().clock_lag.count() / 1'000'000) +
              " s less than it dates objects with");
    return GetParam().clock_lag;
  }
  [[nodiscard]] bool ordered() {
    return noted("differs_order", store().list("", "")->ordered(), "in no order");
  }

 private:
  static bool noted(const char* name, bool promised, const std::string& difference) {
    if (!promised) RecordProperty(name, difference);
    return promised;
  }

  std::unique_ptr<StoreUnderTest> under_test_;
};

// Whether a result is no error; the error's message if it is.
template <typename T>
testing::AssertionResult done(const Result<T>& result) {
  if (result.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message;
}
// A read of the whole object.
ReadRequest whole(std::string_view key);
ReadRequest part(std::string_view key, std::uint64_t offset, std::optional<std::uint64_t> length);
// The body of the key, or "<code name>".
std::string text_at(ObjectStore& store, std::string_view key);
// Every key of a listing; fails the test if it ends with an error or a page is too long.
std::vector<ObjectInfo> list_all(ObjectStore& store, std::string_view prefix,
                                 std::string_view start_after = "");
std::vector<std::string> keys_of(const std::vector<ObjectInfo>& objects);

}  // namespace kedge
