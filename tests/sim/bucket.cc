#include "tests/sim/bucket.h"

#include <algorithm>

#include "base/strings.h"
#include "embed/cache.h"
#include "engine/testing.h"

namespace kedge::sim {
namespace {

// Short ones, long ones of several chunks, and an empty one. Keys share them.
std::string text_of(std::uint32_t number) {
  if (number % 9 == 8) return "";
  std::string out = str_cat("Text ", number, " begins here.");
  for (std::uint32_t word = 0; word < number % 5 * 30; ++word) out += str_cat(" word", word);
  return out;
}

}  // namespace

std::string Bucket::key(std::uint32_t number) {
  return str_cat(number % 3 == 0 ? "folder/" : "", "object", number, ".txt");
}

void Bucket::change(std::uint32_t number, Change change) {
  const std::string name = key(number);
  const std::vector<Version>& versions = held_[name];
  const bool there = !versions.empty() && !versions.back().to;
  if (change == Change::kErase) {
    if (!there) return;
    end_version(name);
    const std::vector<std::string> keys = {name};
    must(store_.remove(keys, Deadline::never()).front());
    return;
  }
  std::uint32_t text = texts_;
  if (change == Change::kSame && there) text = versions.back().text;
  if (change == Change::kOlder && !versions.empty()) text = versions.front().text;
  if (text == texts_ && texts_++ % 4 == 3) text /= 2;  // bytes that others have had
  write(name, text);
}

void Bucket::write(const std::string& key, std::uint32_t text) {
  const std::string body = text_of(text);
  end_version(key);
  const Written written = must(put_one(store_, key, as_bytes(body), Deadline::never()));
  held_[key].push_back({.from = time_.now(),
                        .to = {},
                        .tag = written.tag.value,
                        .content = sha256(as_bytes(body)),
                        .text = text});
}

void Bucket::end_version(const std::string& key) {
  std::vector<Version>& versions = held_[key];
  if (!versions.empty() && !versions.back().to) versions.back().to = time_.now();
}

bool Bucket::explains(const ObjectRow& row, std::string& why) const {
  const auto held = held_.find(row.key);
  if (held == held_.end()) {
    why = "nothing ever lay under this key";
    return false;
  }
  for (const Version& version : held->second) {
    // The store's clock shows whole steps.
    const bool lay = version.from < row.read_time + options_.clock_step &&
                     (!version.to || *version.to >= row.read_time);
    // Of what could not be read only the listing was seen, some time before.
    if (row.status != ObjectStatus::kIndexed && version.tag == row.tag) return true;
    if (lay && version.tag == row.tag && version.content == row.content_hash) return true;
  }
  why = str_cat("no version of tag ", row.tag, " lay here at ", row.read_time.micros);
  return false;
}

bool Bucket::was_absent(const std::string& key, Timestamp since) const {
  const auto held = held_.find(key);
  if (held == held_.end() || held->second.empty()) return true;
  const std::vector<Version>& versions = held->second;
  if (since < versions.front().from) return true;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (!versions[i].to) continue;
    const bool last = i + 1 == versions.size();
    const bool gap = last || versions[i + 1].from > *versions[i].to;
    if (gap && (last || versions[i + 1].from >= since)) return true;
  }
  return false;
}

std::map<std::string, std::string> Bucket::tags() const {
  std::map<std::string, std::string> out;
  for (const auto& [key, versions] : held_) {
    if (!versions.empty() && !versions.back().to) out[key] = versions.back().tag;
  }
  return out;
}

std::size_t SimulatedModel::count_tokens(std::string_view text) {
  return 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
}

Result<std::vector<float>> SimulatedModel::embed_documents(std::span<const std::string> texts) {
  ++usage_.calls;
  std::optional<ModelFailure> failure;
  if (random_ != nullptr && random_->below(6) == 0)
    failure = static_cast<ModelFailure>(random_->below(kModelFailures));
  if (failure) ++record_.failures[static_cast<std::size_t>(*failure)];
  if (failure == ModelFailure::kBusy) return Error{Code::kUnavailable, "429 too many requests"};
  if (failure == ModelFailure::kError) return Error{Code::kUnavailable, "500 internal error"};
  std::vector<float> out;
  for (const std::string& text : texts) {
    const Sha256 hash = sha256(as_bytes(text));
    std::uint64_t seed = 0;
    std::copy_n(hash.begin(), sizeof seed, reinterpret_cast<std::byte*>(&seed));
    SeededRandom of_text(seed);
    std::vector<float> vector(space_.dimension);
    for (float& value : vector) value = static_cast<float>(of_text.unit() * 2 - 1);
    out.insert(out.end(), vector.begin(), vector.end());
    // Of a batch with what is no number the other texts are taken.
    const bool last = &text == &texts.back();
    if (failure && (failure != ModelFailure::kNan || last)) continue;
    std::vector<std::uint16_t> halves(space_.dimension);
    kernels().f32_to_f16(vector.data(), halves.data(), halves.size());
    ++record_.texts;
    const bool fresh = record_.given.emplace(input_hash(space_, text), std::move(halves)).second;
    record_.again += fresh ? 0 : 1;
  }
  usage_.inputs += texts.size();
  if (failure == ModelFailure::kShort) out.resize(out.size() - space_.dimension);
  if (failure == ModelFailure::kWide) out.resize(out.size() + texts.size());
  if (failure == ModelFailure::kNan) out.back() = std::numeric_limits<float>::quiet_NaN();
  return out;
}

}  // namespace kedge::sim
