#include "tests/sim/stage.h"

#include <algorithm>

#include "base/result.h"

namespace kedge::sim {
namespace {

thread_local std::size_t self = Stage::kDirector;

}  // namespace

Stage::~Stage() {
  for (std::size_t actor = 0; actor < actors_.size(); ++actor) finish(actor);
  for (Actor& actor : actors_) actor.thread.join();
}

std::size_t Stage::add(std::function<void()> act) {
  const std::size_t number = actors_.size();
  Actor& actor = actors_.emplace_back();
  // By reference: while it begins, others may be added.
  actor.thread = std::thread([this, &actor, number, act = std::move(act)] {
    self = number;
    actor.word.await();
    act();
    actor.done = true;
    directors_word_.give();
  });
  return number;
}

std::size_t Stage::speaking() { return self; }

bool Stage::ready(std::size_t actor) const {
  return !actors_[actor].done && actors_[actor].asleep_until <= clock_.monotonic();
}

const Call* Stage::next_call(std::size_t actor) const { return actors_[actor].next; }

void Stage::release(std::size_t actor) {
  KEDGE_CHECK(ready(actor));
  actors_[actor].word.give();
  directors_word_.await();
}

bool Stage::release_until(std::size_t actor, const std::function<bool(const Call&)>& wanted) {
  while (!done(actor)) {
    if (!ready(actor)) clock_.advance(actors_[actor].asleep_until - clock_.monotonic());
    release(actor);
    if (next_call(actor) != nullptr && wanted(*next_call(actor))) return true;
  }
  return false;
}

void Stage::finish(std::size_t actor) {
  release_until(actor, [](const Call&) { return false; });
}

Duration Stage::next_waking() const {
  Duration first = Duration::max();
  for (const Actor& actor : actors_) {
    if (!actor.done && actor.asleep_until > clock_.monotonic())
      first = std::min(first, actor.asleep_until);
  }
  return first;
}

void Stage::stop() {
  Word& mine = actors_[self].word;
  directors_word_.give();
  mine.await();
}

void Stage::step(const Call& call) {
  if (self == kDirector) return;
  actors_[self].next = &call;
  stop();
  actors_[self].next = nullptr;
}

void Stage::sleep(Duration duration) {
  if (self == kDirector) return clock_.advance(duration);
  actors_[self].asleep_until = clock_.monotonic() + duration;
  stop();
}

}  // namespace kedge::sim
