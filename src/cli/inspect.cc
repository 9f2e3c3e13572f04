// status, verify, doctor, history and pins: what is there, and whether it is true.
#include <memory>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/layout.h"
#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

void print_status(Session& session, const StatusReport& r) {
  std::string out = "index       " + visible(r.index) + "\ngeneration  " +
                    std::to_string(r.generation) + "  (" + to_seconds(r.committed_at) +
                    ")\nspace       " + (r.space.empty() ? "none yet" : visible(r.space)) +
                    "\nholds       " + format_count(r.chunks) + " chunks in " +
                    plural(r.segments, "segment") + ", " + format_bytes(r.bytes) + "\n";
  if (r.recovered)
    out += "RECOVERED   the head does not parse: this is the newest history body, read-only\n";
  for (const SourceStatus& s : r.sources) {
    out += "\n" + visible(s.uri) + "\n" + scope_lines(s.include, s.exclude) + "  " +
           format_count(s.objects) + " objects = " + format_count(s.indexed) + " indexed + " +
           format_count(s.failed) + " failed + " + format_count(s.skipped) + " skipped + " +
           format_count(s.pending) + " pending\n  synced " +
           (s.synced_at.empty() ? "never" : to_seconds(s.synced_at)) + "\n";
    if (s.withheld_deletes > 0) {
      out += "  " + plural(s.withheld_deletes, "delete") + " withheld: " +
             session.command("sync --approve " + std::to_string(s.withheld_deletes)) + "\n";
    }
    for (const Problem& problem : s.problems)
      out += "  " + visible(problem.key) + ": " + visible(problem.reason) + "\n";
  }
  session.print(out);
}

void print_head(Session& session, const VerifyResult& result) {
  if (!result.head_damaged) return;
  session.print(result.head_repaired
                    ? "the head could not be read: made anew from history and newer files\n"
                    : "the head cannot be read, and the newest history body stands in for it: "
                      "kedge verify --repair makes it anew\n");
  for (const std::string& file : result.recovered)
    session.print("  recovered: " + visible(file) + "\n");
  for (const std::string& file : result.not_recovered)
    session.print("  lost: " + visible(file) + "\n");
}

void print_files(Session& session, const VerifyResult& result) {
  for (const std::string& file : result.mended_files)
    session.print("mended: " + visible(file) + "\n");
  if (!result.segments_let_go.empty()) {
    session.print(plural(result.segments_let_go.size(), "damaged segment") + " let go, with " +
                  plural(result.objects_let_go, "object") + ": " +
                  format_count(result.objects_back) + " of them came back\n");
  }
  for (const LostSegment& lost : result.not_rebuilt) {
    session.print((lost.let_go ? "lost: " : "not mended: ") + visible(lost.file) + ", with " +
                  plural(lost.objects, "object") + ": " + visible(lost.reason) + "\n");
    for (const std::string& key : lost.keys) session.print("  " + visible(key) + "\n");
  }
  for (const std::string& file : result.damaged_files)
    session.print("damaged: " + visible(file) + "\n");
}

// What is to be done about what differs.
std::string advice(Session& session, const VerifyResult& result) {
  if (result.clean()) return "index and source agree\n";
  if (result.damaged_files.empty())
    return "they differ: `" + session.command("sync") + "` heals it\n";
  if (result.not_rebuilt.empty())
    return "files are damaged: `" + session.command("verify --repair") + "` mends them\n";
  return "files are damaged: `" + session.command("verify --repair --drop-lost") +
         "` lets go of what nothing brings back\n";
}

