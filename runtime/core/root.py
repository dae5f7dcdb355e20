"""The root of a run: the node that stands for the workflow, agent or tool it is a run of."""

from greenroom.runtime.contracts.entries import RunStarted
from greenroom.runtime.contracts.plan import AgentNode, AgentPlan, BundlePlan, WorkflowNode, WorkflowPlan
from greenroom.runtime.core.nodes import RunNode
from greenroom.runtime.core.state import Frame, NodeState


def make_root(started: RunStarted, bundle: BundlePlan) -> NodeState:
    """Return the root of a run before anything happened in it."""
    is_agent = started.kind == "agent"
    node: RunNode = (
        AgentNode(name="", id=started.target, agent=started.target)
        if is_agent
        else WorkflowNode(name="", id=started.target, workflow=started.target)
    )
    root = NodeState(path="", node=node, parent=None, input=started.input, started_at=started.at)
    root.frame = Frame(
        plan=plan_of_target(started.kind, started.target, bundle),
        kind=started.kind,
        target=started.target,
        run_id=started.run_id,
        input=started.input,
        value=started.input,
        state=dict(started.state),
        options=started.options,
    )
    return root


def plan_of_target(kind: str, target: str, bundle: BundlePlan) -> WorkflowPlan | AgentPlan | None:
    """Return the plan that a frame of this kind goes by; None for a lone tool, or where the bundle has none."""
    if kind == "workflow":
        return bundle.workflows.get(target)
    return bundle.agents.get(target) if kind == "agent" else None
