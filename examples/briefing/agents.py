"""The agents: one plans, several research, one writes."""

from examples.briefing.brief import Draft, Finding, Plan
from examples.briefing.models import model_for
from examples.briefing.tools import search
from greenroom import Agent

orchestrator = Agent(
    id="orchestrator",
    description="Plans a brief.",
    instructions=(
        "You plan short briefs. Split the question into sections that can be researched one by one: each has a heading "
        "and says what is to be found out. Plan exactly as many sections as you are asked for."
    ),
    model=model_for("orchestrator"),
    output=Plan,
)

researcher = Agent(
    id="researcher",
    description="Researches one section in the documents.",
    instructions=(
        "You research one section of a brief. Use the search tool, then answer with what you found: a summary in your "
        "own words, and quotes copied word for word, each with its source exactly as the search gave it."
    ),
    model=model_for("researcher"),
    tools=[search],
    output=Finding,
    max_steps=6,
)

writer = Agent(
    id="writer",
    description="Writes a brief from findings.",
    instructions=(
        "You write briefs from findings. Every statement rests on the findings; quotes are copied word for word, each "
        "with its source exactly as the findings give it. What a reviewer sent back, you mend."
    ),
    model=model_for("writer"),
    output=Draft,
)
