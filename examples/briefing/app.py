"""The application: a workflow that plans, researches in parallel, writes until it is right, asks a person, publishes.

Serve it with `greenroom up examples.briefing.app:app`, and ask it with
`greenroom run briefing --follow --input '{"text": "How do Python libraries validate data?"}'`.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from examples.briefing.agents import orchestrator, researcher, writer
from examples.briefing.brief import MIN_QUOTES, Decision, Draft, Finding, Outcome, Picture, Plan, Question, Review, Work
from examples.briefing.documents import load_documents
from examples.briefing.markdown import count_quotes, sources_of, to_markdown
from examples.briefing.tools import image, search, validate
from greenroom import App, StepContext, Workflow, step

MAX_ROUNDS = 3


class State(BaseModel):
    """What every part of a run sees: where the documents are, and what is asked."""

    documents: str = ""
    question: str = ""
    note: str = ""


class Finished(BaseModel):
    """What a person is shown: the draft that passed, and its cover."""

    drafting: Work
    illustrating: Picture


@step
def read(question: Question, ctx: StepContext) -> str:
    """Make sure that there is something to read, and give the orchestrator its task."""
    load_documents(question.documents)
    ctx.set_state({"documents": question.documents, "question": question.text})
    return f"Question: {question.text}\n\nPlan {question.sections} sections."


def tasks(plan: Plan) -> list[str]:
    return [
        f"Research the section “{section.heading}” of a brief.\n\nQuestion: {section.focus}"
        for section in plan.sections
    ]


def begin(findings: list[Finding], ctx: StepContext) -> Work:
    """Put the findings under the plan's headings; of those that found the same, the first stands for all.

    Raises:
        ValueError: Nothing was found that could be quoted.
    """
    plan = Plan.model_validate(ctx.step_output(orchestrator))
    kept: list[Finding] = []
    for section, finding in zip(plan.sections, findings, strict=True):
        is_new = all(finding.quotes != other.quotes for other in kept)
        if is_new and len(finding.quotes) >= MIN_QUOTES:
            kept.append(finding.model_copy(update={"heading": section.heading}))
    if not kept:
        message = f"the documents say nothing about “{ctx.state['question']}”; ask something else or choose others"
        raise ValueError(message)
    return Work(question=ctx.state["question"], title=plan.title, findings=kept)


def instruct(work: Work) -> str:
    """Give the writer its task; after a rejection also what was wrong."""
    parts = [f"Question: {work.question}", f"Write the brief “{work.title}” with one section for each finding."]
    if work.problems:
        listed = "\n".join(f"- {problem}" for problem in work.problems)
        headings = ", ".join(f"“{finding.heading}”" for finding in work.findings)
        parts[1] = f"Write the brief “{work.title}” with {len(work.findings)} sections: {headings}."
        parts.append(f"Your last draft was sent back:\n{listed}")
    findings = json.dumps([finding.model_dump() for finding in work.findings], ensure_ascii=False)
    return "\n\n".join([*parts, f"Findings:\n{findings}"])


def submit(draft: Draft, ctx: StepContext) -> dict[str, object]:
    return {"draft": draft, "sections": len(ctx.input.findings)}


def settle(review: Review, ctx: StepContext) -> Work:
    work: Work = ctx.input
    draft = Draft.model_validate(ctx.step_output(writer))
    history = [*work.history, review.problems]
    return work.model_copy(update={"draft": draft, "problems": review.problems, "history": history})


def is_sound(work: Work) -> bool:
    return not work.problems


def describe(findings: list[Finding]) -> dict[str, str]:
    subjects = ", ".join(finding.heading for finding in findings)
    return {"prompt": f"Cover of a brief about {subjects}. Abstract, calm, no text."}


@step(resume=Decision)
async def review(finished: Finished, ctx: StepContext) -> Finished:
    """Wait for a person: nothing is published that nobody has read."""
    draft = finished.drafting.sound_draft
    decision = await ctx.suspend(
        {
            "title": draft.title,
            "summary": draft.summary,
            "sections": [section.heading for section in draft.sections],
            "quotes": count_quotes(draft),
            "sources": sources_of(draft),
            "sent_back": finished.drafting.history[:-1],
        }
    )
    if not decision.approved:
        return ctx.bail(Outcome(status="rejected", note=decision.note))
    ctx.set_state({"note": decision.note})
    return finished


@step
def publish(finished: Finished, ctx: StepContext) -> Outcome:
    """Write the brief and its cover. Doing it twice gives the same files."""
    question: Question = ctx.input
    work, picture = finished.drafting, finished.illustrating
    draft = work.sound_draft
    folder = Path(question.folder).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    cover = folder / f"{question.name}.png" if picture.png else None
    if cover is not None and picture.png:
        cover.write_bytes(picture.png)
    note = str(ctx.state.get("note") or "")
    path = folder / f"{question.name}.md"
    text = to_markdown(draft, work.question, cover=cover.name if cover else None, note=note)
    path.write_text(text, "utf-8")
    return Outcome(
        status="published",
        path=str(path),
        cover=str(cover) if cover else None,
        quotes=count_quotes(draft),
        sources=sources_of(draft),
        rounds=len(work.history),
        note=note or picture.note,
    )


revise = (
    Workflow("revise", input=Work, output=Work, description="One round: write, validate.")
    .map(instruct, id="instruct")
    .then(writer)
    .map(submit, id="submit")
    .then(validate)
    .map(settle, id="settle")
)

drafting = (
    Workflow("drafting", input=list[Finding], output=Work, description="Write until the draft is a brief.")
    .map(begin, id="begin")
    .do_until(revise, is_sound, max_iterations=MAX_ROUNDS)
)

illustrating = (
    Workflow("illustrating", input=list[Finding], output=Picture, description="Draw a cover.")
    .map(describe, id="describe")
    .then(image)
)

briefing = (
    Workflow(
        "briefing",
        input=Question,
        output=Outcome,
        state=State,
        description="A question and a folder of documents in, a reviewed brief out.",
    )
    .then(read)
    .then(orchestrator)
    .map(tasks, id="tasks")
    .foreach(researcher, concurrency=4)
    .parallel(drafting, illustrating)
    .then(review)
    .then(publish)
)

app = App(
    name="briefing",
    agents=[orchestrator, researcher, writer],
    workflows=[briefing],
    tools=[search, image, validate],
)
