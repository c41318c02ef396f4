"""The service as a Ray Serve application: each replica is one process of it, with its models.

Run as, with the folder of this file on PYTHONPATH:
    serve run application:service
    serve deploy serve.yaml
"""

from fastapi import FastAPI
from ray import serve

from app import background
from app.main import create_app
from app.settings import Settings
from app.telemetry import configure_logging
from app.wiring import open_services
from cli.workers import prompt
from ingestion.formats.page_image import PageImages
from ingestion.worker import worker


def build() -> FastAPI:
    """The application of one replica; what is shared lies in the database and the data folder."""
    configure_logging()
    settings = Settings()
    services = open_services(settings)
    return create_app(settings, [worker, background.worker, prompt], services, PageImages())


@serve.deployment(max_ongoing_requests=500)
@serve.ingress(build)
class Countersign:
    """One replica; how many there are, and on what, is said in serve.yaml."""

    app: FastAPI

    def check_health(self) -> None:
        """Raises when a thread of the service has stopped: Ray then starts another replica."""
        if stopped := self.app.state.services.dead():
            raise RuntimeError(f"stopped: {', '.join(stopped)}")


service = Countersign.bind()
