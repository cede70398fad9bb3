"""The long run: `python -m tests.faults --kills 300 --pauses 60 --seed 1`, or `make faults`.

Plays the product in rounds until it has met as many faults as asked for, then each planted bug once,
and prints the table of docs/reliability.md. DUNNING_FAULTS_PACE=3 makes all times three times longer. Ends with status 1 when the product broke a promise or
a planted bug was not caught.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from standalone.embedded.kafka import ApacheKafka, gather
from tests.faults.experiment import Plan, Result, run
from tests.faults.machine import open_machine
from tests.faults.variants import VARIANTS

_CHECKOUT = Path(__file__).resolve().parents[2]
_KILLS_OF_A_ROUND = 30
_HEAD = ("", "what", "kills", "pauses", "taken", "payments", "twice", "after a payment", "lost")


def main(arguments: list[str]) -> int:
    """Run the campaign; the exit status."""
    wanted = _options(arguments)
    with ExitStack() as stack:
        kafka = None
        if wanted.broker == "kafka":
            jars = gather(_CHECKOUT / "deploy/kafka/pom.xml", _CHECKOUT / "build/kafka")
            folder = stack.enter_context(TemporaryDirectory(prefix="dunning-kafka-"))
            broker = ApacheKafka(Path(folder), jars)
            broker.start()
            stack.callback(broker.stop)
            kafka = broker.bootstrap
        results = asyncio.run(_campaign(wanted, kafka))
    print("\n".join(table(results)))
    return 0 if all(_is_as_it_should(result) for result in results) else 1


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults ARGS=…", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="of the product's processes")
    parser.add_argument("--pauses", type=int, default=60, help="of the product's processes")
    parser.add_argument("--seconds", type=float, default=7_200.0, help="longest, for the product")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--variants", default=",".join(sorted(VARIANTS)), help="such as A,B,C")
    return parser.parse_args(arguments)


async def _campaign(wanted: argparse.Namespace, kafka: str | None) -> list[Result]:
    results: list[Result] = []
    async with open_machine(kafka) as machine:
        for name in wanted.variants.split(","):
            for plan in _plans(name, wanted, results):
                result = await run(machine, plan)
                results.append(result)
                print(_line(result), *_stories(result), sep="\n", file=sys.stderr, flush=True)
    return results


def _plans(name: str, wanted: argparse.Namespace, results: list[Result]) -> Iterator[Plan]:
    if name:
        yield Plan(variant=name, seed=wanted.seed, kills=10_000, longest_s=300.0)
        return
    seed = wanted.seed
    while True:
        own = [result for result in results if not result.plan.variant]
        kills = wanted.kills - sum(result.kills for result in own)
        pauses = wanted.pauses - sum(result.pauses for result in own)
        rest_s = wanted.seconds - sum(result.seconds for result in own)
        if (kills <= 0 and pauses <= 0) or rest_s <= 0:
            return
        yield Plan(
            seed=seed,
            kills=max(0, min(kills, _KILLS_OF_A_ROUND)),
            pauses=max(0, min(pauses, _KILLS_OF_A_ROUND // 5)),
            email_via=("sendgrid", "smtp")[seed % 2],
            longest_s=rest_s,
        )
        seed += 1


def table(results: list[Result]) -> Iterator[str]:
    """The table as Markdown, one row a variant, and how the product's messages ended."""
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---" * len(_HEAD) + "|"
    for name, variant in VARIANTS.items():
        rows = [result for result in results if result.plan.variant == name]
        if rows:
            rules = sum((result.rules for result in rows), Counter[str]())
            figures = [
                sum(result.kills for result in rows),
                sum(result.pauses for result in rows),
                sum(result.taken for result in rows),
                sum(result.payments for result in rows),
                *(rules[rule] for rule in ("twice", "after a payment")),
                sum(n for rule, n in rules.items() if rule not in ("twice", "after a payment")),
            ]
            yield f"| {name or '–'} | {variant.says} | {' | '.join(map(str, figures))} |"
    own = [result for result in results if not result.plan.variant]
    yield ""
    yield f"states: {dict(sum((result.states for result in own), Counter[str]()))}"
    yield f"faults: {dict(sum((result.faults for result in own), Counter[str]()))}"
    yield f"proved by a provider's report: {sum(result.proved for result in own)}"
    yield f"payments sent again: {sum(result.repeats for result in own)}"


def _line(result: Result) -> str:
    return (
        f"{result.plan.variant or 'product'} seed {result.plan.seed} by {result.plan.email_via}: "
        f"{result.kills} kills, {result.pauses} pauses, {result.asked} asked, {result.taken} taken, "
        f"{result.payments} payments, {dict(result.states)}, broken: {dict(result.rules)}, "
        f"{result.seconds:.0f} s"
    )


def _stories(result: Result) -> list[str]:
    """What the product broke; a planted bug is meant to."""
    return [] if result.plan.variant else [f"  {violation}" for violation in result.violations]


def _is_as_it_should(result: Result) -> bool:
    symptom = VARIANTS[result.plan.variant].symptom
    return symptom in result.rules if symptom else not result.violations


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
