// A disk that is slow, for a process that is started with this library in LD_PRELOAD: each read,
// write and sync of a file below KEDGE_SLOW_DISK takes KEDGE_SLOW_DISK_MS longer; before the sync
// with the number KEDGE_SLOW_DISK_HELD it waits until the FIFO KEDGE_SLOW_DISK_GATE, where there is
// one, is opened for writing and closed again. KEDGE_SLOW_DISK_WAITS is a file to which the process
// adds a line at its end: how often it waited.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The function of that name behind this one.
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_slow(int file) {
  const char* folder = getenv("KEDGE_SLOW_DISK");
  struct stat info;
  if (folder == NULL || fstat(file, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
    return 0;
  char link[32], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  return strncmp(path, folder, strlen(folder)) == 0;
}

static atomic_int waits;

static void wait_for_disk(int file) {
  if (!is_slow(file)) return;
  atomic_fetch_add(&waits, 1);
  const char* milliseconds = getenv("KEDGE_SLOW_DISK_MS");
  const long wait = milliseconds == NULL ? 0 : atol(milliseconds);
  const struct timespec time = {wait / 1000, wait % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void wait_for_gate(int file) {
  static atomic_int syncs;
  const char *gate = getenv("KEDGE_SLOW_DISK_GATE"), *held = getenv("KEDGE_SLOW_DISK_HELD");
  if (gate == NULL || held == NULL || !is_slow(file) || atomic_fetch_add(&syncs, 1) + 1 != atoi(held))
    return;
  const int fifo = open(gate, O_RDONLY);  // until the test is there
  char byte;
  while (fifo >= 0 && NEXT(read)(fifo, &byte, 1) > 0) {
  }
  close(fifo);
}

__attribute__((destructor)) static void tell(void) {
  const char* path = getenv("KEDGE_SLOW_DISK_WAITS");
  FILE* file = path == NULL ? NULL : fopen(path, "a");
  if (file == NULL) return;
  fprintf(file, "%d\n", atomic_load(&waits));
  fclose(file);
}

ssize_t read(int file, void* bytes, size_t size) {
  wait_for_disk(file);
  return NEXT(read)(file, bytes, size);
}

ssize_t pread(int file, void* bytes, size_t size, off_t offset) {
  wait_for_disk(file);
  return NEXT(pread)(file, bytes, size, offset);
}

ssize_t pread64(int file, void* bytes, size_t size, off64_t offset) {
  wait_for_disk(file);
  return NEXT(pread64)(file, bytes, size, offset);
}

ssize_t write(int file, const void* bytes, size_t size) {
  wait_for_disk(file);
  return NEXT(write)(file, bytes, size);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  wait_for_disk(file);
  return NEXT(pwrite)(file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  wait_for_disk(file);
  return NEXT(pwrite64)(file, bytes, size, offset);
}

int fsync(int file) {
  wait_for_disk(file);
  wait_for_gate(file);
  return NEXT(fsync)(file);
}

int fdatasync(int file) {
  wait_for_disk(file);
  wait_for_gate(file);
  return NEXT(fdatasync)(file);
}
