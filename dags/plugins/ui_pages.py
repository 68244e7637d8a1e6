"""The pages *Models* and *Run report* in Airflow's UI, for users who may read the runs of `news_retrain`.

Airflow hands a plugin's web application every request, logged in or not: the dependency below is what keeps others out.
"""

import functools
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/newsdesk"
DAG_ID = "news_retrain"


@functools.cache
def application():
    """The web application. Made on first use: a task's process loads plugins too, and has no use for it."""
    import page_actions
    import page_routes
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI

    app = FastAPI(
        title="Newsdesk",
        # These would be served to anybody.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN, DAG_ID))],
    )
    app.include_router(page_actions.router)  # first: its addresses are the narrower ones
    app.include_router(page_routes.router)
    return app


class NewsdeskPages(AirflowPlugin):
    """Two views, both frames within Airflow's UI, and the application that serves them."""

    name = "newsdesk"
    external_views: ClassVar = [
        {
            "name": "Models",
            "href": f"{PREFIX}/models",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "newsdesk-models",
            "icon": f"{PREFIX}/icon.svg",
        },
        {
            "name": "Run report",
            "href": f"{PREFIX}/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "newsdesk-run",
            "icon": f"{PREFIX}/icon.svg",
        },
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        return [{"app": application(), "url_prefix": PREFIX, "name": "Newsdesk"}]
