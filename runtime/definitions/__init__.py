"""What users define: steps, tools, agents, workflows, apps, and the contexts their bodies get."""
