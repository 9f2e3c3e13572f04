"""The fuzzers (fuzz/*_fuzz.cc): which there are, and how one is run."""
import os
import subprocess

from dev.base import ROOT
from dev.build import environment


def targets():
    return sorted(path.stem.removesuffix("_fuzz") for path in (ROOT / "fuzz").glob("*_fuzz.cc"))


def start_target(folder, name, seconds, **options):
    """Starts one that is built in `folder` from its corpus; new inputs stay in folder/corpus. Options are those of subprocess.Popen()."""
    corpus, fresh = ROOT / "fuzz/corpus" / name, folder / "corpus" / name
    fresh.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen([folder / f"{name}_fuzz", f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=2048",
                           "-malloc_limit_mb=512", "-timeout=10", "-verbosity=0", f"-artifact_prefix={folder}/{name}-", fresh, corpus],
                            cwd=ROOT, env={**os.environ, **environment()}, **options)
