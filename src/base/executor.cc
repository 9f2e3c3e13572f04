#include "base/executor.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace kedge {
namespace {

class InlineExecutor final : public Executor {
 public:
  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) override {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
  [[nodiscard]] std::size_t width() const override { return 1; }
};

// One parallel loop: threads take the next index until none is left.
struct Loop {
  const std::function<void(std::size_t)>* body;
  std::size_t count;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> done{0};

  void run(std::mutex& mutex, std::condition_variable& finished) {
    std::size_t mine = 0;
    for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      (*body)(i);
      ++mine;
    }
    if (mine > 0 && done.fetch_add(mine) + mine == count) {
      const std::lock_guard lock(mutex);
      finished.notify_all();
    }
  }
};

class ThreadPool final : public Executor {
 public:
  explicit ThreadPool(std::size_t threads) {
    for (std::size_t i = 1; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~ThreadPool() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  void parallel_for(std::size_t count, const std::function<void(std::size_t)>& body) override {
    if (count == 0) return;
    const auto loop = std::make_shared<Loop>();
    loop->body = &body;
    loop->count = count;
    if (count > 1 && !threads_.empty()) {
      const std::lock_guard lock(mutex_);
      loops_.push_back(loop);
      wake_.notify_all();
    }
    loop->run(mutex_, finished_);
    std::unique_lock lock(mutex_);
    std::erase(loops_, loop);
    finished_.wait(lock, [&] { return loop->done.load() == count; });
  }
  [[nodiscard]] std::size_t width() const override { return threads_.size() + 1; }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || !loops_.empty(); });
      if (stopping_) return;
      const std::shared_ptr<Loop> loop = loops_.front();
      if (loop->next.load() >= loop->count) {
        loops_.pop_front();
        continue;
      }
      lock.unlock();
      loop->run(mutex_, finished_);
      lock.lock();
    }
  }

  std::vector<std::thread> threads_;
  std::deque<std::shared_ptr<Loop>> loops_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable finished_;
  bool stopping_ = false;
};

}  // namespace

Executor& inline_executor() {
  static InlineExecutor executor;
  return executor;
}

std::unique_ptr<Executor> make_thread_pool(std::size_t threads) {
  return std::make_unique<ThreadPool>(threads);
}

}  // namespace kedge
