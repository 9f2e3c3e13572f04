// Inside of the emulator: what its parts share.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "emulator/delivery.h"
#include "emulator/emulator.h"
#include "emulator/operations.h"
#include "emulator/store.h"
#include "net/http_server.h"

namespace kedge::emulator {

// What may change while requests run, as one value.
struct Live {
  Duration clock_offset{0};
  Latency latency;
  std::uint64_t bandwidth = 0;
  std::uint64_t shared_bandwidth = 0;
  bool redirect_wrong_region = false;
  std::vector<Denial> denials;
  std::vector<KeyPair> keys;
};

class Server final : public Emulator {
 public:
  explicit Server(Options options);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Status listen();

  void stop() override;
  std::uint16_t port() const override { return port_; }
  std::string endpoint() const override;
  FaultScript& faults() override { return script_; }
  void set(const Settings& settings) override;
  void make_bucket(const std::string& name, const BucketOptions& options) override;
  Status fill(const FillRequest& request) override;
  std::map<std::string, Counts> counts() const override;
  std::vector<Record> records() const override;
  void forget_counts() override;

 private:
  // One request on its way through.
  struct Visit {
    HttpExchange& exchange;
    std::shared_ptr<S3Request> request;
    FaultPlan plan;
    std::shared_ptr<const Live> live;
    Duration began{0};   // by the monotonic clock
    Duration offset{0};  // of the clock, with what the script adds
    Caller caller = {};
    Reply reply = {};
    bool answered = true;
  };
  // Carried out later, without anybody to answer.
  struct Late {
    std::shared_ptr<S3Request> request;
    FaultPlan plan;
    std::uint32_t requests = 0;  // 0: only by time
    Duration due{0};
  };

  void handle(HttpExchange& exchange);
  void visit(Visit& visit);
  Refusal admit(Visit& visit);
  Refusal admit_to_bucket(Visit& visit, std::string& region);
  bool fault_instead(Visit& visit, const Fault& fault);
  Reply carry_out(const S3Request& request, const FaultPlan& plan, Duration offset,
                  HttpExchange* exchange);
  void land_late();
  void send(Visit& visit);
  void finish(Reply& reply);
  void record(const Visit& visit, std::uint64_t bytes_in, bool whole);
  [[nodiscard]] bool may(const Live& live, std::string_view permission, std::string_view bucket,
                         std::string_view key) const;
  [[nodiscard]] std::shared_ptr<const Live> live() const;
  // admin.cc: requests to /_emulator/.
  void administer(HttpExchange& exchange);
  Result<std::string> administer_path(std::string_view method, std::string_view path,
                                      std::string_view body);

  Options options_;
  std::vector<std::string> domains_;
  Store store_;
  FaultScript script_;
  mutable std::mutex live_mutex_;
  std::shared_ptr<const Live> live_;
  std::mutex late_mutex_;
  std::deque<Late> late_;
  std::atomic<bool> any_late_{false};
  Link link_;
  std::mutex random_mutex_;
  SeededRandom random_;
  std::atomic<std::uint64_t> next_id_{1};
  mutable std::mutex counts_mutex_;
  std::map<std::string, Counts> counts_;
  std::deque<Record> records_;
  std::uint16_t port_ = 0;
  std::unique_ptr<HttpServer> http_;  // last: its threads use all of the above
};

}  // namespace kedge::emulator
