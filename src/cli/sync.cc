#include <memory>

#include "cli/commands.h"
#include "cli/find_index.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/layout.h"
#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

struct Flags {
  SyncRequest request;
  bool detail = false;
};

constexpr std::size_t kShownProblems = 5;

void print_counts(Session& session, const SyncCounts& c, bool dry_run, bool detail) {
  std::string out = visible(c.source) + "\n" + scope_lines(c.include, c.exclude) + "  " +
                    format_count(c.listed) + " listed = " + format_count(c.indexed) +
                    " indexed + " + format_count(c.failed) + " failed + " +
                    format_count(c.skipped) + " skipped + " + format_count(c.pending) +
                    " pending + " + format_count(c.vanished) + " vanished\n";
  if (c.proven_unchanged) {
    out += "  nothing changed: proven by the set hash, no object was read\n";
  } else {
    out += "  " + format_count(c.added) + " added, " + format_count(c.changed) + " changed, " +
           format_count(c.rewritten) + " rewritten with the same bytes, " +
           format_count(c.unchanged) + " unchanged, " + format_count(c.deleted) + " deleted\n";
    out += "  " + format_count(c.chunks) + " chunks: " + format_count(c.chunks_embedded) +
           (dry_run ? " to embed (" : " embedded (") + format_count(c.tokens) + " tokens), " +
           format_count(c.chunks_from_cache) + " from the cache\n";
  }
  if (c.sidecars + c.sidecars_alone > 0) {
    out += "  " + plural(c.sidecars, "sidecar") + " read as metadata";
    if (c.sidecars_alone > 0)
      out += "; " + format_count(c.sidecars_alone) + " left out, beside nothing that is listed";
    out += "\n";
  }
  if (!dry_run) {
    out += "  " + format_seconds(c.seconds);
    if (c.model_seconds > 0 && c.seconds > 0) {
      out += ", " + format_count(static_cast<std::uint64_t>(100 * c.model_seconds / c.seconds)) +
             " % of it in the model";
    }
    out +=
        ", " + plural(c.commits, "commit") + ", generation " + std::to_string(c.generation) + "\n";
  }
  if (c.withheld > 0) {
    out += "  " + plural(c.withheld, "delete is", "deletes are") +
           " withheld, because so much of the source is gone. Look, then run\n  " +
           session.command("sync --approve " + std::to_string(c.withheld)) + "\n";
  }
  if (c.unproven > 0)
    out += "  " + format_count(c.unproven) + " not listed, but not proven absent either: kept\n";
  const std::size_t shown =
      detail ? c.problems.size() : std::min(c.problems.size(), kShownProblems);
  for (std::size_t i = 0; i < shown; ++i) {
    out += "  " + visible(c.problems[i].key) + ": " + visible(c.problems[i].reason) + "\n";
  }
  if (shown < c.problems.size()) {
    out +=
        "  ... and " + format_count(c.problems.size() - shown) + " more: kedge status --detail\n";
  }
  session.print(out);
}

Result<int> run(Session& session, Flags& flags) {
  std::string index = session.settings().index;
  if (index.empty() && flags.request.sources.empty()) {
    Result<std::string> found = session.index(Access::kWrite);
    if (!found.ok()) return found.error();
    index = *found;
  } else if (index.empty()) {
    Result<std::string> made = default_index(session.environment(), flags.request.sources);
    if (!made.ok()) return made.error();
    index = *made;
  }
  Interrupt interrupt(
      [&] { session.progress().message("stopping: what is finished is committed first"); });
  Result<Client*> client = session.creating_client(index);
  if (!client.ok()) return client.error();
  flags.request.stop = interrupt.token();
  flags.request.progress = [&](const Progress& progress) { session.progress().update(progress); };
  const Result<SyncResult> result = (*client)->sync(flags.request);
  session.progress().erase();
  if (!result.ok()) {
    if (result.code() != Code::kCancelled) return result.error();
    session.warn("stopped before anything was to be committed; run the same command to go on");
    return kExitStopped;
  }
  if (!flags.request.dry_run) {
    const Status remembered =
        remember_index(session.environment(), absolute_index(session.environment(), index));
    if (!remembered.ok()) session.warn(remembered.error().message);
  }
  bool differs = false;
  for (const SyncCounts& counts : result->sources) {
    differs = differs || counts.withheld > 0 || counts.unproven > 0 || counts.pending > 0;
    if (!session.json() && !session.settings().quiet)
      print_counts(session, counts, flags.request.dry_run, flags.detail);
  }
  if (session.json()) session.print(json_of(*result));
  if (!session.json() && !session.settings().quiet)
    session.print(usage_line("  requests", result->index_usage, result->source_usage));
  if (flags.request.dry_run && !session.json()) {
    session.print("  nothing was written; embedding would take about " +
                  format_seconds(result->estimated_seconds) + "\n" +
                  usage_line("  requests of a run", result->forecast, {}));
  }
  if (result->stopped) {
    session.warn("stopped; what is finished is committed. Run the same command to go on");
    return kExitStopped;
  }
  return differs ? kExitDiffers : kExitDone;
}

}  // namespace

Command sync_command() {
  auto flags = std::make_shared<Flags>();
  SyncRequest& r = flags->request;
  Command out;
  out.name = "sync";
  out.summary = "make the index equal to its sources";
  out.details =
      "Lists each source, reads what is new or changed, embeds it and commits. Without SOURCE, "
      "every source of "
      "the index. A file is synced as an object of its folder, without the rest of it. The index "
      "of "
      "a local source is .kedge in it, unless --index names another.";
  out.examples = {"kedge sync ./docs", "kedge sync notes.md todo.md",
                  "kedge sync ./docs --include '*.md' --dry-run", "kedge sync --approve 120"};
  out.arguments = {{.name = "SOURCE",
                    .help = "folder, file or URL",
                    .least = 0,
                    .most = kMaxArguments,
                    .set = into(&r.sources),
                    .offer = Offer::kFiles}};
  out.options = {
      {.name = "include",
       .value = "GLOB",
       .help = "only keys that match",
       .set = into(&r.include),
       .repeats = true},
      {.name = "exclude",
       .value = "GLOB",
       .help = "no keys that match",
       .set = into(&r.exclude),
       .repeats = true},
      make_switch("hidden", "hidden files too", into(&r.hidden, true)),
      make_switch("no-gitignore", "what .gitignore names too", into(&r.gitignore, false)),
      make_switch("sidecars", "NAME.metadata.json is the metadata of NAME (=false: no longer)",
                  into(&r.sidecars, true)),
      make_switch("tags", "the tags of objects are metadata, too (=false: no longer)",
                  into(&r.tags, true)),
      {.name = "max-object-size",
       .value = "SIZE",
       .help = "skip larger objects (default: 64MiB)",
       .set = size_into(&r.max_object_bytes)},
      {.name = "approve",
       .value = "N",
       .help = "let exactly N withheld deletes go",
       .set = number_into(&r.approve_deletes, UINT64_MAX),
       .configurable = false},
      make_switch("dry-run", "say what it would do and cost", into(&r.dry_run), false),
      make_switch("full", "compare every object, also where nothing changed", into(&r.full), false),
      make_switch("refresh-tags", "look for tags that changed, a request an object",
                  into(&r.refresh_tags), false),
      make_switch("detail", "list every problem", into(&flags->detail), false),
  };
  out.run = [flags](Session& session) { return run(session, *flags); };
  return out;
}

}  // namespace kedge::cli
