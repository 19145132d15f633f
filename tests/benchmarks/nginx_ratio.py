"""How fast nginx answers from its cache: against its own `return 200`, and against an empty Flask view.

All in one run, in turns, so that the ratios hold on a noisy machine. 60,000 clients are drawn once,
each asks one of twelve questions, and every one of them has been asked before the clock starts. Real
addresses in DB-IP's databases if MIRRORWISE_DBIP names their folder, those of the sample otherwise.

python tests/benchmarks/nginx_ratio.py [--rounds 5] [--seconds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from statistics import median
from typing import TextIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flask import Flask  # noqa: E402 - needs the path above

from app.settings import read_settings  # noqa: E402 - as above
from app.store import file_store  # noqa: E402 - as above
from app.web.server import Server  # noqa: E402 - as above
from app.worker.loop import Worker, run_once  # noqa: E402 - as above
from tests.conftest import accepts, free_port, wait_until  # noqa: E402 - as above
from tests.servers import GunicornServer, NginxOptions, NginxServer, environ  # noqa: E402 - as above

CLIENTS = 60_000
CONNECTIONS = 64
THREADS = 2
PROCESSES = 2
QUESTIONS = [
    f"/{kind}/{release}/{repo}?arch={arch}"
    for kind in ("mirrorlist", "metalink")
    for release in ("9",)
    for repo in ("baseos", "appstream", "extras")
    for arch in ("x86_64", "aarch64")
]

# Each thread of wrk goes round its own part of the lines "client target"; `sweep` ends after one round.
SCRIPT = """
local parts = {}
function setup(thread) table.insert(parts, thread); thread:set("part", #parts) end
local requests, at = {}, 0
function init(args)
  local number = 0
  for line in io.lines(args[1]) do
    number = number + 1
    if number % %(threads)d == part % %(threads)d then
      local client, target = line:match("(%%S+) (%%S+)")
      requests[#requests + 1] = wrk.format("GET", target, {["Host"] = "localhost", ["X-Forwarded-For"] = client})
    end
  end
  at = math.floor(#requests * (tonumber(args[2]) or 0))
end
function request() at = at %% #requests + 1; return requests[at] end
"""
