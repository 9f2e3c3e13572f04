#include "ingest/pipeline.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/allocation.h"
#include "base/strings.h"
#include "embed/cache.h"
#include "format/segment_pages.h"
#include "ingest/chunker.h"
#include "ingest/object_tags.h"
#include "ingest/sidecar.h"
#include "simd/kernels.h"

namespace kedge {
namespace {

constexpr Duration kFirstRetry = std::chrono::hours(1);
constexpr std::uint32_t kMaxBackOffSteps = 7;  // 1 h, 2 h, ... 128 h

// At most `limit` bytes, never half a UTF-8 sequence.
std::string clip(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

// As it is stored: numbers over 65,504 are infinite there, and the smallest zero. One such vector
// in a commit would end it.
bool can_be_a_row(const HalfVector& half, Metric metric) {
  const bool zero =
      std::all_of(half.begin(), half.end(), [](std::uint16_t v) { return (v & 0x7FFF) == 0; });
  return all_finite(std::as_bytes(std::span(half))) && !(zero && metric == Metric::kCosine);
}

std::string hash_key(const Id128& hash) { return std::string(as_text(hash.bytes)); }

}  // namespace

Pipeline::Pipeline(const SyncEnvironment& environment, const SyncOptions& options,
                   std::uint32_t source, const Recipe& recipe, bool tags, SyncReport& report,
                   SyncProgress& progress, Spill& gone, Deadline deadline)
    : environment_(environment),
      options_(options),
      source_(source),
      recipe_(recipe),
      recipe_id_(recipe.id()),
      tags_(tags),
      report_(report),
      progress_(progress),
      gone_(gone),
      deadline_(deadline),
      last_commit_(environment.clock.monotonic()) {}

void Pipeline::count_problem(const std::string& key, std::string reason) {
  if (report_.problems.size() < kMaxProblems) report_.problems.push_back({key, std::move(reason)});
}

void Pipeline::pending(const Todo& todo, std::string reason) {
  ++report_.pending;
  count_problem(todo.listed.key, "pending: " + std::move(reason));
}

void Pipeline::tell() {
  if (options_.progress) options_.progress(progress_);
}

Status Pipeline::add(Todo todo) {
  if (giving_up()) {
    pending(todo, stopped() ? "stopped" : "the model fails");
    return {};
  }
  if (todo.listed.archived)
    return record(todo, ObjectStatus::kSkipped, archived_reason(todo.listed), false);
  if (todo.listed.size == 0 && todo.listed.key.ends_with('/'))
    return record(todo, ObjectStatus::kSkipped, "the marker of a folder: it holds nothing", false);
  if (todo.listed.size > recipe_.max_object_bytes) {
    return record(todo, ObjectStatus::kSkipped,
                  str_cat("larger than max-object-size (", todo.listed.size, " > ",
                          recipe_.max_object_bytes, " bytes)"),
                  false);
  }
  batch_bytes_ += todo.listed.size;
  batch_.push_back(std::move(todo));
  if (batch_.size() >= kReadBatch || batch_bytes_ >= options_.memory_bytes / 8) return read_batch();
  return {};
}

Status Pipeline::finish() {
  KEDGE_TRY(read_batch());
  KEDGE_TRY(embed_window());
  return maybe_commit(true);
}

ObjectRow Pipeline::base_row(const Todo& todo) const {
  ObjectRow row;
  row.source = source_;
  row.key = todo.listed.key;
  row.tag = todo.listed.tag.value;
  row.size = todo.listed.size;
  row.last_modified = todo.listed.last_modified;
  // A copy into a class that can be read, in the same second, would carry the same tag and time.
  const bool just_archived =
      todo.listed.archived && now_ - todo.listed.last_modified < kReadOrderMargin;
  row.racy = todo.listed.racy || just_archived;
  row.read_time = now_;
  row.recipe = recipe_id_;
  if (!todo.listed.sidecar.empty())
    row.metadata.emplace_back(std::string(kSidecarName), todo.listed.sidecar);
  if (tags_) {
    row.metadata.emplace_back(std::string(kTagsName), todo.tags_version.empty()
                                                          ? std::string(kTagsUnread)
                                                          : todo.tags_version);
  }
  return row;
}

Status Pipeline::record(const Todo& todo, ObjectStatus status, std::string reason, bool retry) {
  if (now_.micros == 0) now_ = KEDGE_TRY(environment_.source.now(deadline_));
  IndexedObject object;
  object.row = base_row(todo);
  object.row.status = status;
  object.row.reason = clip(reason, kMaxField);
  if (status == ObjectStatus::kFailed) {
    object.row.attempts = todo.attempts + 1;
    const std::uint32_t steps = std::min(todo.attempts, kMaxBackOffSteps);
    if (retry) object.row.retry_after = now_ + kFirstRetry * (1U << steps);
    ++report_.failed;
    count_problem(todo.listed.key, "failed: " + reason);
  } else {
    ++report_.skipped;
    count_problem(todo.listed.key, "skipped: " + reason);
  }
  ++progress_.done;
  progress_.bytes_done += todo.listed.size;
  if (options_.dry_run) return {};
  intent_bytes_ += 512;
  intents_.emplace_back(PutIntent{std::move(object)});
  return maybe_commit(false);
}

// A machine with more memory, or this one when it does less at once, may read it.
Status Pipeline::settle_failure(const Todo& todo, const Error& error) {
  if (is_memory_error(error)) {
    pending(todo, error.message);
    return {};
  }
  return record(todo, ObjectStatus::kFailed, error.message, worth_retrying(error.code));
}

// Runs on any thread of the executor; touches nothing but its arguments.
void Pipeline::prepare(const Todo& todo, Result<Blob>& blob, Result<Prepared>& out) try {
  if (!blob.ok()) return;
  const ObjectInfo& info = blob->info;
  const ExtractHint hint{todo.listed.key, info.media_type};
  const ByteView raw = blob->body;
  const TypeDecision decision =
      decide_type(hint, raw.first(std::min<std::size_t>(raw.size(), kProbeBytes)));
  Prepared prepared;
  prepared.todo = todo;
  ObjectRow& row = prepared.object.row;
  row = base_row(todo);
  row.read_time = blob->store_time;
  row.version_id = info.version_id;
  row.racy = info.racy || todo.listed.racy || todo.sidecar_racy;
  row.media_type = clip(decision.media_type, kMaxField);
  // What lies beside an object is of its owner's choosing for searches, and wins.
  const Metadata of_store = merge_metadata(texts_as_metadata(info.metadata), todo.tags);
  row.metadata = merge_metadata(merge_metadata(of_store, todo.sidecar), row.metadata);
  row.content_hash = sha256(raw);
  if (info.tag != todo.listed.tag) {
    row.tag = info.tag.value;
    row.size = info.size;
    row.last_modified = info.last_modified;
  }
  if (!decision.readable && !raw.empty()) {
    row.status = ObjectStatus::kSkipped;
    row.reason = clip(decision.reason, kMaxField);
    out = std::move(prepared);
    return;
  }
  Result<Extraction> extraction =
      raw.empty() ? Result<Extraction>(Extraction{}) : extract(raw, hint);
  if (!extraction.ok()) {
    out = std::move(extraction).error();
    return;
  }
  row.media_type = raw.empty() ? row.media_type : clip(extraction->media_type, kMaxField);
  row.charset = clip(extraction->charset, kMaxField);
  row.title = clip(extraction->title, kMaxField);
  const ChunkerOptions options{.max_tokens = recipe_.max_tokens,
                               .target_tokens = recipe_.target_tokens};
  Embedder& embedder = environment_.embedder;
  const TokenCounter count = [&](std::string_view text) { return embedder.count_tokens(text); };
  Result<std::vector<Chunk>> chunks = make_chunks(raw, *extraction, options, count);
  if (!chunks.ok()) {
    out = std::move(chunks).error();
    return;
  }
  // Of a large object each of these is as large again: what is not needed any more goes.
  *extraction = {};
  take_chunks(*chunks, raw, prepared);
  prepared.memory_bytes += sizeof(Prepared) + row.key.size();
  out = std::move(prepared);
} catch (...) {
  out = memory_error("object");
}

void Pipeline::take_chunks(std::vector<Chunk>& chunks, ByteView raw, Prepared& prepared) const {
  Embedder& embedder = environment_.embedder;
  prepared.inputs.reserve(chunks.size());
  prepared.object.chunks.reserve(chunks.size());
  for (Chunk& chunk : chunks) {
    prepared.inputs.push_back(embedder.document_input(std::exchange(chunk.text, {})));
    ChunkRow text;
    text.begin = chunk.begin;
    text.end = chunk.end;
    text.line_first = chunk.line_first;
    text.line_last = chunk.line_last;
    text.row_first = chunk.row_first;
    text.row_last = chunk.row_last;
    text.chunk_hash = sha256_128(raw.subspan(chunk.begin, chunk.end - chunk.begin));
    text.input_hash = input_hash(embedder.space(), prepared.inputs.back());
    text.context = std::move(chunk.context);
    prepared.memory_bytes +=
        prepared.inputs.back().size() + sizeof(ChunkRow) + embedder.space().dimension * 2;
    prepared.object.chunks.push_back(std::move(text));
  }
}

Status Pipeline::take_prepared(std::vector<Result<Prepared>>& prepared, std::vector<Todo>& batch) {
  std::vector<Prepared> good;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!prepared[i].ok()) {
      KEDGE_TRY(settle_failure(batch[i], prepared[i].error()));
    } else if (prepared[i]->object.row.status == ObjectStatus::kSkipped) {
      KEDGE_TRY(record(batch[i], ObjectStatus::kSkipped, prepared[i]->object.row.reason, false));
    } else {
      good.push_back(std::move(prepared[i]).value());
    }
  }
  KEDGE_TRY(look_up(good));
  for (Prepared& object : good) {
    window_bytes_ += object.memory_bytes;
    window_.push_back(std::move(object));
  }
  if (window_unpaid_ >= kWindowChunks || window_bytes_ >= options_.memory_bytes / 4)
    return embed_window();
  return {};
}

