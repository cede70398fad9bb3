"""The supervisor: what ended is started again, ever more patiently; what must be fresh is recycled."""

from __future__ import annotations

from dataclasses import dataclass, field

from standalone.supervisor import BACKOFF_MAX_S, Part, Supervisor


@dataclass
class Fake:
    """A part that does what a test tells it."""

    running: bool = True
    starts: list[float] = field(default_factory=list)
    breaks: bool = False
    why: str = ""
    now_s: float = 0.0

    def start(self) -> None:
        self.starts.append(self.now_s)
        if self.breaks:
            raise RuntimeError("no")
        self.running = True
        self.why = ""

    def stop(self) -> None:
        self.running = False

    def part(self) -> Part:
        return Part(
            name="fake",
            start=self.start,
            stop=self.stop,
            is_running=lambda: self.running,
            why_recycle=lambda: self.why,
        )


def supervised(fake: Fake) -> tuple[Supervisor, list[str]]:
    said: list[str] = []
    supervisor = Supervisor(tell=said.append)
    supervisor.watch(fake.part(), now_s=0.0)
    return supervisor, said


def run(supervisor: Supervisor, fake: Fake, *, until_s: float, step_s: float = 0.1) -> None:
    while fake.now_s < until_s:
        fake.now_s = round(fake.now_s + step_s, 6)
        supervisor.tick(fake.now_s)


def test_what_runs_is_left_alone() -> None:
    fake = Fake()
    supervisor, said = supervised(fake)

    run(supervisor, fake, until_s=100)

    assert (fake.starts, said) == ([], [])


def test_what_ended_is_started_again_after_a_moment() -> None:
    fake = Fake()
    supervisor, said = supervised(fake)
    fake.running = False

    run(supervisor, fake, until_s=5)

    assert len(fake.starts) == 1
    assert 0.4 < fake.starts[0] < 0.8
    assert said == ["fake ended; starting it again in 0.5 s"]


def test_what_cannot_start_is_tried_ever_more_patiently_and_never_given_up() -> None:
    fake = Fake(breaks=True)
    supervisor, _ = supervised(fake)
    fake.running = False

    run(supervisor, fake, until_s=300, step_s=0.5)

    waits = [later - earlier for earlier, later in zip(fake.starts, fake.starts[1:], strict=False)]
    assert waits == sorted(waits)
    assert max(waits) <= BACKOFF_MAX_S + 0.5
    assert fake.starts[-1] > 300 - BACKOFF_MAX_S - 1


def test_patience_begins_anew_after_a_healthy_while() -> None:
    fake = Fake()
    supervisor, said = supervised(fake)
    for until_s in (100, 300):
        run(supervisor, fake, until_s=until_s)
        fake.running = False
    run(supervisor, fake, until_s=310)

    assert said == ["fake ended; starting it again in 0.5 s"] * 2


def test_what_asks_for_it_is_started_afresh_at_once() -> None:
    fake = Fake()
    supervisor, said = supervised(fake)
    fake.why = "holds 2000 MiB of memory"

    supervisor.tick(1.0)

    assert len(fake.starts) == 1
    assert fake.running
    assert said == ["fake: holds 2000 MiB of memory; starting it afresh"]
