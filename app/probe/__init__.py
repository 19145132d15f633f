"""The prober asks every mirror and the origin, and writes what it measured to the state files.

It is a process of its own. `service` runs it, `round` goes over the mirrors, `mirror` and `contents` ask
one mirror, and `judgement` decides what the answers mean.
"""

from app.probe.service import Pace, ProbeOptions, run_probe

__all__ = ["Pace", "ProbeOptions", "run_probe"]
