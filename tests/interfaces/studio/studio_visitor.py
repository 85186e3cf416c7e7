"""What visitors of a studio do, for tests."""

import json
from pathlib import Path

QUICK = {"prompt": "dog face", "num_inference_steps": 2, "size": 64}


class Visitor:
    """Somebody with a cookie of their own."""

    def __init__(self, client):
        self.client = client

    def get(self, path, **more):
        return self.client.get(path, **more)

    def post(self, path, body=None, **more):
        return self.client.post(path, **({"json": body} if body is not None else {}), **more)

    def upload(self, *files):
        """The id of a file, or of a scene; each a path, or a name and bytes."""
        sent = [(f.name, f.read_bytes()) if isinstance(f, Path) else f for f in files]
        answer = self.post("/api/files", files=[("file", each) for each in sent])
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def start(self, task, **values):
        """The id of a run that was taken."""
        answer = self.post("/api/runs", {"task": task, "values": values})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def events(self, name):
        """(event, data) of a run, to its end."""
        text = self.get(f"/api/runs/{name}/events").text
        parts = [part.split("\ndata: ") for part in text.split("\n\n") if "data: " in part]
        return [(part[0].removeprefix("event: "), json.loads(part[1])) for part in parts]

    def run(self, task, **values):
        """A run, finished."""
        event, data = self.events(self.start(task, **values))[-1]
        assert event == "done", data
        return data["run"]

    def refused(self, task, **values):
        """The status and what is said of values that cannot be meant."""
        answer = self.post("/api/runs", {"task": task, "values": values})
        return answer.status_code, answer.json()["detail"]
