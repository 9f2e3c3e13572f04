// kedge-s3-emulator: the emulator as a program. Prints one line of JSON when it is ready, runs
// until SIGINT, SIGTERM, or the end of its standard input where --stdin is given.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>

#include "base/strings.h"
#include "emulator/emulator.h"

namespace {

using kedge::Code;
using kedge::Result;
using kedge::Status;
using kedge::str_cat;
using kedge::emulator::Emulator;
using kedge::emulator::Options;

constexpr std::string_view kUsage =
    "usage: kedge-s3-emulator [--port N] [--host ADDRESS] [--access-key KEY] [--secret-key KEY]\n"
    "         [--region NAME] [--domain NAME] [--bucket NAME]... [--faults FILE|-]\n"
    "         [--clock-offset SECONDS] [--latency constant:30ms|lognormal:30ms,100ms]\n"
    "         [--bandwidth BYTES_PER_SECOND] [--shared-bandwidth BYTES_PER_SECOND]\n"
    "         [--seed N] [--stdin]\n"
    "docs/emulator.md explains each, and what can be asked of it under /_emulator/.\n";

struct Arguments {
  Options options;
  std::vector<std::string> buckets;
  bool watch_stdin = false;
  bool help = false;
};

template <typename T>
bool parse_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Result<std::string> read_all(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  if (!file) return {Code::kInvalid, str_cat("cannot read ", kedge::printable(path))};
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Status set_flag(std::string_view name, const std::string& value, Arguments& out) {
  Options& options = out.options;
  bool good = true;
  std::int64_t seconds = 0;
  if (name == "--port") {
    good = parse_number(value, options.port);
  } else if (name == "--host") {
    options.host = value;
  } else if (name == "--access-key") {
    options.keys.front().access_key_id = value;
  } else if (name == "--secret-key") {
    options.keys.front().secret_access_key = value;
  } else if (name == "--region") {
    options.region = value;
  } else if (name == "--domain") {
    options.domain = value;
  } else if (name == "--bucket") {
    out.buckets.push_back(value);
  } else if (name == "--faults") {
    options.faults = KEDGE_TRY(kedge::emulator::parse_faults(KEDGE_TRY(read_all(value))));
  } else if (name == "--clock-offset") {
    good = parse_number(value, seconds);
    options.clock_offset = std::chrono::seconds(seconds);
  } else if (name == "--latency") {
    options.latency = KEDGE_TRY(kedge::emulator::Latency::parse(value));
  } else if (name == "--bandwidth") {
    good = parse_number(value, options.bandwidth);
  } else if (name == "--shared-bandwidth") {
    good = parse_number(value, options.shared_bandwidth);
  } else if (name == "--seed") {
    good = parse_number(value, options.seed);
  } else {
    return {Code::kInvalid, str_cat("unknown flag ", kedge::printable(name))};
  }
  if (good) return {};
  return {Code::kInvalid, str_cat("not a number for ", name, ": ", kedge::printable(value))};
}

Result<Arguments> parse_arguments(std::vector<std::string> words) {
  Arguments out;
  out.options.seed = std::random_device()();
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string name = words[i];
    if (name == "--stdin" || name == "--help") {
      (name == "--stdin" ? out.watch_stdin : out.help) = true;
      continue;
    }
    std::string value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < words.size()) {
      value = words[++i];
    } else {
      return {Code::kInvalid, str_cat("unknown flag, or no value for ", kedge::printable(name))};
    }
    if (auto done = set_flag(name, value, out); !done.ok()) return done.error();
  }
  return out;
}

// Signals arrive at a descriptor, so that everything ends in order.
int blocked_signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  return signalfd(-1, &wanted, SFD_CLOEXEC);
}

void wait_for_end(int signals, bool watch_stdin) {
  std::array<pollfd, 2> waited{{{signals, POLLIN, 0}, {watch_stdin ? 0 : -1, POLLIN, 0}}};
  while (true) {
    if (::poll(waited.data(), waited.size(), -1) < 0) continue;
    if (waited[0].revents != 0) return;
    std::array<char, 4096> ignored{};
    if (waited[1].revents != 0 && ::read(0, ignored.data(), ignored.size()) <= 0) return;
  }
}

int fail(const kedge::Error& error, int code) {
  std::fprintf(stderr, "kedge-s3-emulator: %s\n", error.message.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const Result<Arguments> arguments = parse_arguments({argv + 1, argv + argc});
  if (!arguments.ok()) {
    std::fputs(kUsage.data(), stderr);
    return fail(arguments.error(), 2);
  }
  if (arguments.value().help) {
    std::fputs(kUsage.data(), stdout);
    return 0;
  }
  const int signals = blocked_signals();
  auto started = Emulator::start(arguments.value().options);
  if (!started.ok()) return fail(started.error(), 1);
  const std::unique_ptr<Emulator> emulator = std::move(*started);
  for (const std::string& bucket : arguments.value().buckets) emulator->make_bucket(bucket, {});
  const Options& options = arguments.value().options;
  std::printf("{\"endpoint\": \"%s\", \"port\": %u, \"region\": \"%s\", \"seed\": %llu}\n",
              emulator->endpoint().c_str(), static_cast<unsigned>(emulator->port()),
              options.region.c_str(), static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  wait_for_end(signals, arguments.value().watch_stdin);
  emulator->stop();
  return 0;
}
