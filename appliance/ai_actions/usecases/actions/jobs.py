"""The action on a job that failed."""

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules.catalogue import MAX_NAME_CHARS
from appliance.ai_actions.rules.gateway.fitting import last_of
from appliance.ai_actions.usecases.actions.looking import Look, Told
from appliance.resources.usecases import trace_of, visible_job

NO_FAILED_JOB = "M4005"


class TroubleshootJob:
    """Says why a job failed, and what may help."""

    def gather(self, look: Look) -> Told:
        """The end of its log, where what went wrong stands."""
        job = visible_job(look.session, look.user, look.resource.id, now=look.now)
        log = trace_of(look.session, job)
        if job.status != "failed" or not log.strip():
            raise ActionFailedError(NO_FAILED_JOB)
        inputs: dict[str, object] = {
            "job_log": last_of(log),
            "job_name": job.name[:MAX_NAME_CHARS],
            "stage": job.stage[:MAX_NAME_CHARS],
        }
        if job.failure_reason:
            inputs["failure_reason"] = job.failure_reason[:MAX_NAME_CHARS]
        if (question := look.text("question")) is not None:
            inputs["user_input"] = question
        return Told(inputs=inputs)
