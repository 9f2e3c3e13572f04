#include <memory>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/layout.h"
#include "cli/session.h"
#include "cli/terminal_text.h"
#include "cli/units.h"

namespace kedge::cli {
namespace {

struct Flags {
  std::vector<std::string> words;
  std::string mode = "dense", group = "object", snippets = "source", verify, vector;
  SimilarQuery similar;
  ResultOptions options;
  std::uint64_t k = 10;
  bool explain = false;
};

std::string coloured_proof(const SearchHit& hit, bool colour) {
  const bool good = hit.proof == Proof::kVerified;
  std::string out;
  out += good ? green(colour) : yellow(colour);
  out += proof_name(hit.proof);
  out += plain(colour);
  // That there is no such object says it all.
  if (!hit.proof_detail.empty() && hit.proof != Proof::kGone)
    out += " (" + visible(hit.proof_detail) + ")";
  return out;
}

void print_hits(Session& session, const SearchResponse& response) {
  const Stream& stream = session.console().out_stream;
  const Marks marks =
      stream.colour ? Marks{std::string(bold(true)), std::string(plain(true))} : Marks{"«", "»"};
  std::size_t rank = 0;
  for (const SearchHit& hit : response.hits) {
    std::string out = std::to_string(++rank) + ".  " + format_decimal(hit.score, 3) + "  ";
    out += std::string(bold(stream.colour)) + visible(hit.reference.key) +
           std::string(plain(stream.colour));
    const std::string place = hit.reference.locator.describe();
    out += (place.empty() ? "" : "  " + visible(place)) + "  " +
           coloured_proof(hit, stream.colour) + "\n";
    for (const std::string& text :
         excerpt(hit.snippet, hit.best_sentence, stream.width - 5, 3, marks)) {
      out += "    " + text + "\n";
    }
    if (!hit.link.empty()) out += "    " + visible(hit.link) + "\n";
    session.print(hit.snippet.empty() ? out : out + "\n");
  }
  if (response.hits.empty()) session.print("nothing found\n");
}

std::string disk_and_hedges(const Explain& e) {
  std::string out;
  if (e.disk_blocks > 0) {
    out =
        "disk cache: " + plural(e.disk_blocks, "block") + ", " + format_bytes(e.disk_bytes) + "\n";
  }
  if (e.hedges > 0) out += "hedges: " + plural(e.hedges, "request") + " sent twice\n";
  return out;
}

void print_explain(Session& session, const Explain& e) {
  session.print(
      "rounds: " + std::to_string(e.rounds_index) + " to open, " + std::to_string(e.rounds_search) +
      " to search, " + std::to_string(e.rounds_source) + " for snippets; " +
      plural(e.requests, "request") + ", " + format_bytes(e.bytes) + ", " +
      plural(e.segments, "segment") + ", " + plural(e.rows, "row") + " (" + e.simd + ")\n" +
      disk_and_hedges(e) + "time: open " + format_seconds(e.open_seconds) + ", model " +
      format_seconds(e.model_load_seconds) + " + " + format_seconds(e.embed_seconds) + ", search " +
      format_seconds(e.search_seconds) + ", snippets " + format_seconds(e.snippet_seconds) + "\n" +
      usage_line("requests", e.index_usage, e.source_usage));
}

Result<int> finish(Session& session, const Result<SearchResponse>& response, const Flags& flags) {
  if (!response.ok()) return response.error();
  if (session.json()) {
    session.print(json_of(*response));
  } else {
    print_hits(session, *response);
    if (flags.explain) print_explain(session, response->explain);
  }
  for (const std::string& name : response->unreadable) session.warn("left out: " + visible(name));
  return response->partial ? kExitDiffers : kExitDone;
}

void fill(Flags& flags) {
  ResultOptions& o = flags.options;
  o.k = flags.k;
  o.group = flags.group == "chunk" ? Group::kChunk : Group::kObject;
  o.snippets = flags.snippets == "none" ? Snippets::kNone : Snippets::kSource;
  o.verify_head = flags.verify == "head";
}

std::vector<Option> result_options(Flags& f) {
  ResultOptions& o = f.options;
  return {
      {.name = "results",
       .value = "N",
       .help = "how many results (default: 10)",
       .set = number_into(&f.k, 10'000),
       .letters = "k"},
      {.name = "group",
       .value = "BY",
       .help = "the best chunk of each object (default), or chunks",
       .set = into(&f.group),
       .choices = {"object", "chunk"}},
      {.name = "source", .value = "URI", .help = "only this source", .set = into(&o.source)},
      {.name = "prefix", .value = "KEY", .help = "only keys that begin so", .set = into(&o.prefix)},
      {.name = "filter",
       .value = "FILTER",
       .help = "only objects of which it holds: 'year >= 2020 and team = \"core\"', or JSON",
       .set = into(&o.filter)},
      {.name = "snippets",
       .value = "FROM",
       .help = "read from the object, which proves it (default), or none",
       .set = into(&f.snippets),
       .choices = {"source", "none"}},
      {.name = "verify",
       .value = "HOW",
       .help = "prove without snippets, by asking for the object's version",
       .set = into(&f.verify),
       .choices = {"head"}},
      make_switch("fetch", "the raw bytes of each chunk too (--json)", into(&o.fetch), false),
      {.name = "context",
       .value = "N",
       .help = "neighbouring chunks on each side",
       .set = number_into(&o.context)},
      presign_option(&o.presign_seconds),
      make_switch("all", "equal chunks each, not once", into(&o.all)),
      {.name = "recall",
       .value = "SHARE",
       .help = "of the nearest, how many are wanted on average (default: 0.95)",
       .set = share_into(&o.recall)},
      make_switch("exact", "compare every vector", into(&o.exact)),
      {.name = "generation",
       .value = "N",
       .help = "search a retained generation",
       .set = number_into(&o.generation, UINT64_MAX),
       .configurable = false},
      make_switch("partial", "go on without parts that cannot be read", into(&o.allow_partial)),
      make_switch("explain", "print rounds, requests, bytes and times", into(&f.explain), false),
  };
}

}  // namespace

Command search_command() {
  auto flags = std::make_shared<Flags>();
  Command out;
  out.name = "search";
  out.summary = "find objects by meaning";
  out.details =
      "Prints references: object, version, bytes. The snippet is read from the object itself, "
      "which proves that "
      "the reference is still true.";
  out.examples = {
      "kedge search 'how do I reset the bilge pump'", "kedge search 'refund policy' -k 3 --json",
      "kedge search 'refund policy' --filter 'year >= 2020 and lang in (\"de\", \"en\")'",
      "kedge search --vector question.npy --recall 0.99"};
  out.arguments = {{.name = "WORDS",
                    .help = "the question",
                    .least = 0,
                    .most = kMaxArguments,
                    .set = into(&flags->words)}};
  out.options = result_options(*flags);
  out.options.push_back({.name = "mode",
                         .value = "MODE",
                         .help = "how to search (default: dense)",
                         .set = into(&flags->mode),
                         .choices = {"dense"}});
  out.options.push_back({.name = "vector",
                         .value = "VECTOR",
                         .help = "instead of words: a JSON array, or a file of vectors (its first)",
                         .set = into(&flags->vector),
                         .configurable = false,
                         .offer = Offer::kFiles});
  out.run = [flags](Session& session) -> Result<int> {
    fill(*flags);
    if (flags->words.empty() == flags->vector.empty())
      return session.usage_error("search takes words or --vector, one of them");
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    SearchQuery query;
    if (!flags->vector.empty()) {
      Result<std::vector<float>> vector = read_vector(flags->vector);
      if (!vector.ok()) return vector.error();
      query.vector = *std::move(vector);
    }
    for (const std::string& word : flags->words)
      query.text += (query.text.empty() ? "" : " ") + word;
    query.mode = flags->mode;
    query.options = flags->options;
    return finish(session, (*client)->search(query), *flags);
  };
  return out;
}

Command similar_command() {
  auto flags = std::make_shared<Flags>();
  Command out;
  out.name = "similar";
  out.summary = "find objects like some, and unlike others";
  out.examples = {"kedge similar products/buoy.html", "kedge similar a.md b.md --not c.md"};
  out.arguments = {{.name = "KEY",
                    .help = "liked objects",
                    .most = kMaxArguments,
                    .set = into(&flags->similar.like)}};
  out.options = result_options(*flags);
  out.options.push_back({.name = "not",
                         .value = "KEY",
                         .help = "disliked objects",
                         .set = into(&flags->similar.unlike),
                         .repeats = true,
                         .takes_all = true,
                         .configurable = false});
  out.run = [flags](Session& session) -> Result<int> {
    fill(*flags);
    Result<Client*> client = session.client(Access::kRead);
    if (!client.ok()) return client.error();
    flags->similar.options = flags->options;
    return finish(session, (*client)->similar(flags->similar), *flags);
  };
  return out;
}

}  // namespace kedge::cli
