#include "embed/cache.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/strings.h"
#include "commit/collect.h"
#include "commit/head_log.h"
#include "embed/pack_reader.h"
#include "embed/spill.h"
#include "format/pack.h"

namespace kedge {
namespace {

// Merges done by one flush, at most.
constexpr int kMaxMergesAtOnce = 4;

struct HashOfId {
  std::size_t operator()(const Id128& id) const {
    std::size_t word = 0;  // hashes are uniform already
    std::memcpy(&word, id.bytes.data(), sizeof word);
    return word;
  }
};

// What a change does to the state of the cache.
struct StateChange {
  std::vector<PackName> out;  // must all be there, else the change is off
  std::optional<PackName> in;
  Bytes body;  // of `in`
};

class PackedCache final : public EmbeddingCache {
 public:
  PackedCache(ObjectStore& store, const Space& space, Clock& clock, Random& random,
              Executor& executor, Log& log, EmbeddingCacheOptions options)
      : space_(space.id()),
        dimension_(space.dimension),
        clock_(clock),
        random_(random),
        log_(log),
        options_(std::move(options)),
        head_log_(store, str_cat(options_.prefix, space_.hex(), "/"), clock, random, log, {},
                  &executor),
        reader_(store, head_log_.prefix(), log, options_.memory_bytes) {}

  Status open(Deadline deadline);
  Result<std::vector<std::optional<HalfVector>>> lookup(std::span<const Id128> hashes,
                                                        Deadline deadline) override;
  Status add(std::span<const Id128> hashes, std::span<const HalfVector> vectors,
             Deadline deadline) override;
  Status flush(Deadline deadline) override;
  Result<CollectReport> collect(Deadline deadline) override;
  [[nodiscard]] EmbeddingCacheStats stats() const override;

 private:
  Status refresh(Deadline deadline);
  [[nodiscard]] std::size_t max_pending() const { return kMaxPendingPacks * options_.pack_rows; }
  bool remember(const Id128& hash, HalfVector vector);
  bool flush_is_due() const;

  Status write_pending(Deadline deadline);
  Result<Draft> draft_of(StateChange& change, const HeadPtr& base) const;
  Status apply(StateChange change, Deadline deadline);
  PackName new_name(std::uint32_t rows);

  std::vector<PackName> due_for_merge() const;
  [[nodiscard]] std::uint32_t most_rows() const;
  [[nodiscard]] int tier_of(std::uint32_t rows) const;
  Status merge(const std::vector<PackName>& inputs, Deadline deadline);

  Id128 space_;
  std::uint32_t dimension_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  EmbeddingCacheOptions options_;
  HeadLog head_log_;
  PackReader reader_;
  std::unique_ptr<VectorSpill> spill_;  // nullptr: none
  HeadPtr head_;                        // nullptr: the cache has never been written
  CacheState state_;
  std::set<Id128> lost_;  // packs that a fresh state names and the store has not: reported

