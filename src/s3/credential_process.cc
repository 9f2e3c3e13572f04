#include "s3/credential_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "base/strings.h"
#include "s3/credential_answer.h"
#include "store/posix_file.h"

namespace kedge {
namespace {

constexpr std::size_t kMaxErrorBytes = 4096;
constexpr int kPollMillis = 50;  // between looks at the deadline

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0)
    return {Code::kUnavailable, str_cat("credential_process: no pipe: ", std::strerror(errno))};
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// A program under way; killed if nobody has waited for its end.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // Its status once it has ended. Where the host program ignores SIGCHLD nobody can know it: 0
  // then, and what it printed decides.
  std::optional<int> ended() {
    int status = 0;
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == 0 || (done < 0 && errno == EINTR)) return std::nullopt;
    pid_ = 0;
    return done < 0 ? 0 : status;
  }

 private:
  pid_t pid_;
};

// Takes what is there to read. False once the pipe has ended.
bool drain(const UniqueFd& from, std::string& into, std::size_t max_bytes) {
  std::array<char, 4096> piece{};
  const ssize_t got = ::read(from.get(), piece.data(), piece.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  // What is too much is read and dropped, so that the program can end; one byte more shows it.
  const std::size_t room = max_bytes + 1 - std::min(into.size(), max_bytes + 1);
  into.append(piece.data(), std::min(room, static_cast<std::size_t>(got)));
  return true;
}

struct Output {
  int status = 0;
  std::string out;
  std::string error;
};

Result<Output> collect(Child& child, UniqueFd out, UniqueFd error, Clock& clock,
                       Deadline deadline) {
  Output result;
  bool out_open = true;
  bool error_open = true;
  while (true) {
    if (deadline.passed(clock))
      return {Code::kUnavailable, "credential_process: did not end in time, and was killed"};
    std::array<pollfd, 2> ready = {pollfd{out_open ? out.get() : -1, POLLIN, 0},
                                   pollfd{error_open ? error.get() : -1, POLLIN, 0}};
    ::poll(ready.data(), ready.size(), kPollMillis);
    if (ready[0].revents != 0) out_open = drain(out, result.out, kMaxCredentialAnswerBytes);
    if (ready[1].revents != 0) error_open = drain(error, result.error, kMaxErrorBytes);
    // A grandchild may hold standard error open for ever; the answer is whole without it.
    if (out_open) continue;
    if (const std::optional<int> status = child.ended()) {
      result.status = *status;
      while (error_open && drain(error, result.error, kMaxErrorBytes) &&
             result.error.size() <= kMaxErrorBytes && ::poll(&ready[1], 1, 0) > 0) {
      }
      return result;
    }
  }
}

Result<Output> run(std::vector<std::string> words, Clock& clock, Deadline deadline) {
  Pipe out = KEDGE_TRY(make_pipe());
  Pipe error = KEDGE_TRY(make_pipe());
  ::fcntl(error.read.get(), F_SETFL, O_NONBLOCK);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, error.write.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int failed =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return {Code::kDenied, str_cat("credential_process: cannot run '", printable(words[0]),
                                   "': ", std::strerror(failed))};
  Child child(pid);
  out.write.reset();
  error.write.reset();
  return collect(child, std::move(out.read), std::move(error.read), clock, deadline);
}

Error failed(const Output& output) {
  const std::string_view text = output.error;
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::string how = WIFEXITED(output.status)
                              ? str_cat("exit code ", WEXITSTATUS(output.status))
                              : str_cat("signal ", WTERMSIG(output.status));
  return {Code::kDenied, str_cat("credential_process: failed with ", how, line.empty() ? "" : ": ",
                                 printable(line))};
}

// Moves `at` past a quoted part that begins there, and appends what is in it.
Status take_quoted(std::string_view command, std::size_t& at, std::string& word) {
  const char quote = command[at++];
  for (; at < command.size(); ++at) {
    if (command[at] == quote) {
      ++at;
      return {};
    }
    const bool escapes = quote == '"' && command[at] == '\\' && at + 1 < command.size() &&
                         (command[at + 1] == '"' || command[at + 1] == '\\');
    if (escapes) ++at;
    word += command[at];
  }
  return {Code::kInvalid, "credential_process: a quote is not closed"};
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view command) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    while (at < command.size() && is_blank(command[at])) ++at;
    if (at == command.size()) break;
    std::string word;
    while (at < command.size() && !is_blank(command[at])) {
      if (command[at] == '"' || command[at] == '\'') {
        KEDGE_TRY(take_quoted(command, at, word));
        continue;
      }
      if (command[at] == '\\' && at + 1 < command.size()) ++at;
      word += command[at++];
    }
    if (words.size() >= kMaxProcessArguments)
      return {Code::kInvalid, str_cat("credential_process: over ", kMaxProcessArguments, " words")};
    words.push_back(std::move(word));
  }
  if (words.empty()) return {Code::kInvalid, "credential_process: no program"};
  return words;
}

Result<Credentials> process_credentials(const AwsContext& context, const std::string& command,
                                        Deadline deadline) {
  std::vector<std::string> words = KEDGE_TRY(split_command(command));
  const Output output = KEDGE_TRY(
      run(std::move(words), context.clock, at_most(context.clock, deadline, kProcessTotal)));
  if (output.status != 0) return failed(output);
  static constexpr std::string_view kWhat = "credential_process";
  const JsonFields fields = KEDGE_TRY(JsonFields::parse(output.out, kWhat));
  if (fields.text("Version") != "1")
    return {Code::kUnsupported,
            str_cat(kWhat, ": Version is '", printable(fields.text("Version")), "' and not 1")};
  Credentials out;
  out.access_key_id = fields.text("AccessKeyId");
  out.secret_access_key = fields.text("SecretAccessKey");
  out.session_token = fields.text("SessionToken");
  const std::string expiration = fields.text("Expiration");
  if (!expiration.empty()) out.expires = KEDGE_TRY(parse_expiry(expiration, kWhat));
  return checked_credentials(std::move(out), kWhat);
}

}  // namespace kedge
