"""`python -m tests.simulation`: crash schedules by the thousand, and one of them again."""

import argparse
import sys

from tests.simulation.schedules import describe, replay_command, sweep


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the seeds that were asked for; 1 if any of them went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seed", type=int, help="only this one, told in full")
    asked = parser.parse_args()
    if asked.seed is not None:
        text, is_right = describe(asked.seed)
        say(text)
        return 0 if is_right else 1
    report = sweep(asked.first, asked.seeds, asked.jobs, say)
    say(report.summary)
    for seed in sorted(report.wrong)[:20]:
        say(f"\n{replay_command(seed)}")
        say("\n".join(f"    {line[:500]}" for line in report.wrong[seed]))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
