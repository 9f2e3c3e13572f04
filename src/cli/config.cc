#include "cli/config.h"

#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

constexpr std::uintmax_t kMaxConfigBytes = 1 << 20;

std::optional<std::string> scalar(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) {
    std::ostringstream out;
    out << number->get();
    return out.str();
  }
  return std::nullopt;
}

std::string place(const std::string& path, const toml::source_region& region) {
  return visible(path) + ", line " + std::to_string(region.begin.line) + ": ";
}

Result<std::vector<std::string>> values_of(const toml::node& node, const std::string& where) {
  std::vector<std::string> values;
  if (const auto* list = node.as_array()) {
    for (const toml::node& item : *list) {
      std::optional<std::string> value = scalar(item);
      if (!value) return {Code::kInvalid, where + "has an element that is no plain value"};
      values.push_back(std::move(*value));
    }
    return values;
  }
  std::optional<std::string> value = scalar(node);
  if (!value) return {Code::kInvalid, where + "must be a text, a number, true or false, or a list"};
  values.push_back(std::move(*value));
  return values;
}

}  // namespace

Result<Config> parse_config(std::string_view text, const std::string& path) {
  try {
    const toml::table table = toml::parse(text, std::string_view(path));
    Config config;
    config.path = path;
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      Result<std::vector<std::string>> values =
          values_of(node, place(path, node.source()) + "'" + visible(name) + "' ");
      if (!values.ok()) return values.error();
      config.values.emplace(name, std::move(values).value());
    }
    return config;
  } catch (const toml::parse_error& error) {
    return {Code::kInvalid, place(path, error.source()) + std::string(error.description())};
  }
}

Result<Config> load_config(const Environment& environment, const std::string& path) {
  namespace fs = std::filesystem;
  const bool named = !path.empty() || environment.variable("KEDGE_CONFIG").has_value();
  std::vector<fs::path> candidates;
  if (named) {
    const fs::path given = path.empty() ? *environment.variable("KEDGE_CONFIG") : path;
    if (given.empty()) return Config{};  // KEDGE_CONFIG= says: none
    candidates.push_back(environment.folder / given);
  } else {
    candidates.push_back(environment.folder / "kedge.toml");
    const fs::path user = environment.xdg_folder("XDG_CONFIG_HOME", ".config");
    if (!user.empty()) candidates.push_back(user / "kedge" / "config.toml");
  }
  for (const fs::path& candidate : candidates) {
    std::error_code ignored;
    if (!named && !fs::is_regular_file(candidate, ignored)) continue;
    std::ifstream file(candidate, std::ios::binary);
    if (!file || fs::is_directory(candidate, ignored))
      return {Code::kNotFound, "cannot read the configuration file " + visible(candidate.string())};
    if (fs::file_size(candidate, ignored) > kMaxConfigBytes)
      return {Code::kExhausted,
              "configuration file " + visible(candidate.string()) + ": over 1 MiB"};
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return parse_config(text, candidate.string());
  }
  return Config{};
}

}  // namespace kedge::cli
