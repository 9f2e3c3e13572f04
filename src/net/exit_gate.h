// Keeps threads that use OpenSSL and libcurl out of them while the process forks or exits: after
// fork() the child must find their locks free, and after exit() has begun OpenSSL frees what a
// thread that still runs would touch. An I/O thread works inside a GatePass and waits for events
// outside.
//
// This is state of the process, as fork and exit are; it is made once and never freed.
//
// Threads: any.
#pragma once

namespace kedge {

// From here on fork() and exit() wait until no GatePass is held. Call it after OpenSSL is
// initialised, whose own exit handler must run later than ours; more calls do nothing.
void install_exit_gate();

// Whether exit() has begun: whoever asks for a pass now never gets it.
bool exit_gate_closed();

class GatePass {
 public:
  GatePass();
  ~GatePass();
  GatePass(const GatePass&) = delete;
  GatePass& operator=(const GatePass&) = delete;
};

}  // namespace kedge
