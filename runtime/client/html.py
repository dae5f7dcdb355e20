"""How results look in a notebook."""

import json
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenroom.runtime.client.results import RunResult

_COLORS = {
    "success": "#1a7f37",
    "failed": "#cf222e",
    "canceled": "#6e7781",
    "suspended": "#9a6700",
    "waiting": "#9a6700",
    "paused": "#9a6700",
    "running": "#0969da",
    "tripwire": "#cf222e",
}

MAX_SHOWN = 400
"""Longest value shown, in characters."""


def run_html(result: "RunResult") -> str:
    """Return a run as a small table: status, steps, what it waits for, usage and trace."""
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{_badge(step.status)}</td>"
        f"<td style='text-align:left'>{_value((step.error and str(step.error)) or step.output)}</td></tr>"
        for path, step in result.steps.items()
    )
    waiting = "".join(
        f"<li><code>{escape(path)}</code> waits for a resume: {_value(result.suspend_payload.get(path))}</li>"
        for path in result.suspended
    )
    error = f"<p style='color:#cf222e'>{escape(str(result.error))}</p>" if result.error else ""
    usage = result.usage
    return (
        f"<div><b>{escape(result.target)}</b> <code>{escape(result.run_id)}</code> {_badge(result.status)}"
        f"{error}<ul>{waiting}</ul><table><thead><tr><th>step</th><th>status</th><th>output</th></tr></thead>"
        f"<tbody>{rows}</tbody></table><small>{usage.total_tokens} tokens, {usage.cost_micros / 1e6:.6f} cost, "
        f"trace <code>{escape(result.trace_id)}</code></small></div>"
    )


def _badge(status: str) -> str:
    color = _COLORS.get(str(status), "#6e7781")
    return f"<span style='background:{color};color:white;border-radius:4px;padding:0 6px'>{escape(str(status))}</span>"


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + " …")