Status Pipeline::look_up(std::vector<Prepared>& objects) {
  if (environment_.cache == nullptr) {
    for (const Prepared& object : objects) window_unpaid_ += object.object.chunks.size();
    return {};
  }
  std::vector<Id128> hashes;
  for (const Prepared& object : objects) {
    for (const ChunkRow& chunk : object.object.chunks) hashes.push_back(chunk.input_hash);
  }
  if (hashes.empty()) return {};
  std::vector<std::optional<HalfVector>> found =
      KEDGE_TRY(environment_.cache->lookup(hashes, deadline_));
  const std::size_t dimension = environment_.embedder.space().dimension;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (found[i] && found[i]->size() == dimension) {
      paid_.emplace(hash_key(hashes[i]), std::move(*found[i]));
      ++report_.chunks_from_cache;
    } else {
      ++window_unpaid_;
    }
  }
  progress_.chunks_from_cache = report_.chunks_from_cache;
  return {};
}

Status Pipeline::embed_window() {
  std::vector<Prepared> window = std::exchange(window_, {});
  window_bytes_ = 0;
  window_unpaid_ = 0;
  std::vector<std::pair<Id128, const std::string*>> unpaid;
  std::unordered_set<std::string> seen;
  for (const Prepared& object : window) {
    for (std::size_t i = 0; i < object.inputs.size(); ++i) {
      const Id128& hash = object.object.chunks[i].input_hash;
      const std::string key = hash_key(hash);
      if (paid_.contains(key)) continue;
      if (seen.insert(key).second) {
        unpaid.emplace_back(hash, &object.inputs[i]);
      } else {
        ++report_.chunks_from_cache;  // paid with its first copy in this window
      }
    }
  }
  // Equal lengths beside each other: nothing is computed for padding.
  std::stable_sort(unpaid.begin(), unpaid.end(), [](const auto& a, const auto& b) {
    return a.second->size() < b.second->size();
  });
  if (options_.dry_run) {
    report_.chunks_embedded += unpaid.size();
    for (const auto& item : unpaid)
      report_.tokens += environment_.embedder.count_tokens(*item.second);
    unpaid.clear();
  }
  const SyncProgress before = progress_;
  for (std::size_t at = 0; at < unpaid.size() && !giving_up(); at += kEmbedBatch) {
    const std::size_t count = std::min(kEmbedBatch, unpaid.size() - at);
    const auto first = unpaid.begin() + static_cast<std::ptrdiff_t>(at);
    KEDGE_TRY(embed_slice({first, first + static_cast<std::ptrdiff_t>(count)}));
    tell_part(before, window, at + count, unpaid.size());
  }
  progress_.done = before.done;
  progress_.bytes_done = before.bytes_done;
  for (Prepared& object : window) finish_object(std::move(object));
  paid_.clear();
  tell();
  return maybe_commit(false);
}

