#include "api/operations.h"
#include "base/strings.h"
#include "store/disk_cache.h"

namespace kedge {
namespace {

Error no_cache(const Session& session) {
  const std::string& index = session.options().index;
  if (!index.starts_with("s3://")) {
    return {Code::kUnsupported, str_cat("the index ", printable(index),
                                        " lies on this machine: there is nothing to bring nearer")};
  }
  return {Code::kUnsupported, "the disk cache is off, or its folder cannot be used (--disk-cache)"};
}

}  // namespace

Result<WarmResult> run_warm(Session& session, const WarmRequest& request) {
  const StoreUsage before = session.index_usage();
  const double began = session.seconds();
  const SnapshotPtr snapshot = KEDGE_TRY(session.latest());
  DiskCache* disk = KEDGE_TRY(session.disk_cache());
  if (disk == nullptr) return no_cache(session);
  WarmOptions options;
  options.dry_run = request.dry_run;
  options.stop = request.stop;
  if (request.progress) {
    options.progress = [&](std::uint64_t done, std::uint64_t all) {
      Progress progress;
      progress.phase = "warming";
      progress.bytes_done = done;
      progress.bytes = all;
      request.progress(progress);
    };
  }
  Index* index = KEDGE_TRY(session.index(false));
  WarmReport report = KEDGE_TRY(index->warm(snapshot, options, session.deadline()));
  WarmResult out;
  out.folder = disk->describe();
  out.generation = snapshot->generation();
  for (WarmPlane& plane : report.planes) {
    out.planes.push_back({.name = std::move(plane.name),
                          .blocks = plane.blocks,
                          .bytes = plane.bytes,
                          .blocks_there = plane.blocks_there,
                          .bytes_there = plane.bytes_there,
                          .blocks_left_out = plane.blocks_left_out,
                          .bytes_left_out = plane.bytes_left_out});
  }
  out.blocks_read = report.blocks_read;
  out.bytes_read = report.bytes_read;
  out.blocks_lost = report.blocks_lost;
  out.unreadable = std::move(report.unreadable);
  out.index_usage = difference(session.index_usage(), before);
  if (request.dry_run) {
    out.forecast = out.index_usage;
    out.forecast.reads += report.requests;
    out.forecast.bytes_in += report.request_bytes;
    out.forecast.cost_usd = out.forecast.billed ? cost_of(out.forecast) : 0;
  }
  out.seconds = session.seconds() - began;
  out.stopped = report.stopped;
  return out;
}

}  // namespace kedge
