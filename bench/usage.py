"""CPU and memory of every process of a deployment, its vendors and its servers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Sample:
    """CPU seconds (user and system) since each process began, and memory now."""

    at: float
    cpu: Mapping[str, float]
    rss_mb: Mapping[str, float]
    open_files: Mapping[str, int]

    def spent_since(self, earlier: "Sample") -> dict[str, float]:
        """CPU seconds between two samples; a process that began in between counts from zero."""
        return {name: used - earlier.cpu.get(name, 0.0) for name, used in self.cpu.items()}


def sample(pids: Mapping[str, int]) -> Sample:
    """Look at each process with all its children."""
    cpu, memory, files = {}, {}, {}
    for name, pid in pids.items():
        main = psutil.Process(pid)
        family = [main, *main.children(recursive=True)]
        cpu[name] = sum(_cpu(one) for one in family)
        memory[name] = round(sum(_rss(one) for one in family) / 1e6, 1)
        files[name] = main.num_fds()
    return Sample(time.time(), cpu, memory, files)


def _cpu(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # Of children that have ended, which are no longer listed.
    return float(used.user + used.system + used.children_user + used.children_system)


def _rss(process: psutil.Process) -> int:
    try:
        if process.name().startswith("postgres"):
            # Backends share the buffers: what is their own is what a further one would cost.
            found = process.memory_info()
            return int(found.rss - found.shared)
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
