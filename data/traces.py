"""Every attribute of a span that the desk sets: its name. No other file spells one.

Names in `gen_ai.` are those of the OpenTelemetry GenAI conventions 0.1, names in `exception.` and
`error.` those of the general conventions 1.37. Names in `genai.` are copies of some of them under
the desk's first names, for dashboards that use these. Values are ids, names of the map, codes and
numbers: nothing that a person typed.
"""

from __future__ import annotations

OPERATION = "gen_ai.operation.name"
INVOKE_WORKFLOW = "invoke_workflow"
INVOKE_AGENT = "invoke_agent"
EXECUTE_TOOL = "execute_tool"

CONVERSATION_ID = "gen_ai.conversation.id"
"""The id of the run or the batch, on each of its spans."""
PROVIDER = "gen_ai.provider.name"
WORKFLOW_NAME = "gen_ai.workflow.name"
AGENT_NAME = "gen_ai.agent.name"
AGENT_VERSION = "gen_ai.agent.version"
REQUEST_MODEL = "gen_ai.request.model"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL_ID = "gen_ai.tool.call.id"

COPY_AGENT = "genai.agent"
COPY_MODEL = "genai.model"
COPY_PROMPT_TOKENS = "genai.tokens.prompt"
COPY_COMPLETION_TOKENS = "genai.tokens.completion"
COPY_LATENCY = "genai.latency_ms"
COPY_CACHE_HIT = "genai.cache_hit"

COST = "desk.model.cost_usd"
PROMPT_VERSION = "desk.prompt.version"
DEGRADED = "desk.model.degraded"
"""Why the rules' own text replaced that of a chat model."""

EXCEPTION = "exception"
"""The event of a span that says which error was raised here."""
EXCEPTION_TYPE = "exception.type"
ERROR_TYPE = "error.type"
"""The code of the error that ended the span."""

EXECUTION = "desk.execution"
"""Which execution of its run, or which start of its batch's driver, a span is, from 1."""
RUN_URL = "desk.run.url"
"""Where the desk answers for the run: the way back from the trace."""
OUTCOME = "desk.outcome"
"""How an execution ended that did not come to its end; how a wait ended, as the status of its
request: `answered`, `expired`, `closed`."""
SUSPENDED, STOPPED, INTERRUPTED = "suspended", "stopped", "interrupted"
LEASE_LOST = "lease_lost"
LOST = "desk.lost"
"""The span was open when its worker was lost. It ends when another process noticed that."""
BATCH, CHUNK_NAME = "batch", "chunk"
"""The names of two spans: of a batch's driver, and of one try of a chunk."""
CHUNK = "desk.chunk"
"""Which chunk of its batch, from 0."""
CHUNK_ROWS = "desk.chunk.rows"
CHUNK_RESULT = "desk.chunk.result"
"""`finished`; `found` when another process had finished it; `stopped`."""
CHUNK_FAILED = "desk.chunk.failed"
"""How many applications of a chunk the desk could not underwrite."""
LINE = "desk.line"
"""The line of the portfolio that an error is about."""
GATE = "desk.gate"
ROLE = "desk.role"
FAN_OUT_POLICY = "desk.fan_out.policy"
FAN_OUT_SIZE = "desk.fan_out.size"
FAN_OUT_MISSING = "desk.fan_out.missing"
PREFECT_RUN_TYPE = "prefect.run.type"
PREFECT_RUN_ID = "prefect.run.id"
