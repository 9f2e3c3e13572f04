#include "commit/history.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/strings.h"

namespace kedge {
namespace {

constexpr std::size_t kGenerationDigits = 20;

std::string generation_text(std::uint64_t generation) {
  const std::string digits = std::to_string(generation);
  return std::string(kGenerationDigits - digits.size(), '0') + digits;
}

Result<std::vector<HistoryEntry>> list_under(ObjectStore& store, std::string_view prefix,
                                             std::string_view relative, Deadline deadline) {
  std::vector<HistoryEntry> entries;
  const auto listing = store.list(str_cat(prefix, relative), "");
  while (true) {
    const std::vector<ObjectInfo> page = KEDGE_TRY(listing->next(deadline));
    if (page.empty()) break;
    for (const ObjectInfo& info : page) {
      if (!info.key.starts_with(prefix)) continue;
      auto entry = parse_history_key(std::string_view(info.key).substr(prefix.size()));
      if (!entry) continue;
      entry->last_modified = info.last_modified;
      entries.push_back(*entry);
    }
    if (entries.size() > kMaxHistoryEntries)
      return {Code::kExhausted, str_cat("more than ", kMaxHistoryEntries, " history bodies under ",
                                        printable(prefix))};
  }
  const auto order = [](const HistoryEntry& a, const HistoryEntry& b) {
    return std::tie(a.generation, a.commit_id) < std::tie(b.generation, b.commit_id);
  };
  const auto same = [](const HistoryEntry& a, const HistoryEntry& b) {
    return a.generation == b.generation && a.commit_id == b.commit_id;
  };
  // A listing may be unordered and may repeat itself.
  std::sort(entries.begin(), entries.end(), order);
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
  return entries;
}

}  // namespace

std::string history_key(std::uint64_t generation, const Id128& commit_id) {
  return str_cat(kHistoryFolder, generation_text(generation), "-", commit_id.hex());
}

std::optional<HistoryEntry> parse_history_key(std::string_view relative) {
  if (!relative.starts_with(kHistoryFolder)) return {};
  relative.remove_prefix(kHistoryFolder.size());
  if (relative.size() != kGenerationDigits + 1 + 32 || relative[kGenerationDigits] != '-')
    return {};
  HistoryEntry entry;
  const char* end = relative.data() + kGenerationDigits;
  const auto [rest, error] = std::from_chars(relative.data(), end, entry.generation);
  if (error != std::errc() || rest != end || entry.generation == 0) return {};
  const auto id = Id128::parse(relative.substr(kGenerationDigits + 1));
  if (!id.ok()) return {};
  entry.commit_id = id.value();
  return entry;
}

Result<std::vector<HistoryEntry>> list_history(ObjectStore& store, std::string_view prefix,
                                               Deadline deadline) {
  return list_under(store, prefix, kHistoryFolder, deadline);
}

Result<std::vector<HistoryEntry>> list_generation(ObjectStore& store, std::string_view prefix,
                                                  std::uint64_t generation, Deadline deadline) {
  return list_under(store, prefix, str_cat(kHistoryFolder, generation_text(generation), "-"),
                    deadline);
}

std::uint64_t retained_from_at(Timestamp now, const Envelope& head, Timestamp head_last_modified,
                               const std::vector<HistoryEntry>& entries) {
  const Duration retention = std::max(head.retention, head.grace);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t generation = entries[i].generation;
    if (generation < head.retained_from) continue;
    if (generation >= head.generation) break;
    std::size_t next = i + 1;
    while (next < entries.size() && entries[next].generation == generation) ++next;
    const bool head_is_next = next == entries.size() || entries[next].generation >= head.generation;
    const Timestamp replaced = head_is_next ? head_last_modified : entries[next].last_modified;
    if (now - replaced < retention) return generation;
  }
  return head.generation;
}

}  // namespace kedge
