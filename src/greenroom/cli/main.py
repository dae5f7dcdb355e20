"""The entry of the `greenroom` command. Must run on any Python, so that an old one gets a clear line, not a trace."""

import sys

OLDEST = (3, 11)


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    if sys.version_info < OLDEST:
        text = "greenroom needs Python {}.{} or newer, and this is {}.{} ({}); install it into a newer one.\n"
        sys.stderr.write(text.format(*OLDEST + tuple(sys.version_info[:2]) + (sys.executable,)))
        sys.exit(1)
    from greenroom.cli.program import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
