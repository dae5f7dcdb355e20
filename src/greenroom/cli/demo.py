"""`greenroom demo`: the whole of it in a minute or two, on real documents, with a crash on the way."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from greenroom.cli.terminal import JsonFlag, say, write_json

TARGET: Final = "examples.briefing.app:app"
QUESTION: Final = "How do Python libraries validate data, handle concurrency, and speak HTTP?"
MIN_QUESTION_CHARS: Final = 8


def demo(
    *,
    docs: Annotated[
        str | None,
        typer.Option("--docs", help="Folder with documents, instead of the installed packages' descriptions."),
    ] = None,
    question: Annotated[str, typer.Option("--question", help="What the brief is to answer.")] = QUESTION,
    out: Annotated[str, typer.Option("--out", help="Folder the brief is copied to.")] = "briefs",
    as_json: JsonFlag = False,
) -> None:
    """Research a question, survive a crash, ask a person, publish a brief: everything once, in a folder of its own."""
    from greenroom.cli.demo_story import Plot, tell

    documents = _check_documents(docs, question)
    plot = Plot(target=TARGET, documents=documents, question=question, out=Path(out).resolve())
    try:
        facts = asyncio.run(tell(plot, is_quiet=as_json))
    except asyncio.CancelledError:
        say("stopped; nothing is left behind")
        raise typer.Exit(130) from None
    if as_json:
        write_json(facts)
    raise typer.Exit(0 if facts["ok"] else 1)


def _check_documents(docs: str | None, question: str) -> str:
    """Make sure that the example is here, the question is one, and there is something to read.

    Raises:
        UsageError: One of it is not so; the message says what to do.
    """
    from greenroom.cli.failures import UsageError

    _find_example()
    from examples.briefing.documents import DocumentsUnreadable, load_documents

    if len(question.strip()) < MIN_QUESTION_CHARS:
        raise UsageError("--question is a sentence, such as: " + QUESTION)
    folder = str(Path(docs).expanduser().resolve()) if docs else ""
    try:
        load_documents(folder)
    except DocumentsUnreadable as error:
        raise UsageError(str(error)) from None
    return folder


def _find_example() -> None:
    """Make `examples.briefing` importable: from the source checkout, or from the current folder.

    Raises:
        CommandFailed: The examples are not there; the wheel does not hold them.
    """
    import greenroom
    from greenroom.cli.failures import CommandFailed

    checkout = Path(str(greenroom.__file__)).resolve().parents[2]
    for folder in (checkout, Path.cwd()):
        if (folder / "examples" / "briefing" / "app.py").is_file():
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
            return
    raise CommandFailed(
        "the demo runs examples/briefing, which is in the source checkout and not in the installed package; "
        "clone the project and run `make demo` there"
    )