// The objects of a window are done all at once, after up to a quarter of a minute of embedding: in
// between they are told in proportion to the chunks that are.
void Pipeline::tell_part(const SyncProgress& before, const std::vector<Prepared>& window,
                         std::size_t embedded, std::size_t unpaid) {
  std::uint64_t bytes = 0;
  for (const Prepared& object : window) bytes += object.todo.listed.size;
  const double part = static_cast<double>(embedded) / static_cast<double>(unpaid);
  const auto of = [&](std::uint64_t all) {
    return static_cast<std::uint64_t>(part * static_cast<double>(all));
  };
  progress_.done = before.done + of(window.size());
  progress_.bytes_done = before.bytes_done + of(bytes);
  tell();
}

Status Pipeline::embed_slice(std::vector<std::pair<Id128, const std::string*>> slice) {
  const Space& space = environment_.embedder.space();
  std::vector<std::string> texts;
  texts.reserve(slice.size());
  // The prefix is part of the input already; the embedder adds it, so it is taken off here.
  for (const auto& item : slice) texts.push_back(item.second->substr(space.document_prefix.size()));
  const Result<std::vector<float>> vectors = environment_.embedder.embed_documents(texts);
  if (!vectors.ok() || vectors->size() != slice.size() * space.dimension) {
    ++model_failures_;
    environment_.log.warning(
        vectors.ok() ? str_cat("the model answered ", vectors->size(), " numbers where ",
                               slice.size() * space.dimension, " were asked for")
                     : str_cat("the model failed: ", vectors.error().message));
    return {};
  }
  model_failures_ = 0;
  std::vector<Id128> hashes;
  std::vector<HalfVector> halves;
  for (std::size_t i = 0; i < slice.size(); ++i) {
    HalfVector half(space.dimension);
    kernels().f32_to_f16(vectors->data() + i * space.dimension, half.data(), space.dimension);
    if (!can_be_a_row(half, space.metric)) continue;
    hashes.push_back(slice[i].first);
    halves.push_back(std::move(half));
  }
  if (environment_.cache != nullptr) KEDGE_TRY(environment_.cache->add(hashes, halves, deadline_));
  report_.chunks_embedded += hashes.size();
  for (std::size_t i = 0; i < hashes.size(); ++i)
    paid_.insert_or_assign(hash_key(hashes[i]), std::move(halves[i]));
  progress_.chunks_embedded = report_.chunks_embedded;
  tell();
  return {};
}