void print_drift(Session& session, const VerifyResult& result) {
  print_head(session, result);
  for (const SourceDrift& d : result.sources) {
    Table table({{.title = "drift"}, {.title = "key", .flexible = true}, {.title = "what"}});
    for (const DriftItem& item : d.items)
      table.add({item.kind, visible(item.key), visible(item.detail)});
    session.print(visible(d.source) + "\n");
    if (!d.error.empty()) {
      session.print("  could not be compared: " + visible(d.error) + "\n");
      continue;
    }
    if (!table.empty())
      session.print(table.render(session.console().out_stream.table_width(), "  "));
    session.print(
        "  " + format_count(d.listed) + " listed, " + format_count(d.indexed) + " in the index: " +
        format_count(d.missing) + " missing, " + format_count(d.changed) + " changed, " +
        format_count(d.gone) + " gone, " + format_count(d.unreadable) + " unreadable" +
        (d.unproven > 0 ? ", " + format_count(d.unproven) + " not proven absent" : std::string()) +
        (d.proven_equal ? "; proven equal by the set hash" : "") + "\n");
  }
  print_files(session, result);
  session.print(advice(session, result));
  session.print(usage_line("requests", result.index_usage, result.source_usage));
}

}  // namespace

Command status_command() {
  auto request = std::make_shared<StatusRequest>();
  Command out;
  out.name = "status";
  out.summary = "what is in the index, and how old it is";
  out.examples = {"kedge status", "kedge status --detail"};
  out.options = {make_switch("detail", "list what is failed and skipped, by key",
                             into(&request->detail), false)};
  out.run = [request](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    const Result<StatusReport> report = (*client)->status(*request);
    if (!report.ok()) return report.error();
    if (session.json()) {
      session.print(json_of(*report));
    } else {
      print_status(session, *report);
    }
    return kExitDone;
  };
  return out;
}

Command verify_command() {
  auto request = std::make_shared<VerifyRequest>();
  Command out;
  out.name = "verify";
  out.summary = "compare index and sources, and list what differs";
  out.details =
      "Ends with 3 if anything differs. --repair reads every file of the index; a segment that is "
      "damaged is let go, and its objects are indexed again from their source, with vectors from "
      "the embedding cache (docs/sync.md).";
  out.examples = {"kedge verify", "kedge verify --full", "kedge verify --repair"};
  out.arguments = {{.name = "SOURCE",
                    .help = "all, if none is named",
                    .least = 0,
                    .most = kMaxArguments,
                    .set = into(&request->sources),
                    .offer = Offer::kFolders}};
  out.options = {
      make_switch("repair", "mend a damaged head and damaged files, sync what differs, look again",
                  into(&request->repair), false),
      make_switch("full", "read every object and every file of the index", into(&request->full),
                  false),
      make_switch("drop-lost",
                  "with --repair: let go of damaged imported vectors, which no source "
                  "brings back",
                  into(&request->drop_lost), false)};
  out.run = [request](Session& session) -> Result<int> {
    Interrupt interrupt([&] { session.progress().message("stopping"); });
    Result<Client*> client = session.client(request->repair ? Access::kWrite : Access::kRead);
    if (!client.ok()) return client.error();
    request->stop = interrupt.token();
    request->progress = [&](const Progress& progress) { session.progress().update(progress); };
    const Result<VerifyResult> result = (*client)->verify(*request);
    session.progress().erase();
    if (!result.ok() && result.code() == Code::kCancelled) return kExitStopped;
    if (!result.ok()) return result.error();
    if (session.json()) {
      session.print(json_of(*result));
    } else {
      print_drift(session, *result);
    }
    return result->clean() ? kExitDone : kExitDiffers;
  };
  return out;
}

namespace {

void print_checks(Session& session, const DoctorReport& report) {
  Table table({{.title = ""}, {.title = "check"}, {.title = "seen", .flexible = true}});
  for (const Check& check : report.checks) {
    table.add({!check.ok       ? "FAILED"
               : check.warning ? "look"
                               : "ok",
               visible(check.name), visible(check.detail)});
  }
  session.print(table.render(session.console().out_stream.table_width()));
}

}  // namespace

