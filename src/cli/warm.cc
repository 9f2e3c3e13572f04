// warm: reads the index ahead of the searches.
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

void print(Session& session, const WarmResult& result, bool dry_run) {
  using Align = Table::Align;
  Table table({{"plane", Align::kLeft},
               {"blocks", Align::kRight},
               {"bytes", Align::kRight},
               {"there", Align::kRight},
               {"left out", Align::kRight}});
  for (const WarmedPlane& plane : result.planes) {
    table.add({plane.name, format_count(plane.blocks), format_bytes(plane.bytes),
               format_bytes(plane.bytes_there), format_bytes(plane.bytes_left_out)});
  }
  session.print(table.render(session.console().out_stream.table_width()));
  session.print((dry_run ? "to read: " : "read: ") + plural(result.blocks_read, "block") + ", " +
                format_bytes(result.bytes_read) + (dry_run ? "" : " in ") +
                (dry_run ? "" : format_seconds(result.seconds)) + "; kept in " +
                visible(result.folder) + "\n");
  session.print(usage_line("requests", result.index_usage, {}));
  if (dry_run) session.print(usage_line("requests of a run", result.forecast, {}));
}

}  // namespace

Command warm_command() {
  auto request = std::make_shared<WarmRequest>();
  Command out;
  out.name = "warm";
  out.summary = "read an index in a bucket into the disk cache";
  out.details =
      "So that the first searches need not wait for the bucket. What searches need most comes "
      "first, until --disk-cache-size is reached; what is there already is not read again.";
  out.examples = {"kedge warm --index s3://bucket/index", "kedge warm --dry-run",
                  "kedge warm --disk-cache /fast/kedge --disk-cache-size 64GiB"};
  out.options = {make_switch("dry-run", "say what would be read, and what it would cost",
                             into(&request->dry_run), false)};
  out.run = [request](Session& session) -> Result<int> {
    Interrupt interrupt([&] { session.progress().message("stopping: what was read is kept"); });
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    request->stop = interrupt.token();
    request->progress = [&](const Progress& progress) { session.progress().update(progress); };
    const Result<WarmResult> result = (*client)->warm(*request);
    session.progress().erase();
    if (!result.ok()) return result.error();
    if (session.json()) {
      session.print(json_of(*result));
    } else {
      print(session, *result, request->dry_run);
    }
    for (const std::string& what : result->unreadable) session.warn("left out: " + visible(what));
    if (result->blocks_lost > 0) {
      session.warn(plural(result->blocks_lost, "block was", "blocks were") +
                   " read, but could not be kept");
    }
    if (result->stopped) return kExitStopped;
    return result->unreadable.empty() && result->blocks_lost == 0 ? kExitDone : kExitDiffers;
  };
  return out;
}

}  // namespace kedge::cli
