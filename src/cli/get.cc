#include <fstream>
#include <memory>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/session.h"
#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

struct Flags {
  std::vector<std::string> names;
  std::optional<std::uint64_t> chunk;
  std::string output;
  bool as_indexed = false;
  double presign_seconds = 0;
};

constexpr std::size_t kMaxInput = std::size_t{64} << 20;

// One argument: the JSON of a reference, or a key or uri that the index knows.
Result<GetRequest> request_of(Client& client, const std::string& name,
                              std::optional<std::uint64_t> chunk) {
  GetRequest out;
  out.whole_object = !chunk;
  if (name.starts_with('{')) {
    Result<Reference> reference = reference_from_json(name);
    if (!reference.ok()) return reference.error();
    out.reference = std::move(reference).value();
    return out;
  }
  const auto number =
      chunk ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(*chunk)) : std::nullopt;
  Result<Reference> reference = client.resolve(name, number);
  if (!reference.ok()) return reference.error();
  out.reference = std::move(reference).value();
  return out;
}

Result<std::vector<std::string>> expand(Session& session, const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    if (name != "-") {
      out.push_back(name);
      continue;
    }
    const Result<std::string> input = session.console().read_all(kMaxInput);
    if (!input.ok()) return input.error();
    for (std::size_t at = 0; at < input->size();) {
      const std::size_t end = std::min(input->find('\n', at), input->size());
      if (end > at) out.push_back(input->substr(at, end - at));
      at = end + 1;
    }
  }
  return out;
}

Result<int> deliver(Session& session, const Flags& flags, const GetRequest& request,
                    const GetOutcome& outcome) {
  const std::string name = visible(request.reference.uri);
  if (outcome.status != GetStatus::kOk) {
    session.warn(name + ": " + get_status_name(outcome.status) +
                 (outcome.detail.empty() ? "" : " (" + visible(outcome.detail) + ")"));
    if (outcome.version_readable.value_or(false))
      session.note("--as-indexed reads the version that was indexed");
    const bool differs =
        outcome.status == GetStatus::kChanged || outcome.status == GetStatus::kGone;
    return differs ? kExitDiffers : kExitFailed;
  }
  if (!outcome.link.empty()) {
    if (!session.json()) session.print(outcome.link + "\n");
    return kExitDone;
  }
  if (!flags.output.empty()) {
    std::ofstream file(flags.output, std::ios::binary);
    file << outcome.bytes;
    file.close();
    if (!file) return Error{Code::kExhausted, "cannot write " + flags.output};
    return kExitDone;
  }
  if (session.json()) return kExitDone;
  if (session.console().out_stream.terminal && !is_plain_text(outcome.bytes)) {
    return Error{Code::kInvalid,
                 name + " is binary: it is not written to a terminal, name a file with -o"};
  }
  session.print(outcome.bytes);
  return kExitDone;
}

Result<int> run(Session& session, const Flags& flags) {
  Result<Client*> client = session.client(Access::kRead);
  if (!client.ok()) return client.error();
  const Result<std::vector<std::string>> names = expand(session, flags.names);
  if (!names.ok()) return names.error();
  if (!flags.output.empty() && names->size() != 1)
    return session.usage_error("-o takes one reference");
  if (!flags.output.empty() && flags.presign_seconds > 0)
    return session.usage_error("--presign prints links: there is nothing to write with -o");
  std::vector<GetRequest> requests;
  for (const std::string& name : *names) {
    Result<GetRequest> request = request_of(**client, name, flags.chunk);
    if (!request.ok()) return request.error();
    request->as_indexed = flags.as_indexed;
    request->presign_seconds = flags.presign_seconds;
    requests.push_back(std::move(request).value());
  }
  const Result<std::vector<GetOutcome>> outcomes = (*client)->get(requests);
  if (!outcomes.ok()) return outcomes.error();
  if (session.json()) session.print(json_of(requests, *outcomes));
  int code = kExitDone;
  for (std::size_t i = 0; i < outcomes->size(); ++i) {
    const Result<int> one = deliver(session, flags, requests[i], (*outcomes)[i]);
    if (!one.ok()) return one.error();
    if (*one == kExitFailed || code == kExitDone) code = *one;
  }
  return code;
}

}  // namespace

Command get_command() {
  auto flags = std::make_shared<Flags>();
  Command out;
  out.name = "get";
  out.summary = "the raw bytes of a reference, if they are still what was indexed";
  out.details =
      "REF is a key, a uri, the JSON of a reference (kedge search --json), or - for one a line of "
      "standard "
      "input. Ends with 0 for ok, 3 for changed or gone, 1 otherwise.";
  out.examples = {
      "kedge get handbook/leave.md", "kedge get handbook/leave.md --chunk 2 -o leave.txt",
      "kedge get handbook/leave.md --as-indexed", "kedge get handbook/leave.md --presign 15m"};
  out.arguments = {
      {.name = "REF", .help = "what to get", .most = kMaxArguments, .set = into(&flags->names)}};
  out.options = {{.name = "chunk",
                  .value = "N",
                  .help = "one chunk of the object, from 0",
                  .set = number_into(&flags->chunk, UINT32_MAX),
                  .configurable = false},
                 {.name = "output",
                  .value = "FILE",
                  .help = "write there",
                  .set = into(&flags->output),
                  .configurable = false,
                  .letters = "o",
                  .offer = Offer::kFiles},
                 make_switch("as-indexed",
                             "the version that was indexed, though another is current (of sources "
                             "that keep versions)",
                             into(&flags->as_indexed), false),
                 presign_option(&flags->presign_seconds)};
  out.run = [flags](Session& session) { return run(session, *flags); };
  return out;
}

}  // namespace kedge::cli
