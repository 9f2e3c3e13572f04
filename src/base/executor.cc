#include "base/executor.h"

#include <algorithm>
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
  void run_both(const std::function<void()>& first, const std::function<void()>& second) override {
    first();
    second();
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
    const std::shared_ptr<Loop> loop = begin(count, body);
    if (loop->done.load() == count) return;
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return loop->done.load() == count; });
  }
  void run_both(const std::function<void()>& first, const std::function<void()>& second) override {
    const std::function<void(std::size_t)> body = [&](std::size_t i) {
      i == 0 ? first() : second();
    };
    const std::shared_ptr<Loop> loop = begin(2, body);
    std::unique_lock lock(mutex_);
    ++helpers_;
    while (loop->done.load() < 2) {
      if (const std::shared_ptr<Loop> other = next_loop()) {
        lock.unlock();
        other->run(mutex_, finished_);
        lock.lock();
      } else {
        finished_.wait(lock, [&] { return loop->done.load() == 2 || !loops_.empty(); });
      }
    }
    --helpers_;
  }
  [[nodiscard]] std::size_t width() const override { return threads_.size() + 1; }

 private:
  // Shows the loop to the others and takes part; others may still be at it.
  std::shared_ptr<Loop> begin(std::size_t count, const std::function<void(std::size_t)>& body) {
    auto loop = std::make_shared<Loop>();
    loop->body = &body;
    loop->count = count;
    const bool shared = count > 1 && !threads_.empty();
    if (shared) {
      const std::lock_guard lock(mutex_);
      loops_.push_back(loop);
      wake_.notify_all();
      if (helpers_ > 0) finished_.notify_all();
    }
    loop->run(mutex_, finished_);
    if (shared) {
      const std::lock_guard lock(mutex_);
      std::erase(loops_, loop);
    }
    return loop;
  }

  // The first loop with an index left. Those without are forgotten. Precondition: mutex_ is held.
  std::shared_ptr<Loop> next_loop() {
    while (!loops_.empty() && loops_.front()->next.load() >= loops_.front()->count)
      loops_.pop_front();
    return loops_.empty() ? nullptr : loops_.front();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || !loops_.empty(); });
      if (stopping_) return;
      const std::shared_ptr<Loop> loop = next_loop();
      if (loop == nullptr) continue;
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
  std::size_t helpers_ = 0;  // callers of run_both() that have ended their part
  bool stopping_ = false;
};

}  // namespace

void parallel_ranges(Executor& executor, std::size_t count, std::size_t step,
                     const std::function<void(std::size_t, std::size_t)>& body) {
  executor.parallel_for((count + step - 1) / step,
                        [&](std::size_t i) { body(i * step, std::min(count, (i + 1) * step)); });
}

Status try_ranges(Executor& executor, std::size_t count, std::size_t step,
                  const std::function<Status(std::size_t, std::size_t)>& body) {
  std::vector<Status> statuses((count + step - 1) / step);
  parallel_ranges(executor, count, step, [&](std::size_t begin, std::size_t end) {
    statuses[begin / step] = body(begin, end);
  });
  for (Status& status : statuses) KEDGE_TRY(std::move(status));
  return {};
}

Executor& inline_executor() {
  static InlineExecutor executor;
  return executor;
}

std::unique_ptr<Executor> make_thread_pool(std::size_t threads) {
  return std::make_unique<ThreadPool>(threads);
}

}  // namespace kedge