void Pipeline::finish_object(Prepared prepared) {
  IndexedObject& object = prepared.object;
  const std::size_t dimension = environment_.embedder.space().dimension;
  if (!options_.dry_run) {
    object.vectors.reserve(object.chunks.size() * dimension);
    for (const ChunkRow& chunk : object.chunks) {
      const auto vector = paid_.find(hash_key(chunk.input_hash));
      if (vector == paid_.end()) {
        pending(prepared.todo, stopped() ? "stopped" : "the model gave no vector");
        return;
      }
      object.vectors.insert(object.vectors.end(), vector->second.begin(), vector->second.end());
    }
  }
  const bool same_bytes =
      prepared.todo.live && prepared.todo.content_hash == object.row.content_hash;
  ++report_.indexed;
  if (!prepared.todo.live) {
    ++report_.added;
  } else if (same_bytes) {
    ++report_.rewritten;
  } else {
    ++report_.changed;
  }
  report_.chunks += object.chunks.size();
  if (object.chunks.size() > 1) ++report_.split_objects;
  ++progress_.done;
  progress_.bytes_done += prepared.todo.listed.size;
  if (options_.dry_run) return;
  intent_rows_ += object.chunks.size();
  intent_bytes_ += prepared.memory_bytes + 512;
  intents_.emplace_back(PutIntent{std::move(object)});
}

Status Pipeline::maybe_commit(bool now) {
  if (intents_.empty()) return {};
  const Duration since = environment_.clock.monotonic() - last_commit_;
  const bool due = now || intent_rows_ >= options_.commit_rows ||
                   intents_.size() >= kMaxIntents / 2 ||
                   intent_bytes_ >= options_.memory_bytes / 4 || since >= options_.commit_every;
  if (!due) return {};
  const Settle settle = ask_source(environment_.source, deadline_);
  const CommitReport done =
      KEDGE_TRY(environment_.index.commit(std::exchange(intents_, {}), {}, settle, deadline_));
  intent_rows_ = 0;
  intent_bytes_ = 0;
  last_commit_ = environment_.clock.monotonic();
  ++report_.commits;
  report_.generation = done.generation;
  KEDGE_TRY(environment_.index.maintain(1, deadline_));
  return {};
}

}  // namespace kedge
