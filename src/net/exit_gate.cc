#include "net/exit_gate.h"

#include <pthread.h>

#include <atomic>
#include <cstdlib>

namespace kedge {
namespace {

struct Gate {
  pthread_rwlock_t lock;
  std::atomic<bool> closed{false};

  Gate() { init(); }
  void init() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    // A fork must not wait until busy I/O threads happen to rest all at once.
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
};

// Never freed: threads may stand at it until the process is gone.
Gate& gate() {
  static Gate* const the_gate = new Gate;
  return *the_gate;
}

void before_fork() {
  if (!gate().closed.load()) pthread_rwlock_wrlock(&gate().lock);
}

void after_fork_in_parent() {
  if (!gate().closed.load()) pthread_rwlock_unlock(&gate().lock);
}

void after_fork_in_child() {
  // The threads that held or awaited it do not exist here.
  if (!gate().closed.load()) gate().init();
}

void at_exit() {
  // In this order, or a fork under way would not give the lock back.
  pthread_rwlock_wrlock(&gate().lock);
  gate().closed.store(true);
}

}  // namespace

void install_exit_gate() {
  static const bool installed = [] {
    gate();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return std::atexit(at_exit) == 0;
  }();
  static_cast<void>(installed);
}

bool exit_gate_closed() { return gate().closed.load(); }

GatePass::GatePass() { pthread_rwlock_rdlock(&gate().lock); }
GatePass::~GatePass() { pthread_rwlock_unlock(&gate().lock); }

}  // namespace kedge
