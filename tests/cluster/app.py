"""The app of the cluster tests."""

from greenroom import App, Workflow, tool
from tests.cluster import bodies

workflow = Workflow("all")
for function in (bodies.echo, bodies.where, bodies.die, bodies.leave, bodies.converse, bodies.hang):
    workflow = workflow.then(function)
workflow = workflow.then(bodies.make_large).then(bodies.measure)

app = App(workflows=[workflow], tools=[tool(id="counter")(bodies.Counter)])
