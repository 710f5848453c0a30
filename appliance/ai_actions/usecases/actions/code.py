"""The actions on a piece of code that the user selected."""

from appliance.ai_actions.rules.languages import language_of
from appliance.ai_actions.usecases.actions.looking import Look, Told


class CodeAction:
    """Explains, tests, restructures or corrects code; which of them is the prompt's to say."""

    def gather(self, look: Look) -> Told:
        """The code, where it stands, and what the user wrote beside it."""
        around = look.given("file_name", "content_above_cursor", "content_below_cursor")
        inputs: dict[str, object] = {"selected_code": look.text("code"), **around}
        if (question := look.text("question")) is not None:
            inputs["user_input"] = question
        if (language := language_of(look.text("file_name") or "")) is not None:
            inputs["language"] = language
        return Told(inputs=inputs)
