#include "ingest/scope.h"

#include <gtest/gtest.h>

namespace kedge {
namespace {

// What people type, and what they mean by it.
TEST(Scope, GlobsMeanWhatPeopleExpect) {
  const struct {
    const char* pattern;
    const char* key;
    bool matches;
  } cases[] = {
      {"*.md", "readme.md", true},
      {"*.md", "docs/deep/readme.md", true},
      {"*.md", "docs/readme.mdx", false},
      {"docs/*.md", "docs/a.md", true},
      {"docs/*.md", "docs/deep/a.md", false},
      {"docs/**/*.md", "docs/a.md", true},
      {"docs/**/*.md", "docs/x/y/a.md", true},
      {"docs/**", "docs/x/y", true},
      {"docs/**", "doc/x", false},
      {"docs/", "docs/x/y", true},
      {"docs/", "docs2/x", false},
      {"**/b", "a/b", true},
      {"**/b", "xb", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "ab", false},
      {"?.txt", "a.txt", true},
      {"?.txt", "ab.txt", false},
      {"[a-c]x", "bx", true},
      {"[!a-c]x", "bx", false},
      {"[]]x", "]x", true},
      {"\\*x", "*x", true},
      {"\\*x", "ax", false},
      {"*", "a/b/c", true},
      {"**", "a/b/c", true},
      {"a*b*c/x", "aXbYc/x", true},
      {"a*b*c/x", "aXbYd/x", false},
      {"/a.md", "a.md", true},
      {"/a.md", "deep/a.md", false},
      {"/*.md", "a.md", true},
      {"/*.md", "deep/a.md", false},
      {"/docs/", "docs/x/y", true},
      {"/docs/", "deep/docs/x", false},
      {"//a", "/a", true},
      {"/", "a", false},
      {"", "a", false},
  };
  for (const auto& c : cases)
    EXPECT_EQ(glob_matches(c.pattern, c.key), c.matches) << c.pattern << " on " << c.key;
}

// A pattern from a configuration must not take exponential time on a hostile key.
TEST(Scope, ManyStarsEnd) {
  std::string pattern = "x/";
  for (int i = 0; i < 60; ++i) pattern += "**a*";
  EXPECT_FALSE(glob_matches(pattern, "x/" + std::string(4000, 'a') + "/b"));
}

TEST(Scope, ExcludeWinsAndEmptyIncludeIsAll) {
  Scope scope;
  EXPECT_TRUE(in_scope(scope, "a"));
  scope.include = {"*.md", "logs/"};
  scope.exclude = {"draft*"};
  EXPECT_TRUE(in_scope(scope, "logs/x.bin"));
  EXPECT_TRUE(in_scope(scope, "d/a.md"));
  EXPECT_FALSE(in_scope(scope, "d/draft-a.md"));
  EXPECT_FALSE(in_scope(scope, "a.txt"));
}

// A file that is named is that file: whatever its name holds, and in no folder below.
TEST(Scope, OneKeyHasAPattern) {
  const std::vector<std::string> names = {"a.md", "*.md", "a[b].txt", "what?", "back\\slash",
                                          "x\\*", "]",    ".env",     "\xff",  " "};
  for (const std::string& name : names) {
    const std::string pattern = pattern_of(name);
    EXPECT_TRUE(check_scope({.include = {pattern}}).ok()) << name;
    for (const std::string& other : names)
      EXPECT_EQ(glob_matches(pattern, other), name == other) << pattern << " on " << other;
    EXPECT_FALSE(glob_matches(pattern, "deep/" + name)) << name;
    const NamedKeys named = named_keys({.include = {pattern}});
    EXPECT_EQ(named.keys, std::vector<std::string>{name});
    EXPECT_TRUE(named.all);
  }
}

TEST(Scope, OnlyExactPatternsNameKeys) {
  const NamedKeys mixed = named_keys({.include = {"/b", "*.md", "/a", "/c/d", "/e/", "/x*", "f"}});
  EXPECT_EQ(mixed.keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(mixed.all) << "a folder has to be walked for the others";
  EXPECT_FALSE(named_keys({}).all) << "no pattern is everything";
}

TEST(Scope, BrokenPatternsAreRefusedByName) {
  for (const char* bad : {"", "[a", "x[!", "[]"}) {
    Scope scope;
    scope.exclude = {bad};
    const Status status = check_scope(scope);
    ASSERT_FALSE(status.ok()) << bad;
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_NE(status.error().message.find(bad), std::string::npos);
  }
  Scope good;
  good.include = {"[]]", "\\[", "[a-z]*"};
  EXPECT_TRUE(check_scope(good).ok());
}

}  // namespace
}  // namespace kedge
