"""What flows through the workflow: the question, the plan, the findings, the draft, the brief."""

from typing import Final, Literal

from pydantic import BaseModel, Field

MIN_QUOTES: Final = 2
"""Quotations that a section of a brief has at least."""


class Question(BaseModel):
    """What a brief is asked for.

    Attributes:
        text: The question.
        sections: How many sections to plan.
        documents: Folder with the documents; empty takes the descriptions of the installed packages.
        folder: Where the brief is written.
        name: Name of its file, without an ending.
    """

    text: str = Field(min_length=8)
    sections: int = Field(default=3, ge=1, le=8)
    documents: str = ""
    folder: str = "briefs"
    name: str = Field(default="brief", pattern=r"^[\w.-]+$")


class Section(BaseModel):
    """A part of the plan: its heading, and what is to be found out."""

    heading: str
    focus: str


class Plan(BaseModel):
    """What the orchestrator decides."""

    title: str
    sections: list[Section]


class Quote(BaseModel):
    """A sentence of a document, word for word, and the document's name."""

    text: str
    source: str


class Finding(BaseModel):
    """What a researcher brings back about one section."""

    heading: str
    summary: str
    quotes: list[Quote]


class DraftSection(BaseModel):
    """A section as the writer wrote it."""

    heading: str
    body: str
    quotes: list[Quote]


class Draft(BaseModel):
    """What the writer writes. Anything goes here; whether it is a brief is for `validate` to say."""

    title: str
    summary: str
    sections: list[DraftSection]


class BriefSection(DraftSection):
    """A section that may be published: it has something to say, and quotes what it says."""

    heading: str = Field(min_length=3, max_length=160)
    body: str = Field(min_length=40)
    quotes: list[Quote] = Field(min_length=MIN_QUOTES)


class Brief(BaseModel):
    """A brief that may be published."""

    title: str = Field(min_length=3, max_length=160)
    summary: str = Field(min_length=40)
    sections: list[BriefSection] = Field(min_length=1)


class Review(BaseModel):
    """What `validate` found: no problems means that the draft is a brief."""

    problems: list[str]


class Work(BaseModel):
    """A draft on its way to a brief: what it is made from, and what was wrong with it so far, round by round."""

    question: str
    title: str
    findings: list[Finding]
    draft: Draft | None = None
    problems: list[str] = []
    history: list[list[str]] = []

    @property
    def sound_draft(self) -> Draft:
        """The draft that passed."""
        if self.draft is None or self.problems:
            raise ValueError("no draft has passed yet")
        return self.draft


class Picture(BaseModel):
    """A picture, or why there is none."""

    png: bytes | None = None
    note: str = ""


class Decision(BaseModel):
    """What the person says who reads the brief before it goes out."""

    approved: bool
    note: str = ""


class Outcome(BaseModel):
    """What became of the brief, and where it is."""

    status: Literal["published", "rejected"]
    path: str | None = None
    cover: str | None = None
    quotes: int = 0
    sources: list[str] = []
    rounds: int = 0
    note: str = ""
