"""The service that answers questions in plain English."""

from __future__ import annotations

import json
import time

from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.questions.answer import answer_document
from rescene4d_ros.questions.asking import ask, zone_of
from rescene4d_ros.srv import AskMemory


def answer_in_words(
    memory: SceneMemory, request: AskMemory.Request, response: AskMemory.Response
) -> None:
    """
    Fill a response with the answer that `rescene4d ask` gives.

    Dates such as *yesterday* refer to the clock of the machine, as on the command line.

    Raises
    ------
    ConfigError
        The question is empty or too long, or the time zone unknown.

    """
    if not request.question.strip():
        raise ConfigError('expected a question such as "where is the red chair?", got none')
    answer = ask(memory, request.question, time.time_ns(), zone_of(request.time_zone or 'UTC'))
    response.answer, response.outcome = answer.text, answer.outcome.value
    response.object_ids = [fact.object_id for fact in answer.objects]
    response.facts = json.dumps(answer_document(answer))
