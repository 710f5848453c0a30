import pytest

from tests.bench.verdicts import Asked, Gap, Held, Verdict, judge

GOOD = Held(text="t")
REVOKED = Held(text="t", doubted_at=9.5, revoked_at=10.0)


@pytest.mark.parametrize(
    ("held", "asked", "gaps", "verdict"),
    [
        (GOOD, Asked(1, 2, 200), [], "good"),
        (GOOD, Asked(1, 2, 401), [], "good_refused"),
        (GOOD, Asked(1, 2, 503), [], "good_refused"),
        (Held(text="t", is_forged=True), Asked(1, 2, 401), [], "bad"),
        (Held(text="t", is_forged=True), Asked(1, 2, 200), [], "bad_accepted"),
        # Answered before anybody began to revoke it: it was good.
        (REVOKED, Asked(8, 9, 200), [], "good"),
        (REVOKED, Asked(8, 9, 401), [], "good_refused"),
        # While it is being revoked, and for a second, both answers are right.
        (REVOKED, Asked(9, 9.6, 401), [], "not_judged"),
        (REVOKED, Asked(10.9, 11, 200), [], "not_judged"),
        (REVOKED, Asked(11, 11.1, 200), [], "bad_accepted"),
        (REVOKED, Asked(11, 11.1, 401), [], "bad"),
        # Nobody knows whether the instance did it before it was killed.
        (Held(text="t", doubted_at=5), Asked(50, 51, 200), [], "not_judged"),
        # Cut off, and for a second after it is connected again.
        (REVOKED, Asked(12, 12.1, 200), [Gap(11, None)], "not_judged"),
        (REVOKED, Asked(12, 12.1, 200), [Gap(10.5, 11.2)], "not_judged"),
        (REVOKED, Asked(12.2, 12.3, 200), [Gap(10.5, 11.2)], "bad_accepted"),
        (REVOKED, Asked(12, 12.1, 200), [Gap(12.05, 13)], "bad_accepted"),
    ],
)
def test_an_answer_is_judged_by_what_was_true_when_it_was_asked(
    held: Held, asked: Asked, gaps: list[Gap], verdict: Verdict
) -> None:
    assert judge(held, asked, gaps) == verdict
