"""The health check of the worker's container: it exits with 0 if the worker that publishes, this one or the
one that it stands by for, has given a sign of life within a minute."""

from __future__ import annotations

import os
import sys
import time

from app.settings import read_settings
from app.snapshot.status import decode_heartbeat
from app.store import open_store

heartbeat = open_store(read_settings(os.environ)).heartbeat()
sys.exit(heartbeat is None or time.time() - decode_heartbeat(heartbeat).at_s > 60)
