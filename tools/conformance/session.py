"""One suite, run by pytest in a process of its own with the stand-in on its path."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tools.conformance.server import Connection
from tools.conformance.suites import Suite

STANDIN = Path(__file__).with_name("standin")
GRACE_S = 15.0


def run(suite: Suite, environment: dict[str, str], *, tests: Path, results: Path, log: Path) -> str | None:
    """Run a suite's tests in a `live_environment`: JUnit XML goes to `results`, pytest's output to `log`.

    Gives None, or what went wrong with the run as a whole. Failing tests are not such a thing: they
    stand in the results.
    """
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-c", str(STANDIN / "pytest.ini"), "--rootdir", str(tests)]
    command += ["-p", "devtools_testutils.session", "--junitxml", str(results), *suite.files]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=tests, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            status = process.wait(suite.timeout_s)
        except subprocess.TimeoutExpired:
            _interrupt(process)
            return f"stopped after {suite.timeout_s:.0f} s"
        except BaseException:
            process.kill()
            process.wait()
            raise
    # 0: all passed, 1: some failed. Anything else never got as far as testing.
    return None if status in {0, 1} else f"pytest ended with {status}"


def live_environment(suite: Suite, shared_env: dict[str, str], connection: Connection) -> dict[str, str]:
    """Give the environment of a suite: the caller's without pytest's own settings, then ours."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= connection.env
    environment |= {name: connection.fill(text) for name, text in (shared_env | suite.env).items()}
    # The server is on this machine: a proxy meant for the world must not be asked for it.
    known = [name for name in (environment.get("NO_PROXY"), environment.get("no_proxy")) if name]
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join([*known, "localhost", "127.0.0.1", "::1"])
    return environment | {
        "CONFORMANCE_SERVER": connection.https,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(STANDIN),
    }


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Stop pytest as Ctrl-C does, so that it writes down what it has; then for good."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
