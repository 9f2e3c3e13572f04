// Actors that run one at a time: each is a thread that stops before every store call, and whenever
// it sleeps, until the director releases it. The director decides who goes on and how much time
// passes, so that one seed is one trace.
//
// Threads: one director, which owns the stage; step() and sleep() are for the actors.
#pragma once

#include <semaphore.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "store/operation.h"

namespace kedge::sim {

// Of POSIX: one system call to give the word away and one to wait for it, which is most of what a
// step of a simulation costs.
class Word {
 public:
  Word() { sem_init(&semaphore_, 0, 0); }
  ~Word() { sem_destroy(&semaphore_); }
  Word(const Word&) = delete;
  Word& operator=(const Word&) = delete;
  void give() { sem_post(&semaphore_); }
  void await() {
    while (sem_wait(&semaphore_) != 0) {  // a signal woke it
    }
  }

 private:
  sem_t semaphore_;
};

class Stage {
 public:
  // `clock` is the true time, which only the director advances.
  explicit Stage(ManualClock& clock) : clock_(clock) {}
  // Runs every actor to its end.
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // The actor begins when it is released for the first time. Returns its number.
  std::size_t add(std::function<void()> act);

  // ---- for the director
  [[nodiscard]] std::size_t actors() const { return actors_.size(); }
  [[nodiscard]] bool done(std::size_t actor) const { return actors_[actor].done; }
  // Neither at its end nor asleep.
  [[nodiscard]] bool ready(std::size_t actor) const;
  // The call that it makes when it is released; nullptr before its first and while it sleeps.
  [[nodiscard]] const Call* next_call(std::size_t actor) const;
  // Lets it go on to its next stop. It must be ready.
  void release(std::size_t actor);
  // Releases it, and lets time pass while it sleeps, until its next call is `wanted` (true) or it
  // is at its end (false).
  bool release_until(std::size_t actor, const std::function<bool(const Call&)>& wanted);
  void finish(std::size_t actor);
  // When the first sleeper wakes; max() if none sleeps.
  [[nodiscard]] Duration next_waking() const;

  // ---- for the actors; the director does not stop, and time passes while it sleeps
  // Stops before `call`.
  void step(const Call& call);
  void sleep(Duration duration);
  // Who speaks: an actor's number, or kDirector.
  static constexpr std::size_t kDirector = SIZE_MAX;
  [[nodiscard]] static std::size_t speaking();

 private:
  struct Actor {
    std::thread thread;
    Word word;
    bool done = false;
    Duration asleep_until{0};
    const Call* next = nullptr;
  };
  void stop();  // gives the word back to the director, and waits for it

  ManualClock& clock_;
  Word directors_word_;
  std::deque<Actor> actors_;  // each touched only by who has the word
};

// The time as one actor sees it: wrong by what its machine is wrong by, and passing only for all at
// once.
class ActorClock final : public Clock {
 public:
  ActorClock(Stage& stage, ManualClock& time, Duration skew)
      : stage_(stage), time_(time), skew_(skew) {}
  Timestamp now() override { return time_.now() + skew_; }
  Duration monotonic() override { return time_.monotonic(); }
  void sleep(Duration duration) override { stage_.sleep(duration); }
  // Somebody sets it, or a time server does.
  void jump(Duration by) { skew_ += by; }
  void set(Duration skew) { skew_ = skew; }

 private:
  Stage& stage_;
  ManualClock& time_;
  Duration skew_;
};

}  // namespace kedge::sim
