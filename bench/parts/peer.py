"""The usual Python pipeline, in an environment of its own in the cache folder: sentence-transformers and LanceDB.

Made by the benchmark when it is first asked for, never by the tests. torch comes as the registry has it: for Linux that
is the build with CUDA (gigabytes, not used here); where the registry has a build for the CPU, pip's own settings say so.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from parts.process import CORES, run, say

REQUIREMENTS = ["torch==2.15.0", "sentence-transformers==6.2.0", "transformers==5.24.0", "lancedb==0.40.0",
                "numpy==2.4.6", "pyarrow==26.0.1"]
PROGRAM = Path(__file__).resolve().parent / "peer_pipeline.py"


def cache_folder():
    return Path(os.environ.get("KEDGE_DOWNLOADS") or Path.home() / ".cache/kedge")


def python(requirements=None):
    """The Python of the environment, which is made if it is not there; None, with a word, if it cannot be."""
    requirements = requirements or REQUIREMENTS
    name = "venv-peer-" + hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]
    folder = cache_folder() / name
    if not (folder / "complete").exists():
        size = "a few GB" if requirements is REQUIREMENTS else "a few hundred MB"
        say(f"bench: installing a peer into {name} of the cache folder ({size}, once): {' '.join(requirements)}")
        shutil.rmtree(folder, ignore_errors=True)
        for command in ([sys.executable, "-m", "venv", folder],
                        [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-cache-dir", *requirements]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                say(f"bench: SKIPPED the peer: it cannot be installed: {done.stderr[-500:]}")
                return None
        (folder / "complete").write_text("\n".join(requirements) + "\n")
    return folder / "bin/python"


def environment():
    """Of the peer's process: all cores, and nothing fetched from anywhere."""
    return {**os.environ, "OMP_NUM_THREADS": str(CORES), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "true", "CUDA_VISIBLE_DEVICES": "", "LANCE_LOG": "error", "RUST_LOG": "error",
            "HF_HUB_DISABLE_TELEMETRY": "1"}


def call(interpreter, *words):
    """Runs the peer in a fresh process: what it prints (JSON), and what it cost."""
    ran = run([interpreter, PROGRAM, *words], environment())
    return json.loads(ran.output), ran
