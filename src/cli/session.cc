#include "cli/session.h"

#include <utility>

#include "cli/find_index.h"
#include "cli/json.h"
#include "cli/terminal_text.h"

namespace kedge::cli {
namespace {

std::string_view hint_of(Code code) {
  switch (code) {
    case Code::kDenied:
      return "check the credentials, and what they may read and write";
    case Code::kConflict:
      return "somebody else changed the index meanwhile: run the command again";
    case Code::kExpired:
      return "what was read has been collected meanwhile: run the command again";
    case Code::kUnavailable:
      return "run the command again later; `kedge doctor` checks the store";
    case Code::kCorrupt:
      return "`kedge verify --full` tells what is damaged";
    case Code::kExhausted:
      return "a limit was met: --memory, --max-object-size, open files (ulimit -n), or free room "
             "on the disk";
    case Code::kInternal:
      return "this is a bug in Kedge: please report it with the command that you ran";
    default:
      return "";
  }
}

// How s3:// URLs are reached: options of every command, and keys of the tables [[store]].
std::vector<Option> reach_options(StoreSettings* s) {
  return {
      {.name = "endpoint-url",
       .value = "URL",
       .help = "of a store that speaks S3 (default: AWS, or as the profile says)",
       .set = into(&s->endpoint)},
      {.name = "region",
       .value = "NAME",
       .help = "of the bucket (default: of the profile, else found)",
       .set = into(&s->region)},
      {.name = "profile",
       .value = "NAME",
       .help = "of ~/.aws/config and credentials (default: AWS_PROFILE)",
       .set = into(&s->profile)},
      {.name = "addressing",
       .value = "HOW",
       .help = "the bucket in the path or in the host's name (default: auto)",
       .set = into(&s->addressing),
       .choices = {"auto", "path", "virtual"}},
      {.name = "ca-file",
       .value = "FILE",
       .help = "certificates (PEM) to trust, instead of the system's",
       .set = into(&s->ca_file),
       .offer = Offer::kFiles},
      make_switch("no-sign-request", "public buckets: without credentials",
                  into(&s->no_sign, true)),
      make_switch("requester-pays", "pay for requests to a bucket that asks for it",
                  into(&s->requester_pays, true)),
      {.name = "expected-bucket-owner",
       .value = "ID",
       .help = "refuse a bucket of another account",
       .set = into(&s->expected_bucket_owner)},
      {.name = "storage-class",
       .value = "NAME",
       .help = "of what is written (default: the bucket's)",
       .set = into(&s->storage_class)},
      {.name = "sse",
       .value = "HOW",
       .help = "encryption of what is written (default: the bucket's)",
       .set = into(&s->sse),
       .choices = {"AES256", "aws:kms", "aws:kms:dsse"}},
      {.name = "kms-key-id",
       .value = "ID",
       .help = "key of --sse aws:kms (default: the account's)",
       .set = into(&s->kms_key_id)},
  };
}

}  // namespace

std::vector<Option> store_options(StoreSettings* settings) {
  std::vector<Option> options = reach_options(settings);
  options.insert(
      options.begin(),
      {.name = "url", .value = "URL", .help = "what it is for", .set = into(&settings->url)});
  return options;
}

std::vector<Option> common_options(Settings* settings) {
  std::vector<Option> options = {
      {.name = "index",
       .value = "URL",
       .help = "path or URL of the index (default: .kedge here or above; to read, else the one "
               "synced last)",
       .set = into(&settings->index),
       .offer = Offer::kFolders},
      {.name = "model",
       .value = "DIR",
       .help = "folder of the embedding model (default: all-MiniLM-L6-v2)",
       .set = into(&settings->model),
       .offer = Offer::kFolders},
      {.name = "cache",
       .value = "URL",
       .help = "embedding cache, may be shared (default: INDEX/cache)",
       .set = into(&settings->cache),
       .offer = Offer::kFolders},
      {.name = "memory",
       .value = "SIZE",
       .help = "of the process without its model, at least 64MiB (default: 512MiB)",
       .set = size_into(&settings->memory_bytes)},
      {.name = "threads",
       .value = "N",
       .help = "threads to compute with (default: all cores)",
       .set = number_into(&settings->threads)},
      {.name = "timeout",
       .value = "SECONDS",
       .help = "limit of each call that reads (default: none)",
       .set = seconds_into(&settings->timeout_seconds)},
      {.name = "scratch",
       .value = "DIR",
       .help = "folder for temporary files (default: ~/.local/state/kedge)",
       .set = into(&settings->scratch),
       .offer = Offer::kFolders},
      {.name = "disk-cache",
       .value = "DIR",
       .help = "folder for what was read of an index in a bucket, or off (default: "
               "~/.cache/kedge/blocks)",
       .set = into(&settings->disk_cache),
       .offer = Offer::kFolders},
      {.name = "disk-cache-size",
       .value = "SIZE",
       .help = "limit of that folder (default: 4GiB)",
       .set = size_into(&settings->disk_cache_bytes)},
      {.name = "config",
       .value = "FILE",
       .help = "configuration file (default: ./kedge.toml, then ~/.config/kedge/config.toml)",
       .set = into(&settings->config),
       .configurable = false,
       .offer = Offer::kFiles},
      make_switch("json", "print JSON", into(&settings->json)),
  };
  Option quiet = make_switch("quiet", "no progress and no remarks", into(&settings->quiet));
  quiet.letters = "q";
  options.push_back(std::move(quiet));
  Option verbose = make_switch("verbose", "say more about what happens", into(&settings->verbose));
  verbose.letters = "v";
  options.push_back(std::move(verbose));
  options.push_back(make_switch("debug", "log each request on standard error, with its ids",
                                into(&settings->debug)));
  for (Option& option : reach_options(&settings->store)) options.push_back(std::move(option));
  return options;
}

Option presign_option(double* seconds) {
  return {.name = "presign",
          .value = "TIME",
          .help = "links that read the object for so long, as 15m or 7d (1h where no time follows)",
          .set = duration_into(seconds),
          .configurable = false,
          .alone = "1h"};
}

Session::Session(Runtime& runtime, const Settings& settings)
    : runtime_(runtime),
      settings_(settings),
      progress_(runtime.console, runtime.seconds, settings.quiet) {}

Result<std::string> Session::index(Access access) {
  if (!settings_.index.empty()) {
    index_option_ = " --index " + quote(settings_.index);
    return settings_.index;
  }
  Result<IndexChoice> choice = find_index(runtime_.environment);
  if (!choice.ok()) return choice.error();
  if (!choice->from_state) return choice->index;
  if (access == Access::kWrite) {
    return Error{Code::kInvalid,
                 "there is no index here, and this command changes one: name it. The one synced "
                 "last is --index " +
                     quote(choice->index)};
  }
  note("using the index synced last: " + visible(choice->index));
  index_option_ = " --index " + quote(choice->index);
  return choice->index;
}

Result<Client*> Session::client(Access access) {
  Result<std::string> found = index(access);
  if (!found.ok()) return found.error();
  return open(*found, access, false);
}

Result<Client*> Session::trying_client() {
  Result<std::string> found = index(Access::kRead);
  if (!found.ok()) return found.error();
  return open(*found, Access::kWrite, false);
}

Result<Client*> Session::creating_client(const std::string& index) {
  index_option_ = " --index " + quote(index);
  const Result<IndexChoice> here = find_index(runtime_.environment);
  const auto whole = [&](const std::string& name) {
    return absolute_index(runtime_.environment, name);
  };
  if (here.ok() && !here->from_state && whole(here->index) == whole(index)) index_option_.clear();
  return open(index, Access::kWrite, true);
}

std::string Session::command(const std::string& words) const {
  return "kedge " + words + index_option_;
}

Result<Client*> Session::open(const std::string& index, Access access, bool create) {
  ClientOptions options;
  options.index = index;
  options.model = settings_.model;
  options.cache = settings_.cache;
  options.scratch_folder = settings_.scratch;
  options.disk_cache = settings_.disk_cache;
  options.disk_cache_bytes = settings_.disk_cache_bytes;
  options.threads = settings_.threads;
  options.memory_bytes = settings_.memory_bytes;
  options.timeout_seconds = settings_.timeout_seconds;
  options.create = create;
  options.read_only = access == Access::kRead;
  options.stores = settings_.stores;
  options.stores.push_back(settings_.store);
  if (console().in_terminal) {
    options.on_prompt = [this](std::string_view question) -> Result<std::string> {
      progress_.erase();
      console().err(visible(question) + " ");
      return console().read_line();
    };
  }
  options.on_message = [this](MessageLevel level, std::string_view text) {
    const MessageLevel least = settings_.debug     ? MessageLevel::kDebug
                               : settings_.verbose ? MessageLevel::kInfo
                               : settings_.quiet   ? MessageLevel::kError
                                                   : MessageLevel::kWarning;
    if (level < least) return;
    const bool problem = level >= MessageLevel::kWarning;
    progress_.message((problem ? "kedge: warning: " : "kedge: ") + visible(text));
  };
  Result<std::unique_ptr<Client>> opened = runtime_.open_client(std::move(options));
  if (!opened.ok()) return opened.error();
  client_ = std::move(opened).value();
  return client_.get();
}

void Session::note(std::string_view line) {
  if (!settings_.quiet) progress_.message("kedge: " + std::string(line));
}

void Session::warn(std::string_view line) {
  progress_.message("kedge: warning: " + std::string(line));
}

int Session::usage_error(const std::string& message) {
  report_error(console(), json(), {Code::kInvalid, message}, "");
  return kExitUsage;
}

void report_error(Console& console, bool json, const Error& error, std::string hint) {
  if (hint.empty()) hint = hint_of(error.code);
  if (json) console.out(json_of(error, hint));
  console.err("kedge: " + visible_lines(error.message) + "\n");
  if (!hint.empty()) console.err("       " + hint + "\n");
}

}  // namespace kedge::cli
