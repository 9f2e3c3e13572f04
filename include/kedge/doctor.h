// Whether everything that Kedge needs is there: store, clock, model, processor.
#pragma once

#include <string>
#include <vector>

namespace kedge {

struct Check {
  std::string name;  // "create twice", "swap race", "model", ...
  bool ok = false;
  bool warning = false;  // works, but look
  std::string detail;    // what was seen, and what to do if it failed
};

struct DoctorReport {
  std::vector<Check> checks;
  // The least that AWS must permit, as policy documents (JSON): for whoever syncs, and for whoever
  // only searches. "" where nothing lies on S3.
  std::string policy, search_policy;
  [[nodiscard]] bool ok() const;
};

}  // namespace kedge
