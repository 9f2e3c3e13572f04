#include "api/snippets.h"

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/unistr.h>
#include <unicode/utext.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "api/references.h"
#include "base/strings.h"
#include "extract/extractor.h"
#include "ingest/fetch.h"
#include "ingest/import.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxSentences = 400;
constexpr std::size_t kStemBytes = 5;

// Words in lower case, each cut to its first letters.
std::vector<std::string> stems(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const auto c =
        i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(' ');
    const bool letter =
        c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
    } else if (!word.empty()) {
      // One and two letters are articles and prepositions in most languages.
      if (word.size() > 2) out.push_back(word.substr(0, kStemBytes));
      word.clear();
    }
  }
  return out;
}

// Byte ranges of sentences; lines count as sentences too, for tables and logs.
std::vector<std::pair<std::size_t, std::size_t>> sentences(std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createSentenceInstance(icu::Locale::getEnglish(), status));
  UText utext = UTEXT_INITIALIZER;
  utext_openUTF8(&utext, text.data(), static_cast<std::int64_t>(text.size()), &status);
  if (U_FAILURE(status) || breaks == nullptr) return {{0, text.size()}};
  breaks->setText(&utext, status);
  std::size_t begin = 0;
  for (std::int32_t end = breaks->next();
       end != icu::BreakIterator::DONE && out.size() < kMaxSentences; end = breaks->next()) {
    std::size_t at = begin;
    const auto stop = static_cast<std::size_t>(end);
    while (at < stop) {
      const std::size_t line = std::min(text.find('\n', at), stop);
      std::size_t last = line;
      while (last > at && (text[last - 1] == ' ' || text[last - 1] == '\r')) --last;
      if (last > at) out.emplace_back(at, last);
      at = line + 1;
    }
    begin = stop;
  }
  utext_close(&utext);
  return out;
}

}  // namespace

std::pair<std::size_t, std::size_t> best_sentence(std::string_view text,
                                                  std::string_view question) {
  const std::vector<std::pair<std::size_t, std::size_t>> parts = sentences(text);
  if (parts.empty()) return {0, 0};
  const std::vector<std::string> asked = stems(question);
  const std::set<std::string> wanted(asked.begin(), asked.end());
  std::vector<std::set<std::string>> found;
  std::map<std::string, std::size_t> frequency;
  for (const auto& [begin, end] : parts) {
    std::set<std::string> here;
    for (std::string& stem : stems(text.substr(begin, end - begin))) {
      if (wanted.contains(stem)) here.insert(std::move(stem));
    }
    for (const std::string& stem : here) ++frequency[stem];
    found.push_back(std::move(here));
  }
  std::size_t best = 0;
  double best_weight = -1;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    double weight = 0;
    for (const std::string& stem : found[i]) weight += 1.0 / static_cast<double>(frequency[stem]);
    if (weight > best_weight) {
      best_weight = weight;
      best = i;
    }
  }
  return parts[best];
}

