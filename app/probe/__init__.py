"""The prober asks every mirror and the origin, the server that mirrors copy from, and writes what it measured
to the state files.

The prober is a process of its own. `service` runs it, `round` goes over the mirrors, `visits` says how many
are asked at once, `mirror` and `contents` ask one mirror, and `judgement` decides what the answers mean.
"""

from app.probe.service import Pace, ProbeOptions, run_probe

__all__ = ["Pace", "ProbeOptions", "run_probe"]
