"""A small client of Airflow's REST API, of the standard library's urllib."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from pipelines.airflow_stack import airflow_secrets, assets

TIMEOUT = 30  # seconds for one answer
NOTE = 1000  # characters of a note, Airflow's own limit


class RestError(Exception):
    """Airflow did not answer or refused the request; the message gives the reason."""


class Rest:
    """A session with the api-server at `address`, as the user `admin` or another one.

    Raises:
        RestError: from every call, where Airflow cannot be reached or answers with an error.
    """

    def __init__(self, address: str, user: str = airflow_secrets.USER):
        self._address = address
        self._token = ""
        login = {"username": user, "password": airflow_secrets.password(user)}
        self._token = self._call("POST", "/auth/token", login)["access_token"]

    def dag(self, dag_id: str) -> dict | None:
        """`is_paused`, `has_import_errors` and more of a DAG; None where Airflow has not parsed it."""
        try:
            return self._call("GET", f"/api/v2/dags/{_quote(dag_id)}")
        except RestError as error:
            if error.__cause__ is not None and getattr(error.__cause__, "code", None) == 404:
                return None
            raise

    def switch(self, dag_id: str, on: bool) -> None:
        """Switches a DAG's schedule on or off."""
        self._call("PATCH", f"/api/v2/dags/{_quote(dag_id)}?update_mask=is_paused", {"is_paused": not on})

    def trigger(self, dag_id: str, run_id: str, conf: dict) -> None:
        """Starts a run under the id given; Airflow checks `conf` against the DAG's form."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self._call("POST", f"/api/v2/dags/{_quote(dag_id)}/dagRuns", body)

    def state(self, dag_id: str, run_id: str) -> str:
        """`queued`, `running`, `success` or `failed`."""
        return self._call("GET", f"/api/v2/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}")["state"]

    def note(self, dag_id: str, run_id: str, text: str) -> None:
        """Writes a run's note, which Airflow shows beside it; at most `NOTE` characters."""
        path = f"/api/v2/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}?update_mask=note"
        self._call("PATCH", path, {"note": text[:NOTE]})

    def labelled(self, line: str, extra: dict | None = None) -> None:
        """Says that labelled rows for a line have come: an event of its data asset, which starts a retraining.

        Raises:
            RestError: besides the usual, where no DAG waits for the line's rows.
        """
        name = assets.data_name(line)
        listed = self._call("GET", f"/api/v2/assets?limit=100&name_pattern={_quote(name)}")["assets"]
        number = next((asset["id"] for asset in listed if asset["name"] == name), None)
        if number is None:
            raise RestError(f"a DAG must wait for the asset. Received: {name}; known are {[a['name'] for a in listed]}")
        self._call("POST", "/api/v2/assets/events", {"asset_id": number, "extra": extra or {}})

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read(2000).decode("utf-8", "replace")
            raise RestError(f"Airflow refused {method} {path} with status {error.code}: {text}") from error
        except (OSError, ValueError) as error:
            raise RestError(f"Airflow does not answer at {self._address}: {error}") from error


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")
