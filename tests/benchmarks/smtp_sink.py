"""A mail server that takes everything and keeps nothing, as a process: `smtp_sink.py PORT`.

A process of its own, so that its work is not counted as the notifier's.
"""

from __future__ import annotations

import asyncio
import sys

from notifier.testing import FakeSmtp


async def main(port: int) -> None:
    async with FakeSmtp(port=port) as server:
        server.keep_mails = False
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
