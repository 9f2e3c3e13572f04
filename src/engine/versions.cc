#include "engine/versions.h"

namespace kedge {
namespace {

Newer fresh_if(bool fresh) { return fresh ? Newer::kFresh : Newer::kOld; }

}  // namespace

Newer newer_of(const Version& old, const Version& fresh) {
  const bool old_absent = old.status == ObjectStatus::kAbsent;
  const bool fresh_absent = fresh.status == ObjectStatus::kAbsent;
  const Duration apart = fresh.time - old.time;
  const bool close = apart <= kReadOrderMargin && apart >= -kReadOrderMargin;
  // Buckets show whole seconds: what was read and what was proven within one could be either way.
  if (old_absent != fresh_absent) return close ? Newer::kAsk : fresh_if(fresh.time > old.time);
  if (fresh_absent) return fresh_if(fresh.time > old.time);
  if (fresh.tag == old.tag) {
    if (fresh.time != old.time) return fresh_if(fresh.time > old.time);
    // The same read twice, or two at one tick of the store's clock: one that was indexed stays.
    return fresh_if(fresh.status == ObjectStatus::kIndexed || old.status != ObjectStatus::kIndexed);
  }
  if (close) return Newer::kAsk;
  return fresh_if(fresh.time > old.time);
}

Newer later_of(const Version& old, const Version& fresh) {
  const Newer newer = newer_of(old, fresh);
  if (newer != Newer::kAsk) return newer;
  // An absence wins over what was read before it was proven; bytes read at that moment were there.
  if (old.status == ObjectStatus::kAbsent) return fresh_if(fresh.time >= old.time);
  if (fresh.status == ObjectStatus::kAbsent) return fresh_if(fresh.time > old.time);
  if (fresh.time != old.time) return fresh_if(fresh.time > old.time);
  return fresh_if(fresh.tag > old.tag);
}

}  // namespace kedge
