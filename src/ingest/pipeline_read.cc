// The reading half of the pipeline: batches of objects, told by their first bytes, read whole.
#include <algorithm>
#include <utility>

#include "base/allocation.h"
#include "base/memory.h"
#include "base/strings.h"
#include "ingest/object_tags.h"
#include "ingest/pipeline.h"
#include "ingest/sidecar.h"

namespace kedge {

Status Pipeline::read_batch() {
  std::vector<Todo> batch = std::exchange(batch_, {});
  batch_bytes_ = 0;
  if (batch.empty()) return {};
  // Of the objects before and of a merge: what is to come is of other sizes.
  release_free_memory();
  if (giving_up()) {
    for (const Todo& todo : batch) pending(todo, stopped() ? "stopped" : "the model fails");
    return {};
  }
  KEDGE_TRY(probe(batch));
  KEDGE_TRY(read_sidecars(batch));
  return take_blobs(batch);
}

// What lies beside the objects of the batch now, which may be newer than what was listed: the row
// says which version it was. One that cannot be understood is named, and its object is indexed
// without; one that cannot be read leaves its object for the next run, with what is indexed of it.
Status Pipeline::read_sidecars(std::vector<Todo>& batch) {
  std::vector<ReadRequest> reads;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].listed.sidecar.empty()) continue;
    of.push_back(i);
    reads.push_back({.key = str_cat(batch[i].listed.key, kSidecarSuffix),
                     .offset = 0,
                     .length = kMaxSidecarBytes + 1,
                     .if_match = {},
                     .version_id = {}});
  }
  if (reads.empty()) return {};
  const std::vector<Result<Blob>> blobs = environment_.source.read(reads, deadline_);
  std::vector<Todo> kept;
  std::vector<bool> out(batch.size(), false);
  for (std::size_t i = 0; i < of.size(); ++i) {
    Todo& todo = batch[of[i]];
    if (!blobs[i].ok()) {
      if (blobs[i].code() == Code::kNotFound) {
        todo.listed.sidecar.clear();
        continue;
      }
      out[of[i]] = true;
      pending(todo, str_cat("its sidecar: ", blobs[i].error().message));
      continue;
    }
    todo.listed.sidecar = sidecar_version(blobs[i]->info);
    todo.sidecar_racy = blobs[i]->info.racy;
    Result<Metadata> parsed = parse_sidecar(blobs[i]->body);
    if (parsed.ok()) {
      todo.sidecar = *std::move(parsed);
    } else if (is_memory_error(parsed.error())) {
      out[of[i]] = true;
      pending(todo, str_cat("its sidecar: ", parsed.error().message));
    } else {
      count_problem(reads[i].key, "sidecar left out: " + parsed.error().message);
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!out[i]) kept.push_back(std::move(batch[i]));
  }
  batch = std::move(kept);
  return {};
}

// A video is told by its first bytes, not by reading all of it. Takes what is skipped out of the
// batch.
Status Pipeline::probe(std::vector<Todo>& batch) {
  std::vector<ReadRequest> reads;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].listed.size <= kProbeAbove) continue;
    of.push_back(i);
    reads.push_back({.key = batch[i].listed.key,
                     .offset = 0,
                     .length = kProbeBytes,
                     .if_match = batch[i].listed.tag,
                     .version_id = {}});
  }
  if (reads.empty()) return {};
  const std::vector<Result<Blob>> blobs = environment_.source.read(reads, deadline_);
  std::vector<bool> out(batch.size(), false);
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (!blobs[i].ok()) continue;  // the whole read says what is wrong
    now_ = blobs[i]->store_time;
    const Todo& todo = batch[of[i]];
    const std::string_view media_type = blobs[i]->info.media_type;
    const TypeDecision decision = decide_type({todo.listed.key, media_type}, blobs[i]->body);
    if (decision.readable) continue;
    out[of[i]] = true;
    KEDGE_TRY(record(todo, ObjectStatus::kSkipped, decision.reason, false));
  }
  std::vector<Todo> kept;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!out[i]) kept.push_back(std::move(batch[i]));
  }
  batch = std::move(kept);
  return {};
}

Status Pipeline::take_blobs(std::vector<Todo>& batch) {
  std::vector<ReadRequest> reads;
  for (const Todo& todo : batch) {
    reads.push_back({.key = todo.listed.key,
                     .offset = 0,
                     .length = {},
                     .if_match = todo.listed.tag,
                     .version_id = {}});
  }
  std::vector<Result<Blob>> blobs = environment_.source.read(reads, deadline_);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!blobs[i].ok() && blobs[i].code() == Code::kConflict) blobs[i] = read_changed(reads[i]);
    if (blobs[i].ok()) {
      now_ = std::max(now_, blobs[i]->store_time);
      ++report_.objects_read;
      report_.bytes_read += blobs[i]->body.size();
    }
  }
  if (tags_) KEDGE_TRY(read_tags(batch, blobs));
  std::vector<Result<Prepared>> prepared(batch.size(),
                                         Result<Prepared>(Code::kInternal, "not prepared"));
  environment_.executor.parallel_for(
      batch.size(), [&](std::size_t i) { prepare(batch[i], blobs[i], prepared[i]); });
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!blobs[i].ok()) KEDGE_TRY(settle_read_error(batch[i], blobs[i].error()));
  }
  std::vector<Todo> read;
  std::vector<Result<Prepared>> of_read;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!blobs[i].ok()) continue;
    read.push_back(std::move(batch[i]));
    of_read.push_back(std::move(prepared[i]));
  }
  blobs.clear();
  return take_prepared(of_read, read);
}

// Of objects that were read, after that: an object written in between is listed as changed next
// time, and its tags are read again; read before it, they would stay those of the version before.
Status Pipeline::read_tags(std::vector<Todo>& batch, std::vector<Result<Blob>>& blobs) {
  std::vector<std::string> asked;
  std::vector<std::size_t> of;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!blobs[i].ok()) continue;
    of.push_back(i);
    asked.push_back(batch[i].listed.key);
  }
  if (asked.empty()) return {};
  const std::vector<Result<ObjectTags>> found = environment_.source.tags(asked, deadline_);
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (!found[i].ok()) {
      KEDGE_TRY(check_tags_error(found[i].error()));
      blobs[of[i]] = found[i].error();
      continue;
    }
    batch[of[i]].tags = texts_as_metadata(*found[i]);
    batch[of[i]].tags_version = tags_version(*found[i]);
  }
  return {};
}

// Changed between LIST and GET: what is there now, with the tag that came with its bytes, unless it
// has grown past the bound.
Result<Blob> Pipeline::read_changed(ReadRequest request) {
  const Stat now = KEDGE_TRY(stat_one(environment_.source, request.key, deadline_));
  if (now.info.size > recipe_.max_object_bytes)
    return Error{Code::kExhausted, str_cat("grew beyond max-object-size (", now.info.size, " > ",
                                           recipe_.max_object_bytes, " bytes)")};
  request.if_match = now.info.tag;
  return read_one(environment_.source, request, deadline_);
}

Status Pipeline::settle_read_error(const Todo& todo, const Error& error) {
  if (error.code == Code::kNotFound) {
    ++report_.vanished;
    ++progress_.done;
    if (todo.live) return gone_.add(todo.listed);
    return {};
  }
  if (error.code == Code::kArchived)
    return record(todo, ObjectStatus::kSkipped, archived_reason(todo.listed), false);
  if (error.code == Code::kUnavailable || error.code == Code::kExpired ||
      error.code == Code::kConflict) {
    pending(todo, error.message);
    return {};
  }
  return settle_failure(todo, error);
}

}  // namespace kedge
