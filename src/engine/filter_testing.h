// Random metadata and random filters over it, from a small pool, so that they meet.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "engine/filter.h"

namespace kedge {

inline MetadataScalar random_scalar(Random& random) {
  switch (random.below(6)) {
    case 0:
      return random.below(2) == 0;
    case 1:
      return static_cast<double>(random.below(5)) - 2;
    case 2:
      return static_cast<double>(random.below(9)) / 4;
    case 3:  // spells a number
      return str_cat(random.below(5));
    case 4:
      return std::string(random.below(2) == 0 ? "true" : "-1");
    default:
      return std::string(random.below(4), static_cast<char>('a' + random.below(2)));
  }
}

// Some of them with names that Kedge has too, empty ones, and bytes that are no text.
inline std::string random_attribute(Random& random) {
  const std::string names[] = {
      "a", "b", "team", "size", "meta.key", "", "in", "\xFF\n\"", std::string("a\0b", 3)};
  return names[random.below(random.below(3) == 0 ? std::size(names) : 3)];
}

inline Metadata random_metadata(Random& random) {
  Metadata out;
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    const std::string name = random_attribute(random);
    const auto at =
        std::lower_bound(out.begin(), out.end(), name,
                         [](const auto& pair, const auto& n) { return pair.first < n; });
    if (at != out.end() && at->first == name) continue;
    MetadataValue value =
        std::visit([](auto&& one) { return MetadataValue(std::move(one)); }, random_scalar(random));
    if (random.below(4) == 0) {
      MetadataList list;
      for (std::uint64_t n = random.below(4); n > 0; --n) list.push_back(random_scalar(random));
      value = std::move(list);
    }
    out.insert(at, {name, std::move(value)});
  }
  return out;
}

// What conditions on Kedge's own fields are made of: those of objects that there are.
struct FilterPool {
  std::vector<std::string> keys;
  std::vector<std::string> sources;
  std::vector<double> sizes;
  std::vector<double> times;  // microseconds
};

inline MetadataScalar random_literal(Random& random, const FilterField& field,
                                     const FilterPool& pool) {
  const auto one_of = [&](const auto& values) {
    return MetadataScalar(values[random.below(values.size())]);
  };
  switch (field.kind) {
    case FilterField::Kind::kKey:
      return one_of(pool.keys);
    case FilterField::Kind::kSource:
      return one_of(pool.sources);
    case FilterField::Kind::kMediaType:
      return std::string(random.below(2) == 0 ? "text/plain" : "text/html");
    case FilterField::Kind::kSize:
      return one_of(pool.sizes);
    case FilterField::Kind::kModified:
      return one_of(pool.times);
    default:
      return random_scalar(random);
  }
}

inline Filter random_condition(Random& random, const FilterPool& pool) {
  using Kind = Filter::Kind;
  Filter out;
  out.field.kind = random.below(2) == 0 ? FilterField::Kind::kAttribute
                                        : static_cast<FilterField::Kind>(random.below(6));
  if (out.field.kind == FilterField::Kind::kAttribute) out.field.name = random_attribute(random);
  constexpr Kind kKinds[] = {
      Kind::kIn,          Kind::kIn,      Kind::kPrefix, Kind::kLess,
      Kind::kLessOrEqual, Kind::kGreater, Kind::kExists, Kind::kGreaterOrEqual};
  out.kind = kKinds[random.below(std::size(kKinds))];
  if (out.kind == Kind::kExists) return out;
  const std::uint64_t count = out.kind == Kind::kIn ? 1 + random.below(3) : 1;
  for (std::uint64_t i = 0; i < count; ++i) {
    MetadataScalar value = random_literal(random, out.field, pool);
    auto* text = std::get_if<std::string>(&value);
    if (out.kind == Kind::kPrefix && text) text->resize(random.below(text->size() + 1));
    const bool time = out.field.kind == FilterField::Kind::kModified;
    // Times are in microseconds here already.
    const bool fits =
        time ? out.kind != Kind::kPrefix : comparable(out.field, out.kind, value).ok();
    if (!fits) return random_condition(random, pool);
    out.values.push_back(std::move(value));
  }
  return out;
}

inline Filter random_filter(Random& random, const FilterPool& pool, int depth = 3) {
  const std::uint64_t kind = depth == 0 ? 3 : random.below(5);
  if (kind > 2) return random_condition(random, pool);
  if (kind == 2) return negate(random_filter(random, pool, depth - 1));
  std::vector<Filter> parts;
  for (std::uint64_t i = 1 + random.below(3); i > 0; --i)
    parts.push_back(random_filter(random, pool, depth - 1));
  return join(kind == 0 ? Filter::Kind::kAll : Filter::Kind::kAny, std::move(parts));
}

}  // namespace kedge
