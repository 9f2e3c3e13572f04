// The index state's bytes. docs/format.md, "Index state".
//   offset   size   field
//   0        8      magic "KGIS", version, zero
//   8        4      next source number
//   12       16     counts u32 each: spaces, sources, trees, segments
//   28              spaces, sources, trees, segments; nothing behind them
// It lies in the head's envelope, whose CRC-32C covers it.
#include "format/index_state.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/allocation.h"
#include "base/strings.h"
#include "format/index_rules.h"
#include "format/page.h"
#include "format/segment.h"

namespace kedge {
namespace {

constexpr std::string_view kMagic = "KGIS";
constexpr std::string_view kWhat = "index state";
constexpr std::uint16_t kVersion = 2;
constexpr unsigned kHidden = 1;
constexpr unsigned kGitignore = 2;
constexpr unsigned kSidecars = 4;
constexpr unsigned kTags = 8;

void get_id(ByteReader& in, Id128& id) {
  const ByteView stored = in.get_bytes(id.bytes.size());
  std::copy(stored.begin(), stored.end(), id.bytes.begin());
}

void put_recipe(ByteWriter& out, const Recipe& recipe) {
  out.put(recipe.extractor_version);
  out.put(recipe.chunker_version);
  out.put(recipe.max_tokens);
  out.put(recipe.target_tokens);
  out.put(recipe.max_object_bytes);
  out.put_bytes(recipe.space.bytes);
}

void get_recipe(ByteReader& in, Recipe& recipe) {
  recipe.extractor_version = in.get<std::uint32_t>();
  recipe.chunker_version = in.get<std::uint32_t>();
  recipe.max_tokens = in.get<std::uint32_t>();
  recipe.target_tokens = in.get<std::uint32_t>();
  recipe.max_object_bytes = in.get<std::uint64_t>();
  get_id(in, recipe.space);
}

void put_source(ByteWriter& out, const SourceEntry& source) {
  out.put(source.number);
  out.put_string(source.uri);
  put_recipe(out, source.recipe);
  for (const auto* patterns : {&source.include, &source.exclude}) {
    out.put(static_cast<std::uint32_t>(patterns->size()));
    for (const std::string& pattern : *patterns) out.put_string(pattern);
  }
  out.put(static_cast<std::uint32_t>(
      (source.hidden ? kHidden : 0U) | (source.gitignore ? kGitignore : 0U) |
      (source.sidecars ? kSidecars : 0U) | (source.tags ? kTags : 0U)));
  out.put(source.set_hash.low);
  out.put(source.set_hash.high);
  out.put(source.live_objects);
  out.put(source.failed_objects);
  out.put(source.skipped_objects);
  out.put(source.pending_objects);
  out.put(source.racy_objects);
  out.put(source.earliest_retry.micros);
  out.put(source.last_reconcile.micros);
  out.put(source.withheld_deletes);
}

Result<SourceEntry> get_source(ByteReader& in) {
  const std::size_t at = in.offset();
  SourceEntry source;
  source.number = in.get<std::uint32_t>();
  source.uri = in.get_string(kMaxUri);
  get_recipe(in, source.recipe);
  for (auto* patterns : {&source.include, &source.exclude}) {
    const auto count = in.get<std::uint32_t>();
    if (count > kMaxPatterns) return corrupt(kWhat, "too many patterns in a source", at);
    for (std::uint32_t i = 0; i < count && in.ok(); ++i)
      patterns->push_back(in.get_string(kMaxPattern));
  }
  const auto flags = in.get<std::uint32_t>();
  source.set_hash.low = in.get<std::uint64_t>();
  source.set_hash.high = in.get<std::uint64_t>();
  source.live_objects = in.get<std::uint64_t>();
  source.failed_objects = in.get<std::uint64_t>();
  source.skipped_objects = in.get<std::uint64_t>();
  source.pending_objects = in.get<std::uint64_t>();
  source.racy_objects = in.get<std::uint64_t>();
  source.earliest_retry.micros = in.get<std::int64_t>();
  source.last_reconcile.micros = in.get<std::int64_t>();
  source.withheld_deletes = in.get<std::uint64_t>();
  if (!in.ok()) return corrupt(kWhat, "source is cut short or a text is too long", at);
  if ((flags & ~(kHidden | kGitignore | kSidecars | kTags)) != 0)
    return corrupt(kWhat, "unknown flags in a source", at);
  source.hidden = (flags & kHidden) != 0;
  source.gitignore = (flags & kGitignore) != 0;
  source.sidecars = (flags & kSidecars) != 0;
  source.tags = (flags & kTags) != 0;
  if (const auto rule = broken_source_rule(source))
    return corrupt(kWhat, str_cat("source: ", *rule), at);
  return source;
}

void put_tree(ByteWriter& out, const TreeEntry& tree) {
  out.put_bytes(tree.id.bytes);
  out.put_bytes(tree.space.bytes);
  out.put(tree.bytes);
  out.put(tree.leaves);
  out.put(tree.rows);
  out.put(static_cast<std::uint32_t>(tree.points.size()));
  for (const ProbePoint& point : tree.points) {
    out.put(point.recall);
    out.put(point.probes);
    out.put(point.rerank);
  }
}

Result<TreeEntry> get_tree(ByteReader& in) {
  const std::size_t at = in.offset();
  TreeEntry tree;
  get_id(in, tree.id);
  get_id(in, tree.space);
  tree.bytes = in.get<std::uint64_t>();
  tree.leaves = in.get<std::uint32_t>();
  tree.rows = in.get<std::uint64_t>();
  const auto points = in.get<std::uint32_t>();
  if (points > kMaxProbePoints) return corrupt(kWhat, "too many probe points in a tree", at);
  for (std::uint32_t i = 0; i < points && in.ok(); ++i) {
    ProbePoint point;
    point.recall = in.get<std::uint32_t>();
    point.probes = in.get<std::uint32_t>();
    point.rerank = in.get<std::uint32_t>();
    tree.points.push_back(point);
  }
  if (!in.ok()) return corrupt(kWhat, "tree is cut short", at);
  if (const auto rule = broken_tree_rule(tree))
    return corrupt(kWhat, str_cat("tree ", tree.id.hex(), ": ", *rule), at);
  return tree;
}

void put_segment(ByteWriter& out, const SegmentEntry& entry) {
  out.put_bytes(entry.id.bytes);
  out.put(entry.bytes);
  out.put(entry.objects);
  out.put(entry.rows);
  out.put(std::uint32_t{entry.level});
  out.put_string(entry.lower);
  out.put_string(entry.upper);
  out.put_bytes(entry.space.bytes);
  out.put_bytes(entry.tree.bytes);
  for (const Extent& plane : entry.planes) {
    out.put(plane.offset);
    out.put(plane.size);
  }
  out.put(entry.directory_crc);
  out.put_string(as_text(entry.directory));
  out.put_bytes(entry.del_file.bytes);
  out.put(entry.del_bytes);
  out.put(entry.del_count);
  out.put(static_cast<std::uint32_t>(entry.dead.size()));
  for (const std::uint32_t number : entry.dead) out.put(number);
}

Result<SegmentEntry> get_segment(ByteReader& in) {
  const std::size_t at = in.offset();
  SegmentEntry entry;
  get_id(in, entry.id);
  entry.bytes = in.get<std::uint64_t>();
  entry.objects = in.get<std::uint32_t>();
  entry.rows = in.get<std::uint32_t>();
  const auto level = in.get<std::uint32_t>();
  entry.lower = in.get_string(kMaxBound);
  entry.upper = in.get_string(kMaxBound);
  get_id(in, entry.space);
  get_id(in, entry.tree);
  for (Extent& plane : entry.planes) {
    plane.offset = in.get<std::uint64_t>();
    plane.size = in.get<std::uint64_t>();
  }
  entry.directory_crc = in.get<std::uint32_t>();
  entry.directory = to_bytes(in.get_string(kMaxInlineDirectories));
  get_id(in, entry.del_file);
  entry.del_bytes = in.get<std::uint64_t>();
  entry.del_count = in.get<std::uint32_t>();
  const auto dead = in.get<std::uint32_t>();
  if (dead > kMaxInlineDead) return corrupt(kWhat, "too many inlined dead objects", at);
  for (std::uint32_t i = 0; i < dead && in.ok(); ++i) entry.dead.push_back(in.get<std::uint32_t>());
  if (!in.ok()) return corrupt(kWhat, "segment is cut short or a text is too long", at);
  if (level > kMaxLevel) return corrupt(kWhat, "segment: level out of range", at);
  entry.level = static_cast<std::uint8_t>(level);
  if (const auto rule = broken_segment_rule(entry))
    return corrupt(kWhat, str_cat("segment ", entry.id.hex(), ": ", *rule), at);
  return entry;
}

// The first broken rule between entries; empty if none.
std::string broken_state_rule(const IndexState& state) {
  if (state.spaces.size() > kMaxSpaces || state.sources.size() > kMaxSources ||
      state.segments.size() > kMaxSegments) {
    return "too many spaces, sources or segments";
  }
  std::set<Id128> spaces;
  for (const Space& space : state.spaces) {
    if (!spaces.insert(space.id()).second) return str_cat("space twice: ", space.describe());
  }
  std::set<std::string_view> uris;
  std::uint32_t before = 0;
  for (const SourceEntry& source : state.sources) {
    const auto name = [&] { return str_cat("source ", source.number, ": "); };
    if (source.number <= before) return name() + "numbers are not increasing";
    if (source.number >= state.next_source) return name() + "number is not below the next one";
    if (!uris.insert(source.uri).second) return name() + "uri twice";
    if (!source.recipe.space.is_zero() && !spaces.contains(source.recipe.space))
      return name() + "names a space that is not there";
    before = source.number;
  }
  std::map<Id128, Id128> trees;  // to their spaces
  std::map<Id128, int> trees_of_space;
  for (const TreeEntry& tree : state.trees) {
    const auto name = [&] { return str_cat("tree ", tree.id.hex(), ": "); };
    if (!trees.emplace(tree.id, tree.space).second) return name() + "id twice";
    if (!spaces.contains(tree.space)) return name() + "names a space that is not there";
    if (++trees_of_space[tree.space] > 2) return name() + "the space has two already";
  }
  std::set<Id128> segments;
  std::size_t directories = 0;
  std::size_t dead = 0;
  for (const SegmentEntry& entry : state.segments) {
    const auto name = [&] { return str_cat("segment ", entry.id.hex(), ": "); };
    if (!segments.insert(entry.id).second) return name() + "id twice";
    if (!spaces.contains(entry.space)) return name() + "names a space that is not there";
    const auto tree = trees.find(entry.tree);
    if (!entry.tree.is_zero() && (tree == trees.end() || tree->second != entry.space))
      return name() + "names a tree that is not there";
    directories += entry.directory.size();
    dead += entry.dead.size();
  }
  if (directories > kMaxInlineDirectories) return "inlined directories are too large together";
  if (dead > kMaxInlineDeadTotal) return "too many inlined dead objects together";
  return {};
}

std::uint64_t load_big_endian(const std::byte* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = (value << 8) | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

}  // namespace

void SetHash::add(const SetHash& other) {
  low += other.low;
  high += other.high + (low < other.low ? 1 : 0);
}

void SetHash::subtract(const SetHash& other) {
  high -= other.high + (low < other.low ? 1 : 0);
  low -= other.low;
}

std::string SetHash::hex() const {
  Bytes bytes;
  for (const std::uint64_t half : {high, low}) {
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<std::byte>((half >> shift) & 0xFF));
  }
  return to_hex(bytes);
}

SetHash SetHash::of(std::string_view key, std::string_view tag, std::uint64_t size,
                    Timestamp last_modified, std::string_view sidecar, bool tagged) {
  ByteWriter out;
  out.put_string(key);
  out.put_string(tag);
  out.put(size);
  out.put(last_modified.micros);
  if (!sidecar.empty()) out.put_string(sidecar);
  if (tagged) out.put(std::uint8_t{1});
  const Id128 hash = xxh3_128(out.view());
  return {.low = load_big_endian(hash.bytes.data() + 8),
          .high = load_big_endian(hash.bytes.data())};
}

Id128 Recipe::id() const {
  ByteWriter out;
  put_recipe(out, *this);
  return sha256_128(out.view());
}

std::string SegmentEntry::file_key() const {
  const std::string name = id.hex();
  return str_cat("seg/", name.substr(0, 2), "/", name);
}

std::string SegmentEntry::del_key() const {
  KEDGE_CHECK(!del_file.is_zero());
  return str_cat("del/", id.hex(), "-", del_file.hex());
}

std::string TreeEntry::file_key() const { return str_cat("tree/", id.hex()); }

const TreeEntry* IndexState::tree(const Id128& id) const {
  const auto found =
      std::find_if(trees.begin(), trees.end(), [&](const TreeEntry& t) { return t.id == id; });
  return found == trees.end() ? nullptr : &*found;
}

const TreeEntry* IndexState::newest_tree(const Id128& space) const {
  const auto found = std::find_if(trees.begin(), trees.end(),
                                  [&](const TreeEntry& t) { return t.space == space; });
  return found == trees.end() ? nullptr : &*found;
}

Status IndexState::check() const {
  for (const SourceEntry& source : sources) {
    if (const auto rule = broken_source_rule(source))
      return {Code::kInvalid, str_cat(kWhat, ": source ", source.number, ": ", *rule)};
  }
  for (const TreeEntry& tree : trees) {
    if (const auto rule = broken_tree_rule(tree))
      return {Code::kInvalid, str_cat(kWhat, ": tree ", tree.id.hex(), ": ", *rule)};
  }
  for (const SegmentEntry& entry : segments) {
    if (const auto rule = broken_segment_rule(entry))
      return {Code::kInvalid, str_cat(kWhat, ": segment ", entry.id.hex(), ": ", *rule)};
  }
  const std::string rule = broken_state_rule(*this);
  if (!rule.empty()) return {Code::kInvalid, str_cat(kWhat, ": ", rule)};
  return {};
}

Bytes IndexState::encode() const {
  ByteWriter out;
  put_magic(out, kMagic, kVersion);
  out.put(next_source);
  out.put(static_cast<std::uint32_t>(spaces.size()));
  out.put(static_cast<std::uint32_t>(sources.size()));
  out.put(static_cast<std::uint32_t>(trees.size()));
  out.put(static_cast<std::uint32_t>(segments.size()));
  for (const Space& space : spaces) space.encode(out);
  for (const SourceEntry& source : sources) put_source(out, source);
  for (const TreeEntry& tree : trees) put_tree(out, tree);
  for (const SegmentEntry& entry : segments) put_segment(out, entry);
  return std::move(out).take();
}

Result<IndexState> IndexState::parse(ByteView bytes) try {
  ByteReader in(bytes);
  KEDGE_TRY(get_magic(in, kMagic, kVersion, kWhat));
  IndexState state;
  state.next_source = in.get<std::uint32_t>();
  const auto spaces = in.get<std::uint32_t>();
  const auto sources = in.get<std::uint32_t>();
  const auto trees = in.get<std::uint32_t>();
  const auto segments = in.get<std::uint32_t>();
  if (!in.ok()) return corrupt(kWhat, "cut short", in.offset());
  if (spaces > kMaxSpaces) return corrupt(kWhat, "too many spaces", 12);
  if (sources > kMaxSources) return corrupt(kWhat, "too many sources", 16);
  if (trees > kMaxTrees) return corrupt(kWhat, "too many trees", 20);
  if (segments > kMaxSegments) return corrupt(kWhat, "too many segments", 24);
  for (std::uint32_t i = 0; i < spaces; ++i) {
    const std::size_t at = in.offset();
    auto space = Space::parse(in);
    if (!space.ok() && space.code() != Code::kCorrupt) return std::move(space).error();
    if (!space.ok()) return corrupt(kWhat, space.error().message, at);
    state.spaces.push_back(*std::move(space));
  }
  for (std::uint32_t i = 0; i < sources; ++i) state.sources.push_back(KEDGE_TRY(get_source(in)));
  for (std::uint32_t i = 0; i < trees; ++i) state.trees.push_back(KEDGE_TRY(get_tree(in)));
  for (std::uint32_t i = 0; i < segments; ++i) state.segments.push_back(KEDGE_TRY(get_segment(in)));
  if (in.remaining() != 0) return corrupt(kWhat, "bytes behind the last segment", in.offset());
  const std::string rule = broken_state_rule(state);
  if (!rule.empty()) return corrupt(kWhat, rule, 0);
  return state;
} catch (...) {
  return memory_error(kWhat);
}

std::vector<FileRef> IndexState::files() const {
  std::vector<FileRef> files;
  for (const TreeEntry& tree : trees) files.push_back({.key = tree.file_key(), .size = tree.bytes});
  for (const SegmentEntry& entry : segments) {
    files.push_back({.key = entry.file_key(), .size = entry.bytes});
    if (!entry.del_file.is_zero())
      files.push_back({.key = entry.del_key(), .size = entry.del_bytes});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace kedge
