"""Whether a URL answers well: `python -m standalone.healthcheck URL`, where there is no curl."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

_TIMEOUT_S = 4


def main(url: str) -> int:
    """0 when the answer is a success, 1 otherwise."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return 0 if answer.status < 300 else 1
    except (urllib.error.URLError, TimeoutError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