  std::vector<Id128> pending_;  // in the order added
  std::unordered_map<Id128, HalfVector, HashOfId> pending_vectors_;
  Duration pending_since_{};
  std::uint64_t adopted_ = 0;
  std::uint64_t spilled_bytes_ = 0;
};

Status PackedCache::open(Deadline deadline) {
  KEDGE_TRY(refresh(deadline));
  if (options_.spill_folder.empty()) return {};
  auto spill = VectorSpill::open(options_.spill_folder, space_, dimension_, random_, log_,
                                 [&](const Id128& hash, HalfVector vector) {
                                   if (pending_.size() >= max_pending()) return false;
                                   if (remember(hash, std::move(vector))) ++adopted_;
                                   return true;
                                 });
  if (!spill.ok()) {
    log_.warning(str_cat("embedding cache: no local spill, vectors go straight to packs: ",
                         spill.error().message));
    return {};
  }
  spill_ = *std::move(spill);
  return {};
}

// After an error what was known before still holds: packs are immutable.
Status PackedCache::refresh(Deadline deadline) {
  CacheState state{.space = space_, .dimension = dimension_, .packs = {}};
  auto head = head_log_.read(deadline);
  if (!head.ok() && head.code() != Code::kNotFound) return head.error();
  if (head.ok() && !(*head)->envelope.dropped) {
    state = KEDGE_TRY(CacheState::parse((*head)->envelope.payload));
    if (state.space != space_ || state.dimension != dimension_)
      return {Code::kCorrupt, str_cat(printable(head_log_.path("head")), ": of another space")};
  }
  head_ = head.ok() ? *std::move(head) : nullptr;
  state_ = std::move(state);
  reader_.forget_missing();
  return {};
}

// ---- lookup and add

Result<std::vector<std::optional<HalfVector>>> PackedCache::lookup(std::span<const Id128> hashes,
                                                                   Deadline deadline) {
  std::vector<std::optional<HalfVector>> found(hashes.size());
  std::vector<Id128> wanted;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const auto at = pending_vectors_.find(hashes[i]);
    if (at != pending_vectors_.end()) {
      found[i] = at->second;
    } else {
      wanted.push_back(hashes[i]);
      places.push_back(i);
    }
  }
  if (wanted.empty()) return found;
  auto vectors = KEDGE_TRY(reader_.lookup(state_, wanted, deadline));
  if (!std::includes(lost_.begin(), lost_.end(), reader_.missing().begin(),
                     reader_.missing().end())) {
    // Another process has merged packs, and a collection has taken the old ones.
    KEDGE_TRY(refresh(deadline));
    vectors = KEDGE_TRY(reader_.lookup(state_, wanted, deadline));
    for (const Id128& id : reader_.missing()) {
      if (!lost_.insert(id).second) continue;
      log_.warning(str_cat("embedding cache: pack ", id.hex(), " is lost; what it held counts as ",
                           "missing"));
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) found[places[i]] = std::move(vectors[i]);
  return found;
}

bool PackedCache::remember(const Id128& hash, HalfVector vector) {
  if (!pending_vectors_.emplace(hash, std::move(vector)).second) return false;
  if (pending_.empty()) pending_since_ = clock_.monotonic();
  pending_.push_back(hash);
  return true;
}

bool PackedCache::flush_is_due() const {
  if (pending_.empty()) return false;
  return pending_.size() >= options_.pack_rows ||
         clock_.monotonic() - pending_since_ >= options_.pack_every;
}

Status PackedCache::add(std::span<const Id128> hashes, std::span<const HalfVector> vectors,
                        Deadline deadline) {
  KEDGE_CHECK(hashes.size() == vectors.size());
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (vectors[i].size() != dimension_)
      return {Code::kInvalid,
              str_cat("vector ", i, " has ", vectors[i].size(), " dimensions, not ", dimension_)};
    if (!std::all_of(vectors[i].begin(), vectors[i].end(), is_finite_half))
      return {Code::kInvalid, str_cat("vector ", i, " has a value that is not finite")};
  }
  if (pending_.size() + hashes.size() > max_pending()) KEDGE_TRY(flush(deadline));
  if (spill_ != nullptr) {
    KEDGE_TRY(spill_->append(hashes, vectors));
    spilled_bytes_ += hashes.size() * VectorSpill::record_bytes(dimension_);
  }
  for (std::size_t i = 0; i < hashes.size(); ++i) remember(hashes[i], vectors[i]);
  if (!flush_is_due()) return {};
  const Status flushed = flush(deadline);
  if (flushed.ok()) return {};
  // They are remembered, here and in the spill: the next flush tries again.
  log_.warning(
      str_cat("embedding cache: a pack could not be written yet: ", flushed.error().message));
  pending_since_ = clock_.monotonic();
  return {};
}

// ---- packs

Status PackedCache::flush(Deadline deadline) {
  if (pending_.empty()) return {};
  KEDGE_TRY(write_pending(deadline));
  for (int i = 0; i < kMaxMergesAtOnce; ++i) {
    const std::vector<PackName> inputs = due_for_merge();
    if (inputs.empty()) break;
    // Housekeeping: what was asked for is done, and the next flush tries again.
    if (const Status merged = merge(inputs, deadline); !merged.ok()) {
      log_.debug(str_cat("embedding cache: packs are not merged yet: ", merged.error().message));
      break;
    }
  }
  return {};
}

Status PackedCache::write_pending(Deadline deadline) {
  const std::size_t most = PackShape::max_rows(dimension_);
  while (!pending_.empty()) {
    const std::size_t count = std::min(most, pending_.size());
    const auto hashes = std::span(pending_).first(count);
    std::vector<std::uint16_t> vectors;
    vectors.reserve(count * dimension_);
    for (const Id128& hash : hashes) {
      const HalfVector& vector = pending_vectors_.at(hash);
      vectors.insert(vectors.end(), vector.begin(), vector.end());
    }
    StateChange change;
    change.in = new_name(static_cast<std::uint32_t>(count));
    change.body = encode_pack(space_, dimension_, hashes, vectors);
    KEDGE_TRY(apply(change, deadline));
    for (const Id128& hash : hashes) pending_vectors_.erase(hash);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
  }
  if (spill_ != nullptr) KEDGE_TRY(spill_->clear());
  return {};
}

PackName PackedCache::new_name(std::uint32_t rows) {
  return {.id = Id128::random(random_), .rows = rows};
}

// The base's packs with the change, and without those found to be lost or damaged.
// The bytes are handed over once: later drafts of one commit name them.
Result<Draft> PackedCache::draft_of(StateChange& change, const HeadPtr& base) const {
  CacheState state{.space = space_, .dimension = dimension_, .packs = {}};
  if (base != nullptr && !base->envelope.dropped)
    state = KEDGE_TRY(CacheState::parse(base->envelope.payload));
  for (const PackName& pack : change.out) {
    if (std::erase(state.packs, pack) == 0)
      return {Code::kConflict, str_cat("pack ", pack.id.hex(), " is merged already")};
  }
  std::erase_if(state.packs, [&](const PackName& pack) {
    return reader_.missing().contains(pack.id) || reader_.damaged().contains(pack.id);
  });
  if (change.in) state.packs.push_back(*change.in);
  if (state.packs.size() > kMaxPacks)
    return {Code::kExhausted, str_cat("the cache has ", kMaxPacks, " packs: it is full")};
  Draft draft;
  draft.payload = state.encode();
  for (const PackName& pack : state.packs)
    draft.files.push_back({pack.key(), state.shape(pack).total_bytes()});
  if (change.in && !change.body.empty()) {
    const FileRef file{change.in->key(), change.body.size()};
    draft.puts.emplace_back(file, std::exchange(change.body, {}));
  }
  return draft;
}

Status PackedCache::apply(StateChange change, Deadline deadline) {
  const Rebase rebase = [&](const HeadPtr& base) { return draft_of(change, base); };
  CommitOutcome outcome = NotCommitted{};
  if (head_ == nullptr || head_->envelope.dropped) {
    StateChange copy = change;  // another may make it first: that is a second commit
    const Draft first = KEDGE_TRY(draft_of(copy, nullptr));
    outcome = head_log_.create(first, deadline);
    const auto* refused = std::get_if<NotCommitted>(&outcome);
    if (refused != nullptr && refused->reason.code == Code::kConflict)
      outcome = head_log_.commit(nullptr, rebase, deadline);  // another made it first
  } else if (head_->recovered) {
    StateChange copy = change;  // likewise
    const Rebase repair = [&](const HeadPtr& base) { return draft_of(copy, base); };
    outcome = head_log_.repair(repair, deadline);
    const auto* refused = std::get_if<NotCommitted>(&outcome);
    const Code code = refused == nullptr ? Code::kInternal : refused->reason.code;
    if (code == Code::kInvalid || code == Code::kConflict)
      outcome = head_log_.commit(nullptr, rebase, deadline);  // another has mended it
  } else {
    outcome = head_log_.commit(head_, rebase, deadline);
  }
  if (const auto* refused = std::get_if<NotCommitted>(&outcome)) return refused->reason;
  if (const auto* unknown = std::get_if<UnknownOutcome>(&outcome))
    return {Code::kUnavailable, str_cat("it is not known whether commit ", unknown->commit_id.hex(),
                                        " of a pack was done: ", unknown->last.message)};
  head_ = std::get<Committed>(outcome).head;
  state_ = KEDGE_TRY(CacheState::parse(head_->envelope.payload));
  return {};
}

// ---- merging in tiers

int PackedCache::tier_of(std::uint32_t rows) const {
  int tier = 0;
  for (std::uint64_t bound = std::uint64_t{options_.pack_rows} * kPackFanIn; rows >= bound;
       bound *= kPackFanIn)
    ++tier;
  return tier;
}

// Of a merged pack: as memory allows, but a cache that would run out of packs is merged all the
// same.
std::uint32_t PackedCache::most_rows() const {
  if (state_.packs.size() > kMaxPacks / 2) return PackShape::max_rows(dimension_);
  return PackShape::max_rows(dimension_, options_.memory_bytes / 2);
}

// The oldest packs of the lowest full tier that fit into one together. A pack of more than half the
// largest size stays as it is.
std::vector<PackName> PackedCache::due_for_merge() const {
  const std::uint32_t most = most_rows();
  std::map<int, std::vector<PackName>> tiers;
  for (const PackName& pack : state_.packs) {
    if (pack.rows <= most / 2) tiers[tier_of(pack.rows)].push_back(pack);
  }
  for (const auto& [tier, packs] : tiers) {
    if (packs.size() < kPackFanIn) continue;
    std::vector<PackName> inputs;
    std::uint64_t rows = 0;
    for (const PackName& pack : packs) {
      if (inputs.size() == kPackFanIn || rows + pack.rows > most) break;
      rows += pack.rows;
      inputs.push_back(pack);
    }
    if (inputs.size() > 1) return inputs;
  }
  return {};
}

Status PackedCache::merge(const std::vector<PackName>& inputs, Deadline deadline) {
  std::uint32_t rows = 0;
  for (const PackName& pack : inputs) rows += pack.rows;
  PackBuilder builder(space_, dimension_, rows);
  bool any = false;
  for (const PackName& pack : inputs) {
    const auto take = [&](const Id128& hash, std::span<const std::uint16_t> vector) {
      builder.add(hash, vector);
      any = true;
    };
    KEDGE_TRY(reader_.read_whole(state_, pack, take, deadline));
  }
  StateChange change;
  change.out = inputs;
  if (any) {
    PackBuilder::Built built = std::move(builder).finish();
    change.in = new_name(built.rows);
    change.body = std::move(built.bytes);
  }
  return apply(std::move(change), deadline);
}

Result<CollectReport> PackedCache::collect(Deadline deadline) {
  KEDGE_TRY(refresh(deadline));
  if (head_ == nullptr) return CollectReport{};
  CollectOptions options;
  options.is_ours = [](std::string_view key) { return matches_shape(key, "pack/{32}"); };
  options.folders = {"pack/"};
  CollectReport report = KEDGE_TRY(kedge::collect(head_log_, options, deadline));
  KEDGE_TRY(refresh(deadline));
  return report;
}

EmbeddingCacheStats PackedCache::stats() const {
  EmbeddingCacheStats stats;
  stats.packs = state_.packs.size();
  for (const PackName& pack : state_.packs) {
    stats.entries += pack.rows;
    stats.pack_bytes += state_.shape(pack).total_bytes();
  }
  stats.pending = pending_.size();
  stats.adopted = adopted_;
  stats.spilled_bytes = spilled_bytes_;
  return stats;
}

}  // namespace

Result<std::unique_ptr<EmbeddingCache>> EmbeddingCache::open(ObjectStore& store, const Space& space,
                                                             Clock& clock, Random& random,
                                                             Executor& executor, Log& log,
                                                             EmbeddingCacheOptions options,
                                                             Deadline deadline) {
  if (space.dimension == 0 || space.dimension > kMaxDimension)
    return {Code::kInvalid, str_cat("a space of ", space.dimension, " dimensions")};
  if (options.pack_rows == 0 || options.pack_rows > PackShape::max_rows(space.dimension))
    return {Code::kInvalid, str_cat("pack_rows ", options.pack_rows, " is out of range")};
  auto cache =
      std::make_unique<PackedCache>(store, space, clock, random, executor, log, std::move(options));
  KEDGE_TRY(cache->open(deadline));
  return std::unique_ptr<EmbeddingCache>(std::move(cache));
}

Id128 input_hash(const Space& space, std::string_view model_input) {
  Bytes bytes;
  const Id128 id = space.id();
  bytes.insert(bytes.end(), id.bytes.begin(), id.bytes.end());
  const ByteView input = as_bytes(model_input);
  bytes.insert(bytes.end(), input.begin(), input.end());
  return sha256_128(bytes);
}

}  // namespace kedge
