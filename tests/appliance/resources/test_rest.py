"""Projects and what lies in them, for a client that nobody here wrote: python-gitlab."""

import asyncio

import gitlab
import pytest
from gitlab.v4.objects import Project

from tests.appliance.conftest import FilledHome
from tests.served_instance import served_instance


def _project(client: gitlab.Gitlab) -> Project:
    group = client.groups.create({"name": "Lab", "path": "lab", "visibility": "internal"})
    made = client.projects.create({"name": "Test", "namespace_id": group.id})
    assert isinstance(made, Project)
    return made


def _journey_of_issues(client: gitlab.Gitlab) -> None:
    project = client.projects.get("lab/test")
    issue = project.issues.create({"title": "It burns", "labels": ["hot", "red"]})
    issue.notes.create({"body": "Water!"})
    note = issue.notes.list(get_all=True)[0]
    note.body = "Sand!"
    note.save()
    assert issue.notes.get(note.id).body == "Sand!"
    issue.state_event = "close"
    issue.save()
    assert (issue.state, issue.labels) == ("closed", ["hot", "red"])
    for number in range(3):
        project.issues.create({"title": f"n{number}"})
    assert len(list(project.issues.list(iterator=True, per_page=2))) == 4
    assert [each.iid for each in project.issues.list(labels=["red"], state="closed")] == [1]
    assert [each.iid for each in project.issues.list(iids=[1, 2], sort="asc")] == [1, 2]
    assert len(client.issues.list(scope="all", search="burns")) == 1
    note.delete()
    issue.delete()
    with pytest.raises(gitlab.GitlabGetError, match="404 Issue Not Found"):
        project.issues.get(1)


def _journey_of_merge_requests(client: gitlab.Gitlab) -> None:
    project = client.projects.get("lab/test")
    wish = {"title": "Put it out", "source_branch": "water", "target_branch": "main"}
    diffs = [{"new_path": "a.py", "diff": "@@ -1 +1 @@\n-a\n+b\n"}]
    made = project.mergerequests.create({**wish, "diffs": diffs})
    changes = made.changes()
    assert isinstance(changes, dict)
    assert changes["changes"][0]["new_path"] == "a.py"
    (version,) = made.diffs.list()
    assert made.diffs.get(version.id).diffs[0]["diff"] == diffs[0]["diff"]
    made.notes.create({"body": "good"})
    draft = made.draft_notes.create({"note": "hm"})
    assert [each.note for each in made.draft_notes.list()] == ["hm"]
    draft.publish()
    made.draft_notes.create({"note": "one more"})
    made.draft_notes.bulk_publish()
    assert [each.body for each in made.notes.list(sort="asc")] == ["good", "hm", "one more"]
    made.description = "all of it"
    made.save()
    made.merge()
    assert project.mergerequests.list(state="merged")[0].description == "all of it"
    made.delete()


def _journey_of_jobs(client: gitlab.Gitlab) -> None:
    project = client.projects.get("lab/test")
    told = {"name": "rspec", "status": "failed", "trace": "$ make\nerror\n"}
    client.http_post(f"/projects/{project.id}/jobs", post_data=told)
    (job,) = project.jobs.list(scope=["failed"])
    assert project.jobs.get(job.id).trace() == b"$ make\nerror\n"
    found = {"title": "Open door", "severity": "high", "report_type": "sast"}
    client.http_post(f"/projects/{project.id}/vulnerabilities", post_data=found)
    assert len(client.http_list(f"/projects/{project.id}/vulnerabilities")) == 1


async def test_python_gitlab_fills_and_reads_projects(filled: FilledHome) -> None:
    async with served_instance(filled) as instance:
        client = instance.gitlab()
        await asyncio.to_thread(_project, client)
        for journey in (_journey_of_issues, _journey_of_merge_requests, _journey_of_jobs):
            await asyncio.to_thread(journey, client)
