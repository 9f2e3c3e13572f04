"""One thread on one core, for every library that would take more."""
import os

ONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LANCE_CPU_THREADS",
       "TOKIO_WORKER_THREADS")


def pin():
    """Call it before the libraries are imported. OpenBLAS's own choice of kernels stands, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith("OPENBLAS_")]:
        del os.environ[name]
    os.environ.update({name: "1" for name in ONE} | {"LANCE_IO_THREADS": "2", "LANCE_LOG": "error", "RUST_LOG": "error"})
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
