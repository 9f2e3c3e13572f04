// gc, rollback, pins, sources and drop: what changes an index without a sync.
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/layout.h"
#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {

namespace {

// The JSON of `gc --dry-run`: one document, whose first member grows key by key, so that a million
// keys are never held.
class KeyList {
 public:
  explicit KeyList(Session& session) : session_(session) {}

  void add(const std::string& key) {
    session_.print((std::exchange(begun_, true) ? ",\n" : "{\"keys\":[\n") + key);
  }
  // Ends the document with the members of this one.
  void finish(const std::string& document) {
    session_.print((begun_ ? "\n]," : "{\"keys\":[],") + document.substr(1));
  }
  [[nodiscard]] bool begun() const { return begun_; }

 private:
  Session& session_;
  bool begun_ = false;
};

}  // namespace

Command gc_command() {
  auto request = std::make_shared<GcRequest>();
  Command out;
  out.name = "gc";
  out.summary = "delete files that no retained generation names";
  out.details =
      "Of a dropped index too: its files go when its generations are not retained any more.";
  out.examples = {"kedge gc --dry-run", "kedge gc"};
  out.options = {make_switch("dry-run",
                             "say for each key whether it goes, and why; with --json as \"keys\"",
                             into(&request->dry_run), false)};
  out.run = [request](Session& session) -> Result<int> {
    Result<Client*> client = session.client(request->dry_run ? Access::kRead : Access::kWrite);
    if (!client.ok()) return client.error();
    KeyList keys(session);
    if (request->dry_run) {
      request->explain = [&](const std::string& key, std::uint64_t size, bool goes,
                             const std::string& why) {
        if (session.json()) return keys.add(json_of_key(key, size, goes, why));
        session.print((goes ? "goes  " : "stays ") + visible(key) + "  " + format_bytes(size) +
                      "  " + why + "\n");
      };
    }
    const Result<GcReport> report = (*client)->gc(*request);
    request->explain = nullptr;
    if (!report.ok() && !keys.begun()) return report.error();
    if (!report.ok()) {
      keys.finish(json_of(report.error(), ""));
      report_error(session.console(), false, report.error(), "");
      return kExitFailed;
    }
    if (session.json() && request->dry_run) {
      keys.finish(json_of(*report));
    } else if (session.json()) {
      session.print(json_of(*report));
    } else {
      session.print(format_count(report->removed) +
                    (request->dry_run ? " would go (" : " removed (") +
                    format_bytes(report->removed_bytes) + "), " + format_count(report->kept) +
                    " kept, " + format_count(report->young) + " too young, " +
                    format_count(report->foreign) + " of the cache or of others\n");
      const std::uint64_t left = report->versions + report->markers + report->uploads;
      if (left > 0) {
        session.print(std::string(request->dry_run ? "would sweep " : "swept ") +
                      plural(report->versions, "old version") + " (" +
                      format_bytes(report->version_bytes) + "), " +
                      plural(report->markers, "delete marker") + ", " +
                      plural(report->uploads, "unfinished upload") + "\n");
      }
      session.print(usage_line("requests", report->index_usage, {}));
      if (report->held) {
        session.print(
            "the index was dropped: what it named goes with its generations, when they "
            "are not retained any more (kedge history)\n");
      } else if (report->dropped) {
        session.print(
            "the index was dropped: its head stays, so that no late writer can bring it "
            "back, and the embedding cache, if it is in it, for the next index here\n");
      }
    }
    if (!report->stopped.empty()) session.warn("ended early: " + report->stopped);
    if (!report->not_swept.empty()) session.warn("not swept: " + report->not_swept);
    return kExitDone;
  };
  return out;
}

Command rollback_command() {
  auto generation = std::make_shared<std::uint64_t>(0);
  Command out;
  out.name = "rollback";
  out.summary = "a new generation with the contents of an old one";
  out.examples = {"kedge rollback 41"};
  out.arguments = {{.name = "GENERATION",
                    .help = "from kedge history",
                    .set = number_into(generation.get(), UINT64_MAX)}};
  out.run = [generation](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    const Result<Generation> made = (*client)->rollback(*generation);
    if (!made.ok()) return made.error();
    if (session.json()) {
      session.print(json_of(std::vector<Generation>{*made}));
    } else {
      session.print("generation " + std::to_string(made->generation) + " has the contents of " +
                    std::to_string(*generation) + "\n");
    }
    return kExitDone;
  };
  return out;
}

