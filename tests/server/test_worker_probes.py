"""Probes and metrics of `baton worker`, on an address of its own."""

import httpx

from server.version import VERSION
from tests.support.baton_client import Server
from tests.support.sla_clocks import Process


def test_worker_answers_probes_and_nothing_else_until_it_ends(server: Server) -> None:
    worker = Process(server.data_dir, "probed", "worker")
    try:
        port = worker.says(r'"listening":"127\.0\.0\.1:(\d+)","event":"worker.probes"')
        worker.says('"event":"(worker.ready)"')
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert client.get("/healthz").json() == {"status": "ok", "version": VERSION}
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"status": "ready", "pubsub": "ok"})
            metrics = client.get("/metrics").text
            assert 'baton_overdue_seconds{kind="sla_clock"}' in metrics
            assert client.get("/graphql").status_code == client.get("/openapi.json").status_code == 404
            upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x" * 16}
            assert client.get("/graphql", headers=upgrade).status_code >= 400
            assert client.get("/metrics", headers={"host": "evil.example"}).status_code == 421
            taken = Process(server.data_dir, "without", "worker", BATON_WORKER_PORT=port)
            try:
                error = taken.says('"error":"([^"]*)","event":"worker.no_probes"')
                assert "Set BATON_WORKER_PORT to a free port" in error
                taken.says('"event":"(worker.ready)"')
            finally:
                taken.end(20)
            # An idle connection does not hold up the end.
    finally:
        worker.end(20)
    written = (server.data_dir / "probed.log").read_text()
    assert '"event":"worker.stopped"' in written
    assert '"level":"error"' not in written
