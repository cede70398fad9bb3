"""Stand-ins for everything outside the notifier: ledger, renderer, mail server, SendGrid, Twilio.

They speak the real protocols on loopback, keep a log on disk of what they accepted, and misbehave
on request. For tests, rehearsals and the mail catcher; never for production.
"""

from notifier.testing.accounts import FakeAccounts
from notifier.testing.arrangements import FakeArrangements
from notifier.testing.behaviour import Accepted, AcceptLog, Mode
from notifier.testing.ledger import FakeLedger
from notifier.testing.pingen import FakePingen
from notifier.testing.providers import FakeSendGrid, FakeTwilio, sid_of
from notifier.testing.records import FakeRecords
from notifier.testing.renderer import PlainRenderer
from notifier.testing.sftp import FakeSftp, SftpTrouble
from notifier.testing.smtp import FakeSmtp

__all__ = [
    "AcceptLog",
    "Accepted",
    "FakeAccounts",
    "FakeArrangements",
    "FakeLedger",
    "FakePingen",
    "FakeRecords",
    "FakeSendGrid",
    "FakeSftp",
    "FakeSmtp",
    "FakeTwilio",
    "Mode",
    "PlainRenderer",
    "SftpTrouble",
    "sid_of",
]
