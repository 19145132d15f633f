"""Run by the system's own Python, which has librepo: fetch and parse what each line of the input says.

Input: a line each of JSON, [URL, "mirrorlist" or "metalink", whether to fetch the repomd.xml as well].
Output: a line each of JSON, {"mirrors": base URLs, "metalink": librepo's view of it or null, "error":
librepo's words or null}.
"""

import json
import sys
import tempfile

import librepo  # type: ignore[import-not-found]  # a package of the system


def fetched(url: str, kind: str, repomd: bool, folder: str) -> dict[str, object]:
    handle = librepo.Handle()
    handle.repotype = librepo.LR_YUMREPO
    handle.destdir = folder
    handle.fetchmirrors = not repomd
    handle.yumdlist = []
    setattr(handle, f"{kind}url", url)
    try:
        handle.perform(librepo.Result())
    except librepo.LibrepoException as error:
        return {"mirrors": [], "metalink": None, "error": str(error)}
    return {"mirrors": handle.mirrors, "metalink": handle.metalink, "error": None}


with tempfile.TemporaryDirectory() as folder:
    for line in sys.stdin:
        url, kind, repomd = json.loads(line)
        sys.stdout.write(json.dumps(fetched(url, kind, repomd, folder)) + "\n")
