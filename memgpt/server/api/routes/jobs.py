"""Jobs: long work that a worker does in the background, with its progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile

from memgpt.errors import InputError
from memgpt.jobs import Jobs
from memgpt.jobs.store import JobFile
from memgpt.models import Job, JobStatus
from memgpt.server.api import bodies, event_stream, pages
from memgpt.server.api.callers import AgentOrEvery, AnyCaller, ReadingJobs, RowId, WritingJobs, allow
from memgpt.server.api.idempotency import IdempotentRoute
from memgpt.server.api.json_types import FormObject

router = APIRouter(prefix="/v1/agents/{agent_id}", tags=["jobs"], route_class=IdempotentRoute)

MOST_FILES = 100
FileKind = Annotated[bodies.FileKind, Form(description="What to do with the files.")]
Files = Annotated[list[UploadFile], File(description="At most 100 files.", min_length=1, max_length=MOST_FILES)]
_LOCATION: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}}}
}


def _asking(jobs: WritingJobs, caller: AnyCaller, agent_id: AgentOrEvery, body: bodies.JobCreate) -> Jobs:
    """Whoever may not ask for such work is refused before anything is written."""
    allow(caller, agent_id, body.kind)
    return jobs


def _asking_with_files(jobs: WritingJobs, caller: AnyCaller, agent_id: AgentOrEvery, kind: FileKind) -> Jobs:
    allow(caller, agent_id, kind)
    return jobs


def _changing(jobs: WritingJobs, caller: AnyCaller, agent_id: AgentOrEvery, id: RowId) -> Jobs:
    allow(caller, agent_id, jobs.get(id).kind)
    return jobs


AskingJobs = Annotated[Jobs, Depends(_asking)]
AskingJobsWithFiles = Annotated[Jobs, Depends(_asking_with_files)]
ChangingJobs = Annotated[Jobs, Depends(_changing)]


@router.get("/jobs")
def list_jobs(
    request: Request,
    response: Response,
    jobs: ReadingJobs,
    status: Annotated[JobStatus | None, Query(description="Only those.")] = None,
    limit: pages.Limit = 50,
    after: pages.After = None,
) -> Sequence[Job]:
    """Jobs, newest first. They are kept for a month after their end."""
    last = pages.after(after, pages.Position)
    rows = jobs.list(status=status, limit=limit + 1, before=last.id if last else None)
    return pages.page(request, response, rows, limit, lambda row: pages.written(id=row.id))


@router.post("/jobs", status_code=202, responses=_LOCATION)
def add_job(jobs: AskingJobs, body: bodies.JobCreate, response: Response) -> Job:
    """Ask for work that needs no file. What concerns every agent (`reembed`) is a job of the agent `*`, for a key that
    reaches every agent."""
    return _added(response, jobs.add(body.kind, body.arguments))


@router.post("/jobs/files", status_code=202, responses=_LOCATION)
def add_job_with_files(
    jobs: AskingJobsWithFiles,
    response: Response,
    files: Files,
    kind: FileKind,
    arguments: Annotated[FormObject, Form(description="The arguments, as a JSON object.")] = "{}",
) -> Job:
    """Ask for work on files: `ingest` keeps documents, `import` a transcript, `import-agent` an exported agent (for an
    admin key)."""
    return _added(response, jobs.add(kind, bodies.json_object(arguments, "arguments"), read_files(files)))


@router.post("/documents/files", status_code=202, responses=_LOCATION)
def add_document_files(
    jobs: WritingJobs,
    response: Response,
    files: Files,
    metadata: Annotated[FormObject, Form(description="Of each document, as a JSON object.")] = "{}",
) -> Job:
    """Upload documents (PDF, Office, HTML, EPUB, e-mail, Markdown, plain text, CSV): always a job of kind `ingest`.
    A file's name is the document's source: sent again with another content, it replaces the chunks that changed."""
    fields = {"metadata": bodies.json_object(metadata, "metadata")}
    return _added(response, jobs.add("ingest", fields, read_files(files)))


@router.get("/jobs/{id:int}")
def get_job(jobs: ReadingJobs, id: RowId) -> Job:
    """One job: how far it is, and how it ended."""
    return jobs.get(id)


@router.post("/jobs/{id:int}/cancel")
def cancel_job(jobs: ChangingJobs, id: RowId) -> Job:
    """One that waits is cancelled now; one that runs at its next step, and what it did so far stays. For who may ask
    for such work."""
    return jobs.cancel(id)


@router.post("/jobs/{id:int}/retry", status_code=202, responses=_LOCATION)
def retry_job(jobs: ChangingJobs, id: RowId, response: Response) -> Job:
    """Ask again for work that failed or was cancelled, as a new job. What read files is asked for with them anew."""
    return _added(response, jobs.retry(id))


@router.get(
    "/jobs/{id:int}/events",
    response_model=None,
    responses={
        200: {"content": {event_stream.EVENT_STREAM: {}}, "description": "Events `job`: the job, as it changes."}
    },
)
def watch_job(request: Request, jobs: ReadingJobs, id: RowId) -> Response:
    """Stream a job as server-sent events: now, with every change, and at its end, which ends the stream."""
    return event_stream.watched(request, jobs, jobs.get(id))


def _added(response: Response, job: Job) -> Job:
    response.headers["Location"] = f"/v1/agents/{quote(job.agent_id, safe='')}/jobs/{job.id}"
    return job


def read_files(files: Sequence[UploadFile]) -> list[JobFile]:
    """Read what was uploaded.

    Raises:
        InputError: a file has no name.
    """
    read = [JobFile(file.filename or "", file.file.read()) for file in files]
    for file in read:
        if not file.name.strip():
            raise InputError("each file needs a name: its ending tells the format")
    return read
