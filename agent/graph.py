"""The conversation graph: understand → ask? → edit → check, or adjust → reply."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from agent import nodes
from agent.context import ChatContext
from agent.state import Conversation


def build() -> StateGraph[Conversation, ChatContext, Conversation, Conversation]:
    """Wire the nodes."""
    graph = StateGraph(Conversation, context_schema=ChatContext)
    for node in (
        nodes.understand,
        nodes.ask,
        nodes.move,
        nodes.adjust,
        nodes.edit,
        nodes.check,
        nodes.reply,
    ):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "understand")
    for name in ("understand", "ask", "move", "adjust"):
        graph.add_conditional_edges(name, nodes.route)
    graph.add_conditional_edges("edit", lambda s: "check" if s.tries else "reply",
                                ["check", "reply"])  # fmt: skip
    graph.add_conditional_edges("check", nodes.route_check)
    graph.add_edge("reply", END)
    return graph
