"""Accepts requests, runs them, and hands out the answers."""

from appliance.ai_actions.usecases.accepting import accept, ask_to_cancel, ended_of, forget_ended
from appliance.ai_actions.usecases.asking import Accepted, ask
from appliance.ai_actions.usecases.deliveries import Deliveries, Subscription
from appliance.ai_actions.usecases.offering import commands_on, messages_to, title_of_resource
from appliance.ai_actions.usecases.running import Runner, Running
from appliance.ai_actions.usecases.runs import (
    MOST_ATTEMPTS,
    answer_uid,
    claim,
    end,
    ended_elsewhere,
    final_message,
    give_back,
    is_work_waiting,
    renew,
)
from appliance.ai_actions.usecases.threads import (
    delete_thread,
    delete_unused_threads,
    give_feedback,
    list_threads,
    messages_of,
    note_answer,
    note_question,
    open_thread,
)

__all__ = [
    "MOST_ATTEMPTS",
    "Accepted",
    "Deliveries",
    "Runner",
    "Running",
    "Subscription",
    "accept",
    "answer_uid",
    "ask",
    "ask_to_cancel",
    "claim",
    "commands_on",
    "delete_thread",
    "delete_unused_threads",
    "end",
    "ended_elsewhere",
    "ended_of",
    "final_message",
    "forget_ended",
    "give_back",
    "give_feedback",
    "is_work_waiting",
    "list_threads",
    "messages_of",
    "messages_to",
    "note_answer",
    "note_question",
    "open_thread",
    "renew",
    "title_of_resource",
]
