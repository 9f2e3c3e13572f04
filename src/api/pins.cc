#include <algorithm>
#include <utility>
#include <variant>

#include "api/operations.h"
#include "base/strings.h"

namespace kedge {
namespace {

Result<HeadPtr> committed(CommitOutcome outcome) {
  if (auto* done = std::get_if<Committed>(&outcome)) return done->head;
  if (auto* refused = std::get_if<NotCommitted>(&outcome)) return refused->reason;
  const auto& unknown = std::get<UnknownOutcome>(outcome);
  return Error{Code::kUnavailable, str_cat("whether commit ", unknown.commit_id.hex(),
                                           " happened is not known: look with kedge history")};
}

PinInfo describe(const Pin& pin) {
  return {.name = pin.name, .generation = pin.generation, .created = to_rfc3339(pin.created)};
}

}  // namespace

Result<std::vector<PinInfo>> run_pins(Session& session) {
  Index* index = KEDGE_TRY(session.index_even_dropped());
  const HeadPtr head = KEDGE_TRY(index->log().read(session.deadline()));
  std::vector<PinInfo> out;
  for (const Pin& pin : head->envelope.pins) out.push_back(describe(pin));
  return out;
}

Result<PinInfo> run_add_pin(Session& session, const std::string& name,
                            std::optional<std::uint64_t> generation) {
  KEDGE_TRY(session.may_write());
  Index* index = KEDGE_TRY(session.index(false));
  const SnapshotPtr snapshot = KEDGE_TRY(index->latest(session.deadline()));
  for (const Pin& pin : snapshot->head()->envelope.pins) {
    if (pin.name != name) continue;
    return {Code::kInvalid,
            str_cat("there is a pin '", printable(name), "' already, on generation ",
                    pin.generation, ": kedge pin remove lets it go")};
  }
  const HeadPtr head = KEDGE_TRY(committed(
      index->log().add_pin(name, generation.value_or(snapshot->generation()), session.deadline())));
  const auto& pins = head->envelope.pins;
  const auto pin =
      std::find_if(pins.begin(), pins.end(), [&](const Pin& p) { return p.name == name; });
  if (pin == pins.end())
    return {Code::kConflict, str_cat("pin '", printable(name), "' was removed at once")};
  return describe(*pin);
}

Result<void> run_remove_pin(Session& session, const std::string& name) {
  KEDGE_TRY(session.may_write());
  Index* index = KEDGE_TRY(session.index_even_dropped());
  KEDGE_TRY(committed(index->log().remove_pin(name, session.deadline())));
  return {};
}

}  // namespace kedge