namespace {

// Which ranges one hit asks for: its own chunk, or the run of chunks around it.
struct Wanted {
  std::vector<ChunkRow> chunks;  // in order
  std::size_t own = 0;
};

Wanted wanted_chunks(Session& session, const SnapshotPtr& snapshot, const Hit& hit,
                     std::uint32_t context) {
  Wanted out;
  if (context > 0) {
    const Result<Index*> index = session.index(false);
    if (index.ok()) {
      Result<std::vector<ChunkRow>> all =
          (*index)->chunks(snapshot, hit.object, session.deadline());
      if (all.ok() && hit.chunk_number < all->size()) {
        const std::size_t first = hit.chunk_number > context ? hit.chunk_number - context : 0;
        const std::size_t last = std::min<std::size_t>(all->size() - 1, hit.chunk_number + context);
        out.own = hit.chunk_number - first;
        out.chunks.assign(all->begin() + static_cast<std::ptrdiff_t>(first),
                          all->begin() + static_cast<std::ptrdiff_t>(last) + 1);
        return out;
      }
    }
  }
  out.chunks.push_back(hit.chunk);
  return out;
}

FetchRequest request_of(const ObjectRow& row, const ChunkRow& chunk) {
  FetchRequest request;
  request.key = row.key;
  request.tag = row.tag;
  request.version_id = row.version_id;
  request.size = row.size;
  request.range = Extent{.offset = chunk.begin, .size = chunk.end - chunk.begin};
  request.chunk_hash = chunk.chunk_hash;
  return request;
}

// The fetched parts of one hit become its proof and its text.
void apply(const Hit& hit, const Wanted& wanted, std::span<Fetched> parts,
           const ResultOptions& options, std::string_view question, SearchHit& out) {
  out.proof = Proof::kVerified;
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].outcome != FetchOutcome::kOk) {
      out.proof = proof_of(parts[i].outcome);
      out.proof_detail = parts[i].detail;
      return;
    }
    const SpanContext context{hit.object.row.media_type, hit.object.row.charset,
                              wanted.chunks[i].context};
    Result<std::string> piece = extract_span(parts[i].body, context);
    if (!piece.ok()) {
      out.proof_detail = "its text cannot be extracted again: " + piece.error().message;
      continue;
    }
    if (!text.empty()) text += "\n";
    const std::size_t before = text.size();
    text += *piece;
    if (i == wanted.own) {
      const auto [begin, end] = best_sentence(*piece, question);
      out.best_sentence = {before + begin, before + end};
    }
  }
  if (options.fetch) out.raw = std::string(as_text(parts[wanted.own].body));
  if (options.snippets == Snippets::kSource) out.snippet = std::move(text);
}

}  // namespace

void add_snippets(Session& session, const SnapshotPtr& snapshot, const std::vector<Hit>& hits,
                  const ResultOptions& options, std::string_view question,
                  std::vector<SearchHit>& out) {
  const bool bodies = options.snippets == Snippets::kSource || options.fetch;
  if (!bodies && !options.verify_head) {
    for (SearchHit& hit : out) hit.proof_detail = "not asked";
    return;
  }
  struct Batch {
    std::vector<FetchRequest> requests;
    std::vector<std::size_t> hit_of;
  };
  std::map<std::string, Batch> by_source;
  std::vector<Wanted> wanted(hits.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (out[i].reference.source == kRecordsUri) {
      out[i].proof_detail = "a record: the index holds all there is of it";
      continue;
    }
    wanted[i] = wanted_chunks(session, snapshot, hits[i], bodies ? options.context : 0);
    Batch& batch = by_source[out[i].reference.source];
    for (const ChunkRow& chunk : wanted[i].chunks) {
      batch.requests.push_back(request_of(hits[i].object.row, chunk));
      batch.hit_of.push_back(i);
    }
  }
  for (auto& [uri, batch] : by_source) {
    const Result<ObjectStore*> source = session.source(uri);
    if (!source.ok()) {
      for (const std::size_t i : batch.hit_of) {
        out[i].proof = source.code() == Code::kDenied ? Proof::kDenied : Proof::kUnverified;
        out[i].proof_detail = source.error().message;
      }
      continue;
    }
    std::vector<Fetched> fetched = bodies ? fetch(**source, batch.requests, session.deadline())
                                          : prove(**source, batch.requests, session.deadline());
    for (std::size_t at = 0; at < fetched.size();) {
      const std::size_t i = batch.hit_of[at];
      const std::size_t count = wanted[i].chunks.size();
      if (bodies) {
        apply(hits[i], wanted[i], std::span(fetched).subspan(at, count), options, question, out[i]);
      } else {
        out[i].proof = proof_of(fetched[at].outcome);
        out[i].proof_detail = fetched[at].detail;
      }
      at += count;
    }
  }
}

}  // namespace kedge
