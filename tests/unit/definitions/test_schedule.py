"""Schedules as they are written."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from greenroom import App, DefinitionError, DuplicateName, Schedule, Workflow, every
from greenroom.runtime.contracts.schedules import SchedulePlan


class Amount(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


def echo(value: Any) -> Any:
    return value


def plans(schedule: Any, **options: Any) -> tuple[SchedulePlan, ...]:
    """Return what a workflow's plan says of its schedules."""
    return App(workflows=[Workflow("w", schedule=schedule, **options).then(echo)]).plan.workflows["w"].schedules


def test_a_line_an_interval_and_a_schedule_are_schedules() -> None:
    """Alone or several; all but the first get a number, unless they have an id."""
    assert plans(None) == ()
    assert plans("@daily") == (SchedulePlan(cron="@daily"),)
    assert plans(timedelta(minutes=5)) == plans(every(minutes=5)) == (SchedulePlan(every_s=300.0),)
    several = plans(["@daily", every(hours=1), Schedule("@weekly", id="weekly", catch_up="one", overlap="skip")])
    assert several == (
        SchedulePlan(cron="@daily"),
        SchedulePlan(id="2", every_s=3600.0),
        SchedulePlan(id="weekly", cron="@weekly", catch_up="one", overlap="skip"),
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schedule("61 * * * *"), "the minute is 0-59, not '61'"),
        (Schedule, "either a cron line"),
        (lambda: Schedule("@daily", every=5), "either a cron line"),
        (lambda: Schedule("@daily", timezone="Mars"), "time zone 'Mars' is not known"),
        (lambda: Schedule("@daily", catch_up="none"), "catch_up is one of 'skip', 'one', 'all', not 'none'"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: Schedule("@daily", overlap="no"), "overlap is one of 'allow', 'skip', not 'no'"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: Schedule("@daily", max_catch_up=0), "max_catch_up is 1 to 1000, not 0"),
        (lambda: Schedule(5), "cron is text such as '0 9 \\* \\* 1-5', not 5"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: Schedule("@daily", id="a b"), "schedule id 'a b' is not allowed"),
        (every, "an interval is 1 second or more, not 0.0"),
        (lambda: Schedule(every="5m"), "every is seconds or a timedelta, not '5m'"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_wrong_schedule_is_refused_where_it_is_written(make: Any, message: str) -> None:
    """The error names the argument, what was found, and what it may be."""
    with pytest.raises(DefinitionError, match=message):
        make()


def test_a_wrong_line_names_its_workflow() -> None:
    """The app is refused as a whole."""
    with pytest.raises(DefinitionError, match="workflow 'w': cron 'x \\* \\* \\* \\*': the minute"):
        plans("x * * * *")
    with pytest.raises(DefinitionError, match="workflow 'w': schedule is a cron line such as"):
        plans(7)


def test_two_schedules_of_one_id_are_refused() -> None:
    """Each is addressed by its id."""
    with pytest.raises(DuplicateName, match="two schedules have the id 'a'"):
        plans([Schedule("@daily", id="a"), Schedule("@weekly", id="a")])


def test_the_input_of_a_schedule_is_checked_when_the_app_is_built() -> None:
    """By the model's own validators too, and its defaults are applied: no run of a night fails for it."""
    assert plans(Schedule("@daily", input=Amount(amount=2)), input=Amount)[0].input == {"amount": 2}
    for given, message in (({"amount": 3}, "amount: must be even"), (None, "amount: field required"), (2, "root: ")):
        with pytest.raises(DefinitionError, match=message):
            plans(Schedule("@daily", input=given), input=Amount)
    with pytest.raises(DefinitionError, match="an input has 262,144 bytes at most"):
        plans(Schedule("@daily", input="x" * 300_000))
    assert plans(Schedule("@daily", input=2), input=Amount, validate=False)[0].input == 2