Command pin_add_command() {
  auto names = std::make_shared<std::vector<std::string>>();
  Command out;
  out.name = "pin add";
  out.summary = "hold a generation against retention";
  out.examples = {"kedge pin add release-7", "kedge pin add before-migration 41"};
  out.arguments = {{.name = "NAME",
                    .help = "the pin, and the generation (default: the current)",
                    .least = 1,
                    .most = 2,
                    .set = into(names.get())}};
  out.run = [names](Session& session) -> Result<int> {
    std::optional<std::uint64_t> generation;
    if (names->size() == 2) {
      const Result<std::uint64_t> number = parse_number((*names)[1], UINT64_MAX);
      if (!number.ok()) return number.error();
      generation = *number;
    }
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    const Result<PinInfo> pin = (*client)->add_pin(names->front(), generation);
    if (!pin.ok()) return pin.error();
    if (session.json()) {
      session.print(json_of(std::vector<PinInfo>{*pin}));
    } else {
      session.print(visible(pin->name) + " holds generation " + std::to_string(pin->generation) +
                    "\n");
    }
    return kExitDone;
  };
  return out;
}

Command pin_remove_command() {
  auto name = std::make_shared<std::string>();
  Command out;
  out.name = "pin remove";
  out.summary = "let a pinned generation go";
  out.examples = {"kedge pin remove release-7"};
  out.arguments = {{.name = "NAME", .help = "the pin", .set = into(name.get())}};
  out.run = [name](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    const Result<void> removed = (*client)->remove_pin(*name);
    if (!removed.ok()) return removed.error();
    return kExitDone;
  };
  return out;
}

Command source_remove_command() {
  auto uri = std::make_shared<std::string>();
  Command out;
  out.name = "source remove";
  out.summary = "take a source and all its objects out of the index";
  out.examples = {"kedge source remove file:///data/docs/"};
  out.arguments = {{.name = "URI", .help = "from kedge source list", .set = into(uri.get())}};
  out.run = [uri](Session& session) -> Result<int> {
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    const Result<std::uint64_t> removed = (*client)->remove_source(*uri);
    if (!removed.ok()) return removed.error();
    session.note(plural(*removed, "object") + " went");
    return kExitDone;
  };
  return out;
}

Command drop_command() {
  auto yes = std::make_shared<bool>(false);
  Command out;
  out.name = "drop";
  out.summary = "end the index; its sources are not touched";
  out.examples = {"kedge drop --index ./docs/.kedge --yes"};
  out.options = {make_switch("yes", "do not ask", into(yes.get()), false)};
  out.run = [yes](Session& session) -> Result<int> {
    const Result<std::string> index = session.index(Access::kWrite);
    if (!index.ok()) return index.error();
    if (!*yes) {
      if (!session.console().in_terminal)
        return session.usage_error("drop needs --yes where nobody can be asked");
      session.console().err("drop the index " + visible(*index) + "? [y/N] ");
      const std::string answer = session.console().read_line();
      if (answer != "y" && answer != "yes") return kExitFailed;
    }
    Result<Client*> client = session.client(Access::kWrite);
    if (!client.ok()) return client.error();
    const Result<void> dropped = (*client)->drop();
    if (!dropped.ok()) return dropped.error();
    session.note(
        "dropped; `kedge rollback` brings it back while `kedge history` lists it, and "
        "`kedge gc` deletes its files after that");
    return kExitDone;
  };
  return out;
}

Command version_command() {
  auto json = std::make_shared<bool>(false);
  Command out;
  out.name = "version";
  out.summary = "the version";
  out.examples = {"kedge version"};
  out.options = {make_switch("json", "print JSON", into(json.get()), false)};
  out.opens_index = false;
  out.run = [json](Session& session) -> Result<int> {
    const std::string number(version());
    session.print(*json ? "{\"version\":\"" + number + "\"}\n" : "kedge " + number + "\n");
    return kExitDone;
  };
  return out;
}

}  // namespace kedge::cli
