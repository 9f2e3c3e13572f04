// Results as JSON: one document a command, ending with a newline, always valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/client.h"

namespace kedge::cli {

std::string json_of(const Error& error, const std::string& hint);
std::string json_of(const SyncResult& result);
std::string json_of(const SearchResponse& response);
std::string json_of(const VerifyResult& result);
std::string json_of(const StatusReport& report);
std::string json_of(const DoctorReport& report);
std::string json_of(const WarmResult& result);
std::string json_of(const GcReport& report);
// One key of `gc --dry-run`: an object, without an end of the line.
std::string json_of_key(const std::string& key, std::uint64_t size, bool goes,
                        const std::string& why);
std::string json_of(const std::vector<Generation>& generations);
std::string json_of(const std::vector<PinInfo>& pins);
std::string json_of(const ImportResult& result);
std::string json_of(const CompactResult& result);
std::string json_of(const AnnBenchResult& result);
std::string json_of(const std::vector<GetRequest>& requests,
                    const std::vector<GetOutcome>& outcomes);

}  // namespace kedge::cli
