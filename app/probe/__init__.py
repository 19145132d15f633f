"""The prober: asks every mirror and the origin, and writes what it measured to the state files.

A process of its own, and a client of nobody but the mirrors. `service` runs it, `round` goes over
the mirrors, `mirror` and `contents` ask one, `judgement` decides what is believed of it.
"""

from app.probe.service import Pace, ProbeOptions, run_probe

__all__ = ["Pace", "ProbeOptions", "run_probe"]
