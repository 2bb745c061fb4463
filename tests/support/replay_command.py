"""`baton replay` as a process, and what it has left in the database."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.support.baton_client import Server, wait_for
from tests.support.baton_process import BatonCommand
from tests.support.copied_database import copied_database


class Replays:
    """A team's own data folder, where its replays run."""

    def __init__(self, home: Path, database: Server) -> None:
        self.home = home
        self.database = database
        self.example: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Replays"]:
        """Open a new folder with a database without tables."""
        with tempfile.TemporaryDirectory(prefix="baton-replays-") as folder:
            home = Path(folder)
            home.chmod(0o755)
            data_dir = home / "data"
            with copied_database(data_dir) as urls:
                yield cls(home, Server(data_dir, urls.owner_url, urls.service_url))

    def file(self, name: str, *conversations: Any) -> Path:
        """Write a file of conversations; a string is a raw line."""
        lines = [
            conversation if isinstance(conversation, str) else json.dumps(conversation)
            for conversation in conversations
        ]
        path = self.home / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def begin(self, *arguments: object, errors: IO[bytes] | None = None) -> BatonCommand:
        """Start a replay."""
        data_dir = str(self.database.data_dir)
        return BatonCommand("replay", *map(str, arguments), errors=errors, BATON_DATA_DIR=data_dir)

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Run a replay and return exit code, standard output and standard error."""
        process = self.begin(*arguments)
        out, err = process.communicate()
        return process.wait(), out, err

    def result(self, *arguments: object) -> dict[str, Any]:
        """Run a replay and return its JSON."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        result: dict[str, Any] = json.loads(out)
        return result

    def stop(self, given: tuple[object, ...], number: int, after: int) -> tuple[int, str]:
        """Send a signal after this number of further messages."""
        before = self.recorded
        process = self.begin(*given)
        wait_for(lambda: self.recorded >= before + after or process.poll() is not None, "messages")
        process.send_signal(number)
        out, err = process.communicate()
        assert out == ""
        return process.wait(), err

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.database.rows(query, *values)

    @property
    def scratches(self) -> list[Any]:
        """The scratch workspaces, oldest first."""
        return [row["id"] for row in self.rows("SELECT id FROM workspaces WHERE scratch ORDER BY created_at")]

    @property
    def recorded(self) -> int:
        """Return the number of recorded messages in all replays."""
        return int(self.rows("SELECT count(*) AS n FROM messages")[0]["n"])

    def transcript(self, workspace: Any) -> list[dict[str, Any]]:
        """All that was said in a workspace, without ids and without times that are not recorded ones."""
        return self.rows(
            """SELECT c.metadata->'replay'->>'id' AS line, c.ai_epoch, c.uncertain_replies,
                      m.position, m.role, m.status, m.content, m.confidence, m.intents, m.metadata,
                      CASE WHEN (c.metadata->'replay'->>'timed')::boolean THEN m.created_at END AS at
               FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
               WHERE c.workspace_id = $1 ORDER BY 1, m.position""",
            workspace,
        )


def says(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ASKING = says("user", "can I talk to a human please")
