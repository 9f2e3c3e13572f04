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

// A text or a number, as it would be typed.
std::optional<std::string> word(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point()) {
    std::ostringstream out;
    out << number->get();
    return out.str();
  }
  return std::nullopt;
}

std::string at_line(const std::string& path, std::size_t line) {
  return visible(path) + ", line " + std::to_string(line) + ": ";
}

Result<ConfigValue> value_of(const toml::node& node, std::size_t line, const std::string& where) {
  using Kind = ConfigValue::Kind;
  if (const auto* flag = node.as_boolean())
    return ConfigValue{Kind::kFlag, {flag->get() ? "true" : "false"}, line};
  if (std::optional<std::string> one = word(node))
    return ConfigValue{Kind::kWord, {*std::move(one)}, line};
  const auto* list = node.as_array();
  if (list == nullptr)
    return {Code::kInvalid, where + ": must be a text, a number, true, false, or a list of texts"};
  ConfigValue out{Kind::kList, {}, line};
  for (const toml::node& item : *list) {
    std::optional<std::string> one = word(item);
    if (!one) return {Code::kInvalid, where + ": has an element that is no text and no number"};
    out.values.push_back(*std::move(one));
  }
  return out;
}

Result<std::map<std::string, ConfigValue>> values_of(const toml::table& table,
                                                     const std::string& path) {
  std::map<std::string, ConfigValue> out;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::size_t line = key.source().begin.line;
    Result<ConfigValue> value = value_of(node, line, at_line(path, line) + visible(name));
    if (!value.ok()) return value.error();
    out.emplace(name, std::move(value).value());
  }
  return out;
}

// The tables [[store]].
Result<std::vector<Config>> stores_of(const toml::node& node, const std::string& path) {
  const std::string where = at_line(path, node.source().begin.line) + "store";
  const auto* list = node.as_array();
  if (list == nullptr) return {Code::kInvalid, where + ": must be written as [[store]]"};
  if (list->size() > kMaxConfigStores)
    return {Code::kExhausted, where + ": over " + std::to_string(kMaxConfigStores) + " tables"};
  std::vector<Config> out;
  for (const toml::node& item : *list) {
    const auto* table = item.as_table();
    if (table == nullptr) return {Code::kInvalid, where + ": must be written as [[store]]"};
    Result<std::map<std::string, ConfigValue>> values = values_of(*table, path);
    if (!values.ok()) return values.error();
    if (!values->contains("url")) {
      return {Code::kInvalid, at_line(path, item.source().begin.line) +
                                  "store: needs a url, the part of s3:// that it is for"};
    }
    out.push_back({.path = path, .values = std::move(values).value(), .stores = {}});
  }
  return out;
}

}  // namespace

std::string Config::place(const std::string& name) const {
  const auto found = values.find(name);
  return at_line(path, found == values.end() ? 0 : found->second.line) + visible(name);
}

Result<Config> parse_config(std::string_view text, const std::string& path) {
  try {
    toml::table table = toml::parse(text, std::string_view(path));
    Config config;
    config.path = path;
    if (const toml::node* stores = table.get("store")) {
      Result<std::vector<Config>> read = stores_of(*stores, path);
      if (!read.ok()) return read.error();
      config.stores = std::move(read).value();
      table.erase("store");
    }
    Result<std::map<std::string, ConfigValue>> values = values_of(table, path);
    if (!values.ok()) return values.error();
    config.values = std::move(values).value();
    return config;
  } catch (const toml::parse_error& error) {
    return {Code::kInvalid,
            at_line(path, error.source().begin.line) + std::string(error.description())};
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