Command doctor_command() {
  auto policy = std::make_shared<std::string>();
  Command out;
  out.name = "doctor";
  out.summary = "check store, index, sources, model and machine";
  out.details =
      "On a bucket it shows the credentials, what they permit, and whether the store keeps the "
      "promises that an index stands on (docs/stores.md).";
  out.examples = {"kedge doctor", "kedge doctor --policy search"};
  out.options = {{.name = "policy",
                  .value = "WHO",
                  .help = "print the least policy of AWS for who syncs (default) or searches",
                  .set = into(policy.get()),
                  .choices = {"sync", "search"},
                  .configurable = false,
                  .alone = "sync"}};
  out.run = [policy](Session& session) -> Result<int> {
    Result<Client*> client = session.trying_client();
    if (!client.ok()) return client.error();
    const Result<DoctorReport> report = (*client)->doctor();
    if (!report.ok()) return report.error();
    const std::string& document = *policy == "search" ? report->search_policy : report->policy;
    if (session.json()) {
      session.print(json_of(*report));
    } else if (policy->empty()) {
      print_checks(session, *report);
    } else if (document.empty()) {
      session.note("neither the index nor a source lies on S3: no policy is needed");
    } else {
      session.print(document + "\n");
    }
    return report->ok() ? kExitDone : kExitFailed;
  };
  return out;
}

Command history_command() {
  auto limit = std::make_shared<std::uint64_t>(20);
  Command out;
  out.name = "history";
  out.summary = "the generations that can be searched and rolled back to";
  out.examples = {"kedge history", "kedge history --limit 100"};
  out.options = {{.name = "limit",
                  .value = "N",
                  .help = "how many (default: 20)",
                  .set = number_into(limit.get(), 100'000)}};
  out.run = [limit](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    const Result<std::vector<Generation>> generations = (*client)->history(*limit);
    if (!generations.ok()) return generations.error();
    if (session.json()) {
      session.print(json_of(*generations));
      return kExitDone;
    }
    using Align = Table::Align;
    Table table({{.title = "generation", .align = Align::kRight},
                 {.title = "committed"},
                 {.title = "objects", .align = Align::kRight},
                 {.title = "chunks", .align = Align::kRight},
                 {.title = "size", .align = Align::kRight},
                 {.title = "", .flexible = true}});
    for (const Generation& g : *generations) {
      const std::string mark = g.dropped             ? "dropped"
                               : g.current           ? "current"
                               : g.pinned_by.empty() ? ""
                                                     : "pinned: " + visible(g.pinned_by);
      table.add({std::to_string(g.generation), to_seconds(g.committed_at), format_count(g.objects),
                 format_count(g.chunks), format_bytes(g.bytes), mark});
    }
    session.print(table.render(session.console().out_stream.table_width()));
    return kExitDone;
  };
  return out;
}

Command pin_list_command() {
  Command out;
  out.name = "pin list";
  out.summary = "the pins";
  out.examples = {"kedge pin list"};
  out.run = [](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    const Result<std::vector<PinInfo>> pins = (*client)->pins();
    if (!pins.ok()) return pins.error();
    if (session.json()) {
      session.print(json_of(*pins));
    } else {
      Table table({{.title = "pin", .flexible = true},
                   {.title = "generation", .align = Table::Align::kRight},
                   {.title = "since"}});
      for (const PinInfo& pin : *pins)
        table.add({visible(pin.name), std::to_string(pin.generation), to_seconds(pin.created)});
      if (!table.empty()) session.print(table.render(session.console().out_stream.table_width()));
      if (table.empty()) session.note("there is no pin");
    }
    return kExitDone;
  };
  return out;
}

Command source_list_command() {
  Command out;
  out.name = "source list";
  out.summary = "the sources of the index";
  out.examples = {"kedge source list"};
  out.run = [](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    const Result<StatusReport> report = (*client)->status({});
    if (!report.ok()) return report.error();
    if (session.json()) {
      session.print(json_of(*report));
    } else {
      for (const SourceStatus& source : report->sources) session.print(visible(source.uri) + "\n");
    }
    return kExitDone;
  };
  return out;
}

}  // namespace kedge::cli
